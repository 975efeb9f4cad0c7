"""`edgekit train`: images of known class become a verified int8 classifier."""

from pathlib import Path
from typing import Any, Optional

import click

from edgekit.cli.common import command_options, echo_json, progress_bar
from edgekit.cli.settings import suggest
from edgekit.errors import UsageError
from edgekit.files import check_writable
from edgekit.models.zoo import ZOO
from edgekit.preprocess import CONVENTIONS
from edgekit.quiet import tensorflow_quiet
from edgekit.reports.training import training_facts, training_tables, training_to_json
from edgekit.terminal import echo_facts, echo_lines
from edgekit.training import TrainingPlan, save_trained
from edgekit.training import train as run_training
from edgekit.training.train import AUGMENTATIONS


@click.command()
@click.argument("images", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The result; default: IMAGES.tflite here.")
@click.option(
    "--base",
    default="lite0",
    show_default=True,
    shell_complete=suggest(*ZOO),
    help="Whose features: a zoo model, or the file of a float classifier.",
)
@click.option("--labels-csv", type=click.Path(path_type=Path), help="Table file,label in place of class folders.")
@click.option("--test", type=click.Path(path_type=Path), help="Folder of the same classes to judge on.")
@click.option(
    "--augment",
    default="auto",
    show_default=True,
    shell_complete=suggest(*AUGMENTATIONS),
    help="Views of each image: none, flip, crops, or the best of them.",
)
@click.option(
    "--preprocess", shell_complete=suggest(*CONVENTIONS), help="Scaling of the base's own input, if not told."
)
@click.option("--seed", default=0, show_default=True, help="Seed of what is kept aside to judge on.")
@click.option("--save-float", type=click.Path(path_type=Path), help="Write the float model (.tflite) as well.")
@command_options
def train(
    images: Path, output: Optional[Path], save_float: Optional[Path], as_json: bool, verbose: bool, **options: Any
) -> None:
    """Turn a folder of IMAGES, a sub-folder for each class, into a verified full-int8 .tflite.

    A linear layer is trained on the features of a pretrained model, without TensorFlow. A fifth of the
    images trains nothing and judges the result; folders named train and test (or val) are taken as such.

    \b
    Examples:
      edgekit train flowers
      edgekit train flowers -o flowers.tflite --save-float flowers.float.tflite
      edgekit train flowers/train --test flowers/validation --base lite1
    """
    output = output or Path(f"{images.resolve().name}.tflite")
    _check_outputs(output, save_float)
    plan = TrainingPlan(name=output.stem, **options)
    with tensorflow_quiet(verbose) as stream, progress_bar(stream, as_json=as_json, verbose=verbose) as progress:
        trained = run_training(images, plan, progress=progress)
    manifest = save_trained(trained, output, save_float)
    if as_json:
        echo_json(training_to_json(trained, output, manifest, save_float))
    else:
        echo_facts(training_facts(trained, output, save_float), verbose=verbose)
        echo_lines(["", *training_tables(trained)])


def _check_outputs(output: Path, floating: Optional[Path]) -> None:
    """Raises where a result could not be written, or one would overwrite another."""
    written = [output, output.with_suffix(".json"), *([floating] if floating else [])]
    for path in (output, *([floating] if floating else [])):
        if path.suffix != ".tflite":
            raise UsageError(f"{path} does not end in .tflite.", "Models are written as .tflite.")
    if len({path.resolve() for path in written}) < len(written):
        raise UsageError("--save-float would overwrite the int8 model.", "Give it another name.")
    for path in written:
        check_writable(path)
