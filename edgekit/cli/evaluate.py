"""`edgekit evaluate`: how often a model is right, on images whose class is known."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

import click

from edgekit.calibration.labelled import ImageSet
from edgekit.cli.common import command_options, echo_json, progress_bar
from edgekit.cli.reporting import check_report, inspection_document, report_option, write_report
from edgekit.cli.settings import suggest
from edgekit.evaluation.accuracy import Evaluation, label_of
from edgekit.evaluation.accuracy import evaluate as run_evaluation
from edgekit.files import check_writable, write_text
from edgekit.preprocess import CONVENTIONS
from edgekit.quiet import tensorflow_quiet
from edgekit.reports.evaluation import (
    confusion_to_csv,
    evaluation_facts,
    evaluation_tables,
    evaluation_to_json,
    to_junit,
)
from edgekit.terminal import echo_facts, echo_lines
from edgekit.units import fraction

if TYPE_CHECKING:
    from edgekit.reports.page import Figures


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(path_type=Path), help="Folder of images, a sub-folder for each class.")
@click.option("--labels-csv", type=click.Path(path_type=Path), help="Table file,label (names or output numbers).")
@click.option("--labels", type=click.Path(path_type=Path), help="Class names, one a line, for the model's own.")
@click.option(
    "--preprocess",
    shell_complete=suggest(*CONVENTIONS),
    help="Scaling of pixels for the model's own: raw, 0..1, -1..1, lite, …, or mean,std.",
)
@click.option("--min-top1", help="Top-1 to reach, such as 90%; less is exit code 1.")
@click.option("--csv", "table", type=click.Path(path_type=Path), help="Write the confusion matrix.")
@click.option("--junit", type=click.Path(path_type=Path), help="Write JUnit XML for continuous integration.")
@click.option("--scheduler", help="Spread over a Dask cluster: its scheduler's address, or local.")
@report_option
@command_options
def evaluate(model: Path, labels: Optional[Path], as_json: bool, verbose: bool, **options: Any) -> None:
    """Say how often the .tflite MODEL is right: top-1 and top-5 with 95 % intervals, by class, and its confusions.

    Class folders (or the labels in --labels-csv) are matched to the model's labels by name, else taken as
    output numbers, as ImageNet's synsets or in sorted order; the answer says which.
    """
    min_top1 = fraction("--min-top1", options.pop("min_top1"))
    table, junit, report = (options.pop(name) for name in ("table", "junit", "report"))
    check_report(report)
    for path in filter(None, (table, junit)):
        check_writable(path)
    images = ImageSet(options.pop("data"), options.pop("labels_csv"))
    with tensorflow_quiet(verbose) as stream, progress_bar(stream, as_json=as_json, verbose=verbose) as progress:
        found = run_evaluation(model, images, labels=labels, progress=progress, **options)
    unmet = found.unmet(min_top1)
    if table:
        write_text(table, confusion_to_csv(found))
    if junit:
        write_text(junit, to_junit(found, model.name, min_top1))
    document = {"model": str(model), **evaluation_to_json(found), "accepted": unmet is None, "unmet": unmet}
    if report:
        write_report(report, document, inspection_document(model), images=lambda: _mistaken(model, images, found))
    if as_json:
        echo_json(document)
    else:
        echo_facts(evaluation_facts(found, unmet))
        echo_lines(["", *evaluation_tables(found)])
    sys.exit(1 if unmet else 0)


def _mistaken(model: Path, images: ImageSet, found: Evaluation) -> "Figures":
    """The first wrong predictions, with what the model looked at."""
    from edgekit.reports.page.examples import mistaken

    root = images.data if isinstance(images.data, (str, Path)) else (images.labels_csv or Path()).parent
    labels = found.labels
    said = {
        str(Path(root) / each.image): f"is {label_of(each.truth, labels)}, taken for {label_of(each.answer, labels)}"
        for each in found.mistakes
    }
    return mistaken(model, said)
