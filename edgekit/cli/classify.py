"""`edgekit classify`: name what is in images."""

import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

import click

from edgekit.cli.common import command_options, echo_json
from edgekit.cli.settings import ModelChoice, model_options, opener
from edgekit.errors import DataError, UsageError
from edgekit.terminal import echo

_BAR = 24


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
    from edgekit.quiet import tensorflow_quiet

    files, open_classifier = _files(images), opener(choice, threads=threads)
    with tensorflow_quiet(verbose):
        classifier = open_classifier()
    with classifier:
        if not as_json:
            echo(f"{Path(choice.model).name} on the {classifier.device.upper()}: {classifier.reason}.")
        answers = []
        for file in files:
            answers.append(_answer(classifier, file, top))
            if not as_json:
                _print(answers[-1])
    if as_json:
        echo_json(answers)
    if any("error" in answer for answer in answers):
        sys.exit(2)


def _files(images: Tuple[str, ...]) -> List[str]:
    """The images named, a folder standing for all the images in it."""
    files: List[str] = []
    for name in images:
        found = _images_in(Path(name)) if os.path.isdir(name) else [name]
        if not found:
            raise UsageError(f"There are no images in the folder {name}.")
        files += found
    return files


def _images_in(folder: Path) -> List[str]:
    from PIL import Image

    suffixes = set(Image.registered_extensions())
    return [str(file) for file in sorted(folder.rglob("*")) if file.suffix.lower() in suffixes and file.is_file()]


def _answer(classifier: Any, file: str, top: int) -> Dict[str, Any]:
    """What is said of one image, as in `--json`."""
    try:
        prediction = classifier.classify(file, top)
    except DataError as error:
        return {"image": file, "error": {"error": error.kind, "message": error.message, "hint": error.hint}}
    return {
        "image": file,
        "device": prediction.device,
        "predictions": [asdict(best) for best in prediction.classes],
        "latency_ms": asdict(prediction.latency),
    }


def _print(answer: Dict[str, Any]) -> None:
    if "error" in answer:
        echo(answer["error"]["message"], title="Error: ", colour="red", bold=True, err=True)
        return
    echo(f"\n{answer['image']}  ({sum(answer['latency_ms'].values()):.1f} ms)")
    for best in answer["predictions"]:
        bar = "█" * round(_BAR * best["score"])
        echo(f"{best['score']:7.1%}  {bar:<{_BAR}}  {best['label']}")
