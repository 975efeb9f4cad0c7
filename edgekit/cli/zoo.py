"""`edgekit zoo`: list or build models with published ImageNet weights, fetch photographs to try them on."""

from pathlib import Path
from typing import Optional

import click

from edgekit.cli.common import command_options, echo_json
from edgekit.converters.making import save_pretrained
from edgekit.errors import UsageError
from edgekit.install import install_command
from edgekit.models.packages import is_installed
from edgekit.models.photos import copy_demo_photos
from edgekit.models.zoo import CLASSES, ZOO
from edgekit.terminal import command, echo


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
    else:
        _list(as_json)


def _list(as_json: bool) -> None:
    if not as_json:
        _show()
        return
    rows = [
        {
            "name": name,
            "size": entry.variant.size,
            "parameters": entry.parameters,
            "classes": CLASSES,
            "top1": entry.top1,
            "package": entry.package.replace("_", "-"),
            "installed": is_installed(entry.package),
        }
        for name, entry in ZOO.items()
    ]
    echo_json(rows)


def _show() -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("name", "input", "parameters", "ImageNet top-1", "weights", title="EfficientNet-Lite", box=None)
    for name, entry in ZOO.items():
        state = "installed" if is_installed(entry.package) else escape(install_command("zoo"))
        size = f"{entry.variant.size}×{entry.variant.size}"
        table.add_row(name, size, f"{entry.parameters / 1e6:.1f} M", f"{entry.top1} %", state)
    Console().print(table)
    echo("\nTop-1 as Google published it (float). Build one: edgekit zoo lite0 -o lite0.h5")


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
