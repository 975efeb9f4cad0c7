"""`edgekit convert`: a trained model becomes a verified `.tflite`, full int8 or as other targets take it."""

import contextlib
import gc
import re
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import cast

import click

from edgekit.calibration import METHODS
from edgekit.cli import writing
from edgekit.cli.common import command_options, echo_json, fail, progress_bar
from edgekit.cli.reporting import report_option
from edgekit.cli.settings import suggest
from edgekit.converters import Recipe, load_source, with_labels
from edgekit.converters.quantization.backend import IO_TYPES
from edgekit.converters.quantization.corrections import NAMES
from edgekit.converters.quantization.search.effort import EFFORTS
from edgekit.converters.recipe import for_target
from edgekit.converters.several import ForTarget, convert_for
from edgekit.converters.surgery.surgery import SURGERIES
from edgekit.errors import CompilerError, UsageError
from edgekit.preprocess import CONVENTIONS, INTERPOLATIONS, RESIZE_MODES
from edgekit.progress import Progress
from edgekit.quiet import tensorflow_quiet
from edgekit.reports.conversion import conversions_facts, conversions_to_json
from edgekit.targets import TARGETS
from edgekit.terminal import echo_facts, echo_lines
from edgekit.units import fraction


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--target",
    default="edgetpu",
    show_default=True,
    shell_complete=suggest(*TARGETS),
    help=f"Where it is to run: {', '.join(TARGETS)}; several, as edgetpu,android.",
)
@click.option("--int8", is_flag=True, help="Quantize every op to int8 (which is the default).")
@click.option(
    "--float16", is_flag=True, help="Weights in float16, for targets that take it; the Edge TPU's stays int8."
)
@click.option("--dynamic", is_flag=True, help="Weights in int8, activations in float, for targets that take it.")
@click.option("--data", type=click.Path(path_type=Path), help="Representative images: a folder, .npz or .npy.")
@click.option("--samples", default=200, show_default=True, help="How many of them to calibrate on.")
@click.option("--seed", default=0, show_default=True, help="Seed of the choice of images.")
@click.option("--verify-data", type=click.Path(path_type=Path), help="Images to judge the result on (all of them).")
@click.option("--check-export", is_flag=True, help="Compare the float model with Keras (needs TensorFlow).")
@click.option("--no-verify", is_flag=True, help="Do not judge the result.")
@click.option("--max-drop", help="Accuracy that may be lost, such as 1%; more is exit code 1.")
@click.option("--min-agreement", help="Agreement with the float model to reach, such as 98%; less is exit code 1.")
@click.option("--labels", type=click.Path(path_type=Path), help="Class names, one a line, in the order of the output.")
@click.option(
    "--preprocess",
    shell_complete=suggest(*CONVENTIONS),
    help="How images are scaled: raw, 0..1, -1..1, lite, imagenet, caffe, or mean/std.",
)
@click.option(
    "--resize",
    default="stretch",
    show_default=True,
    shell_complete=suggest(*RESIZE_MODES, "crop:0.875"),
    help="stretch, crop, or crop:0.875 (part kept).",
)
@click.option(
    "--interpolation",
    default="bicubic",
    show_default=True,
    shell_complete=suggest(*INTERPOLATIONS),
    help="nearest, bilinear, bicubic or lanczos.",
)
@click.option("--size", help="Image size for models that leave it open: 224 or 224x320 (height x width).")
@click.option("--output-name", help="The output that holds the scores, by name or number, where there are several.")
@click.option("--signature", help="The signature to convert, of a SavedModel or .tflite with several.")
@click.option(
    "--ranges",
    default="auto",
    show_default=True,
    shell_complete=suggest("auto", *METHODS),
    help="Range method, or a .json of --save-ranges.",
)
@click.option(
    "--corrections",
    default="auto",
    show_default=True,
    shell_complete=suggest("auto", "none", *NAMES),
    help=f"Corrections for int8: auto for what helps, none, or some of {', '.join(NAMES)}; auto,small-means for both.",
)
@click.option(
    "--effort",
    default="auto",
    show_default=True,
    shell_complete=suggest(*EFFORTS),
    help="How much to try: fast (no search), auto, full (minutes).",
)
@click.option(
    "--surgery",
    default="none",
    show_default=True,
    shell_complete=suggest("none", *SURGERIES),
    help="Make another model: relu6, relu6-no-se (SE removed).",
)
@click.option("--surgery-minutes", default=3.0, show_default=True, help="The most time for teaching it the original.")
@click.option("--save-ranges", type=click.Path(path_type=Path), help="Write the ranges, to edit or to use again.")
@click.option(
    "--io",
    default="auto",
    show_default=True,
    shell_complete=suggest("auto", *IO_TYPES),
    help="Input and output: uint8, int8, float; auto: uint8, for microcontrollers int8.",
)
@click.option("--allow-float", is_flag=True, help="Leave ops without an int8 form in float (for phones and CPUs).")
@click.option("--compile", is_flag=True, help="Then compile it for the Edge TPU, as `edgekit compile` does.")
@click.option("--trust", is_flag=True, help="Let the model file run its own code, read and write files.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The result; default: MODEL_int8.tflite here.")
@report_option
@command_options
def convert(model: Path, as_json: bool, verbose: bool, **given: object) -> None:
    """Turn a trained MODEL (.h5, .keras, SavedModel folder, float .tflite) into a full-int8 .tflite.

    The model's preprocessing is found, its ranges are calibrated on --data (or on synthetic images),
    and the result is judged against the float model on images kept aside. For several targets it is
    opened and calibrated once; phones and CPUs may have ops in float, or other precisions.
    """
    options = cast(writing.Options, given)
    gates = (fraction("--max-drop", options["max_drop"]), fraction("--min-agreement", options["min_agreement"]))
    if options["no_verify"] and (gates != (None, None) or options["verify_data"]):
        raise UsageError("--no-verify leaves nothing to judge by.", "Drop it, or the options about the verdict.")
    recipes = _recipes(options)
    outputs = {each.target: writing.output(model, each, options, alone=len(recipes) == 1) for each in recipes}
    writing.check_options(recipes, options)
    writing.check_outputs(model, [*outputs.values()], options["save_ranges"])
    with tensorflow_quiet(verbose) as stream, progress_bar(stream, as_json=as_json, verbose=verbose) as progress:
        results = _run(model, recipes, options, progress)
    written = [writing.write(each, outputs[each.target], gates, options) for each in results]
    writing.report(model, written, options)
    if as_json:
        echo_json(conversions_to_json(written))
    else:
        for title, facts in conversions_facts(written):
            echo_lines(title)
            echo_facts(facts, verbose=verbose)
    failure = next((each.compiled for each in written if isinstance(each.compiled, CompilerError)), None)
    if failure:
        fail(failure, as_json=False)
    sys.exit(2 if any(each.result.error for each in written) else 1 if any(each.unmet for each in written) else 0)


def _recipes(options: writing.Options) -> list[Recipe]:
    """One for each target. Raises UsageError where a target or a precision means nothing, or all refuse it."""
    asked = [name for name in ("int8", "float16", "dynamic") if options[name]]
    if len(asked) > 1:
        raise UsageError(f"--{asked[0]} and --{asked[1]} exclude each other.", "Give one of them.")
    names = list(dict.fromkeys(options["target"].split(",")))
    precision = asked[0] if asked else "int8"
    given = {key: value for key, value in options.items() if key in {field.name for field in fields(Recipe)}}
    taking = next((name for name in names if precision in getattr(TARGETS.get(name), "precisions", ())), names[0])
    recipe = Recipe(**given | {"target": taking, "precision": precision})  # type: ignore[arg-type]
    return [for_target(recipe, name) for name in names]


def _run(model: Path, recipes: list[Recipe], options: writing.Options, progress: Progress) -> tuple[ForTarget, ...]:
    progress("Opening the model", 0, None)
    with _without_collecting():
        source = load_source(
            model,
            trust=options["trust"],
            size=_size(options["size"]),
            output=options["output_name"],
            signature=options["signature"],
        )
    if options["labels"]:
        source = with_labels(source, options["labels"])
    return convert_for(
        recipes,
        source,
        options["data"],
        verify=not options["no_verify"],
        verify_data=options["verify_data"],
        check_export=options["check_export"],
        progress=progress,
    )


@contextlib.contextmanager
def _without_collecting() -> Iterator[None]:
    """Garbage collection off, and everything made meanwhile out of its sight for good.

    TensorFlow's import makes a million objects that all stay: looking through them again and again takes a second.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    match = re.fullmatch(r"(\d{1,9})(?:x(\d{1,9}))?", text)
    if not match:
        raise UsageError(f"--size {text} is no image size.", "Write 224, or 224x320 for height x width.")
    return int(match[1]), int(match[2] or match[1])
