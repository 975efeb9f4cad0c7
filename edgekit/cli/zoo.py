"""`edgekit zoo`: list or build models with published ImageNet weights, fetch photographs to try them on."""

from pathlib import Path
from typing import Optional

import click

from edgekit.cli.common import command_options, echo_json
from edgekit.converters.making import save_pretrained
from edgekit.errors import UsageError
from edgekit.models.photos import copy_demo_photos
from edgekit.models.zoo import CLASSES, ZOO
from edgekit.reports.zoo import zoo_lines, zoo_to_json
from edgekit.terminal import command, echo, echo_lines


@click.command()
@click.argument("name", required=False)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="File to write (.h5, .keras, .tflite).")
@click.option("--photos", type=click.Path(path_type=Path), metavar="DIR", help="Copy a few real photographs to DIR.")
@command_options
def zoo(name: Optional[str], output: Optional[Path], photos: Optional[Path], as_json: bool, verbose: bool) -> None:
    """List or build models with published ImageNet weights.

    Without NAME: the list. With it: builds that model, as NAME.h5 unless -o says otherwise, with its
    class names beside it (NAME.labels.txt).

    \b
    Examples:
      edgekit zoo
      edgekit zoo lite0
      edgekit zoo lite0 -o lite0.tflite
      edgekit zoo --photos photos
    """
    if photos is not None and (name is not None or output is not None):
        raise UsageError("--photos copies photographs and goes with neither a model's name nor -o.")
    if output is not None and name is None:
        raise UsageError("-o needs the name of a model.", hint=f"The zoo has: {', '.join(ZOO)}.")
    if photos is not None:
        _copy(photos, as_json)
    elif name is not None:
        _build(name, output or Path(f"{name}.h5"), as_json)
    elif as_json:
        echo_json(zoo_to_json())
    else:
        echo_lines(zoo_lines())


def _build(name: str, output: Path, as_json: bool) -> None:
    saved = save_pretrained(name, output, progress=lambda stage, *_: echo(f"{stage} …", err=True))
    if as_json:
        echo_json({"name": name, "model": str(saved.model), "labels": str(saved.labels), "classes": CLASSES})
        return
    size = saved.model.stat().st_size / 1e6
    echo(f"Made {saved.model} ({size:.1f} MB) and {saved.labels} ({CLASSES} class names).")
    echo(f"Next: {command('edgekit', 'convert', saved.model, '--int8')}")


def _copy(folder: Path, as_json: bool) -> None:
    copies = [str(copy) for copy in copy_demo_photos(folder)]
    if as_json:
        echo_json({"photos": copies})
    else:
        echo(f"Copied {len(copies)} photographs from scikit-image: {', '.join(copies)}")
