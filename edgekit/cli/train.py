"""`edgekit train`: images of known class become a verified int8 classifier."""

from pathlib import Path
from typing import Any, Optional

import click

from edgekit.cli.common import command_options, echo_json, progress_bar
from edgekit.cli.reporting import check_report, inspection_document, report_option, write_report
from edgekit.cli.settings import suggest
from edgekit.errors import UsageError
from edgekit.files import check_writable, write_bytes
from edgekit.models.zoo import ZOO
from edgekit.preprocess import CONVENTIONS
from edgekit.quiet import tensorflow_quiet
from edgekit.reports.curves import check_curves, curves_png
from edgekit.reports.training import training_facts, training_tables, training_to_json
from edgekit.terminal import echo_facts, echo_lines
from edgekit.training import TrainingPlan, save_trained
from edgekit.training import train as run_training
from edgekit.training.frigate import check_folder, frigate_plan, model_path, save_for_frigate
from edgekit.training.plan import AUGMENTATIONS
from edgekit.training.saving import SUFFIXES


@click.command()
@click.argument("images", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="The result; default: IMAGES.tflite here; a folder --for frigate.",
)
@click.option("--for", "program", type=click.Choice(["frigate"]), help="Write a folder as this program loads it.")
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
    default="crops",
    show_default=True,
    shell_complete=suggest(*AUGMENTATIONS),
    help="Views of each image to train on: none, flip, crops (flipped ones too).",
)
@click.option(
    "--preprocess", shell_complete=suggest(*CONVENTIONS), help="Scaling of the base's own input, if not told."
)
@click.option("--finetune", is_flag=True, help="Train the last blocks too (TensorFlow); kept if better than without.")
@click.option("--seed", default=0, show_default=True, help="Seed of what is kept aside to judge on.")
@click.option(
    "--save-float", type=click.Path(path_type=Path), help="Write the float model as well: .tflite, .keras or .h5."
)
@click.option("--curves", type=click.Path(path_type=Path), help="Draw top-1 by images and by epoch (.png).")
@report_option
@command_options
def train(
    images: Path,
    output: Optional[Path],
    program: Optional[str],
    save_float: Optional[Path],
    curves: Optional[Path],
    as_json: bool,
    verbose: bool,
    **options: Any,
) -> None:
    """Turn a folder of IMAGES, a sub-folder for each class, into a verified full-int8 .tflite.

    A linear layer is trained on the features of a pretrained model, without TensorFlow. A fifth of the
    images trains nothing and judges the result; folders named train and test (or val) are taken as such.
    --finetune trains the pretrained model's last blocks as well; killed, it goes on where it was.

    \b
    Examples:
      edgekit train flowers
      edgekit train flowers -o flowers.tflite --save-float flowers.float.tflite
      edgekit train flowers/train --test flowers/validation --base lite0
      edgekit train flowers -o flowers.tflite --finetune
      edgekit train flowers --for frigate -o model_cache/flowers
    """
    name = images.resolve().name
    folder = (output or Path(f"{name}_frigate")) if program else None
    path = model_path(folder) if folder else output or Path(f"{name}.tflite")
    _check_outputs(path, folder, save_float)
    report = options.pop("report")
    check_report(report)
    check_curves(curves)
    suffix = save_float.suffix if save_float else ".tflite"
    plan = TrainingPlan(name=folder.name if folder else path.stem, float_suffix=suffix, **options)
    with tensorflow_quiet(verbose) as stream, progress_bar(stream, as_json=as_json, verbose=verbose) as progress:
        trained = run_training(images, frigate_plan(plan) if folder else plan, progress=progress)
    manifest = save_for_frigate(trained, folder, save_float) if folder else save_trained(trained, path, save_float)
    if curves:
        write_bytes(curves, curves_png(trained))
    document = training_to_json(trained, path, manifest, save_float)
    write_report(report, document, *([inspection_document(path)] if report else []))
    if as_json:
        echo_json(document)
    else:
        echo_facts(training_facts(trained, path, save_float), verbose=verbose)
        echo_lines(["", *training_tables(trained)])


def _check_outputs(output: Path, folder: Optional[Path], floating: Optional[Path]) -> None:
    """Raises where a result could not be written, or one would overwrite another."""
    further = [floating] if floating else []
    written = [output, output.with_suffix(".json"), *further]
    if output.suffix != ".tflite":
        raise UsageError(f"{output} does not end in .tflite.", "The int8 model is written as .tflite.")
    if floating and floating.suffix not in SUFFIXES:
        raise UsageError(
            f"{floating} does not end in {', '.join(SUFFIXES)}.", "The float model is written as one of these."
        )
    if len({path.resolve() for path in written}) < len(written):
        raise UsageError("--save-float would overwrite the int8 model.", "Give it another name.")
    for path in further if folder else written:
        check_writable(path)
    if folder:
        check_folder(folder)
