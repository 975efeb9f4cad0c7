"""`edgekit evaluate`: how often a model is right, on images whose class is known."""

import sys
from pathlib import Path
from typing import Any

import click

from edgekit.calibration.labelled import Labelled, from_csv, from_folder
from edgekit.cli.common import command_options, echo_json, fraction, progress_bar
from edgekit.errors import UsageError
from edgekit.evaluation.accuracy import BEST, Evaluation, Subject, label_of
from edgekit.evaluation.accuracy import evaluate as run_evaluation
from edgekit.files import check_writable, write_text
from edgekit.labels import read_labels
from edgekit.quiet import tensorflow_quiet
from edgekit.reports.evaluation import to_csv, to_json, to_junit, unmet_demand
from edgekit.reports.text import columns, percent
from edgekit.terminal import echo, echo_facts
from edgekit.tflite import read_graph

#: Rows of the table of classes and of the list of confusions; the files hold all.
_CLASSES, _CONFUSIONS = 20, 5


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(path_type=Path), help="Folder of images, a sub-folder for each class.")
@click.option("--labels-csv", type=click.Path(path_type=Path), help="Table file,label (names or output numbers).")
@click.option("--labels", type=click.Path(path_type=Path), help="Class names, one a line, for the model's own.")
@click.option("--preprocess", help="Scaling of pixels for the model's own: raw, 0..1, -1..1, lite, …, or mean,std.")
@click.option("--min-top1", help="Top-1 to reach, such as 90%; less is exit code 1.")
@click.option("--csv", "table", type=click.Path(path_type=Path), help="Write the confusion matrix.")
@click.option("--junit", type=click.Path(path_type=Path), help="Write JUnit XML for continuous integration.")
@click.option("--scheduler", help="Spread over a Dask cluster: its scheduler's address, or local.")
@command_options
def evaluate(model: Path, as_json: bool, verbose: bool, **options: Any) -> None:
    """Say how often the .tflite MODEL is right: top-1 and top-5 with 95 % intervals, by class, and its confusions.

    Class folders (or the labels in --labels-csv) are matched to the model's labels by name, else taken as
    output numbers, as ImageNet's synsets or in sorted order; the answer says which.
    """
    min_top1 = fraction("--min-top1", options["min_top1"])
    for path in filter(None, (options["table"], options["junit"])):
        check_writable(path)
    with tensorflow_quiet(verbose) as stream, progress_bar(stream, as_json=as_json, verbose=verbose) as progress:
        subject = _subject(model, options)
        images = _images(subject, options["data"], options["labels_csv"])
        evaluation = run_evaluation(subject, images, scheduler=options["scheduler"], progress=progress)
    unmet = unmet_demand(evaluation, min_top1)
    if options["table"]:
        write_text(options["table"], to_csv(evaluation))
    if options["junit"]:
        write_text(options["junit"], to_junit(evaluation, model.name, min_top1))
    if as_json:
        echo_json({"model": str(model), **to_json(evaluation), "accepted": unmet is None, "unmet": unmet})
    else:
        _tell(evaluation, unmet)
    sys.exit(1 if unmet else 0)


def _subject(model: Path, options: dict[str, Any]) -> Subject:
    labels = read_labels(options["labels"]) if options["labels"] else None
    return Subject(read_graph(model).content, labels, options["preprocess"])


def _images(subject: Subject, data: Path | None, table: Path | None) -> Labelled:
    if table is not None:
        return from_csv(table, data, *subject.classes())
    if data is not None:
        return from_folder(data, *subject.classes())
    raise UsageError("There are no images to evaluate on.", "Give --data FOLDER or --labels-csv FILE.")


def _tell(evaluation: Evaluation, unmet: str | None) -> None:
    rows = [("Top-1", _with_interval(evaluation.top1, evaluation.top1_interval, evaluation.images))]
    if len(evaluation.labels) > BEST or any(o.truth >= BEST for o in evaluation.confusion):
        rows += [("Top-5", _with_interval(evaluation.top5, evaluation.top5_interval, evaluation.images))]
    rows += [("Classes", evaluation.mapping)]
    rows += [("Skipped", f"{name}: {reason}") for name, reason in list(evaluation.skipped.items())[:3]]
    if len(evaluation.skipped) > 3:
        rows += [("Skipped", f"and {len(evaluation.skipped) - 3} more (all of them with --json)")]
    rows += [("Not met", unmet)] if unmet else []
    echo_facts(rows)
    _tell_classes(evaluation)
    _tell_confusions(evaluation)


def _with_interval(part: float, interval: tuple[float, float], images: int) -> str:
    low, high = interval
    return f"{percent(part)} of {images} images (95 % interval {percent(low)} to {percent(high)})"


def _tell_classes(evaluation: Evaluation) -> None:
    worst = sorted(evaluation.classes, key=lambda c: (c.top1, -c.images, c.index))
    shown = evaluation.classes if len(worst) <= _CLASSES else worst[:_CLASSES]
    echo("\n" + ("By class" if len(worst) <= _CLASSES else f"The worst {_CLASSES} of {len(worst)} classes"))
    rows = [
        (c.label, percent(c.top1), f"{percent(c.interval[0])} to {percent(c.interval[1])}", str(c.images))
        for c in shown
    ]
    for line in columns(("class", "top-1", "95 % interval", "images"), rows):
        echo(line)


def _tell_confusions(evaluation: Evaluation) -> None:
    wrong = [o for o in evaluation.confusion if o.truth != o.answer]
    if wrong:
        echo("\nMost confused")
    for o in wrong[:_CONFUSIONS]:
        truth, answer = (label_of(index, evaluation.labels) for index in (o.truth, o.answer))
        echo(f"  {truth} taken for {answer}: {o.images}")
