"""`edgekit metadata`: what a model says about itself."""

from pathlib import Path

import click

from edgekit.cli.common import command_options, echo_json
from edgekit.cli.settings import gather, suggest
from edgekit.devices.describing import Changes, set_metadata
from edgekit.devices.inspection import inspect
from edgekit.errors import DataError
from edgekit.preprocess import CONVENTIONS, INTERPOLATIONS, RESIZE_MODES
from edgekit.reports.metadata import described_to_json, shown_facts, shown_lines, shown_to_json
from edgekit.terminal import echo, echo_facts, echo_lines
from edgekit.tflite.metadata import OUTPUTS


@click.group()
def metadata() -> None:
    """Show or change what a .tflite says about itself: labels, preprocessing, names.

    It is kept in the file in the standard form that Android's Task Library and MediaPipe read too.
    """


@metadata.command()
@click.argument("model", type=click.Path())
@command_options
def show(model: str, as_json: bool, verbose: bool) -> None:
    """Show what MODEL says about itself, and how it was made."""
    found = inspect(model)
    if as_json:
        echo_json(shown_to_json(found))
        return
    echo_facts(shown_facts(found), verbose=verbose)
    echo_lines(shown_lines(found))


@metadata.command()
@click.argument("model", type=click.Path())
@command_options
def labels(model: str, as_json: bool, verbose: bool) -> None:
    """Print the class names of MODEL, one a line, in the order of its output."""
    found = inspect(model).names
    if found is None or not found.labels:
        note = found.notes[0] if found and found.notes else f"{model} names no classes."
        raise DataError(note, "Give it names with: edgekit metadata set MODEL --labels FILE")
    if as_json:
        echo_json({"model": model, "labels": list(found.labels), "labels_from": found.origin})
        return
    for label in found.labels:
        echo(label)


@metadata.command("set")
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--labels", type=click.Path(path_type=Path), help="File of class names: a line each, JSON, CSV, pbtxt, …."
)
@click.option("--name", help="The model's name.")
@click.option("--description", help="What it does.")
@click.option("--version", help="Its version.")
@click.option("--author", help="Who made it.")
@click.option("--license", help="Under which licence.")
@click.option(
    "--preprocess",
    shell_complete=suggest(*CONVENTIONS),
    help="How images are scaled: raw, 0..1, -1..1, lite, imagenet, caffe, or mean/std.",
)
@click.option("--resize", shell_complete=suggest(*RESIZE_MODES, "crop:0.875"), help="stretch, crop, or crop:0.875.")
@click.option("--interpolation", shell_complete=suggest(*INTERPOLATIONS), help="nearest, bilinear, bicubic or lanczos.")
@click.option("--output", type=click.Choice(OUTPUTS), help="What the output's numbers are.")
@gather(Changes, "changes")
@command_options
def set_(model: Path, changes: Changes, as_json: bool, verbose: bool) -> None:
    """Change what MODEL says about itself; what is not named stays.

    Its compiled twin (X_edgetpu.tflite beside X.tflite, or the other way round) and its manifest are kept in step.

    \b
    Example:
      edgekit metadata set flowers.tflite --labels labels.json --license MIT
    """
    found = set_metadata(model, changes)
    if as_json:
        echo_json(described_to_json(str(model), found))
        return
    echo_lines([*(f"Wrote {path}" for path in found.written), *found.notes])
