"""`edgekit classify`: name what is in images."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Iterable, Optional, Tuple

import click

from edgekit.cli.common import command_options, echo_json
from edgekit.cli.settings import ModelChoice, model_options, opener
from edgekit.terminal import echo

if TYPE_CHECKING:
    from edgekit.devices.classifying import FileAnswer


@click.command()
@model_options
@click.argument("images", nargs=-1, required=True, type=click.Path())
@click.option("-k", "top", default=5, show_default=True, type=click.IntRange(min=1), help="How many classes to name.")
@click.option("--threads", type=click.IntRange(min=1), help="At most so many threads (default: the cores allowed).")
@command_options
def classify(
    choice: ModelChoice, images: Tuple[str, ...], top: int, threads: Optional[int], as_json: bool, verbose: bool
) -> None:
    """Name what is in IMAGES (files or folders) with the .tflite MODEL.

    Labels and preprocessing come from the model. An image that cannot be read is reported, and the
    others go on; the exit code is then 2.
    """
    from edgekit.devices.classifying import classify as classify_files
    from edgekit.devices.classifying import image_files
    from edgekit.devices.prediction import spoken
    from edgekit.quiet import tensorflow_quiet
    from edgekit.reports.prediction import answer_lines, answer_to_json

    files, open_classifier = image_files(images), opener(choice, threads=threads)
    with tensorflow_quiet(verbose):
        classifier = open_classifier()
    answers = []
    with classifier:
        if not as_json:
            echo(f"{Path(choice.model).name} on the {spoken(classifier.device)}: {classifier.reason}.")
            echo(f"Class names: {classifier.names.origin}.")
            for note in classifier.names.notes:
                echo(note)
        if classifier.alarm:
            echo(classifier.alarm, title="Alarm: ", colour="yellow", err=True)
        for answer in classify_files(classifier, files, k=top):
            answers.append(answer)
            if not as_json:
                _print(answer, answer_lines(answer))
    if as_json:
        echo_json([answer_to_json(answer) for answer in answers])
    if any(answer.error for answer in answers):
        sys.exit(2)


def _print(answer: "FileAnswer", lines: Iterable[str]) -> None:
    if answer.error is not None:
        echo(answer.error.message, title="Error: ", colour="red", bold=True, err=True)
    for line in lines:
        echo(line)
