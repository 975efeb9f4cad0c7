"""`edgekit convert`: a trained model becomes a verified full-int8 `.tflite`."""

import contextlib
import gc
import re
import sys
from collections.abc import Iterator
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

import click

from edgekit.calibration import METHODS, save_ranges
from edgekit.cli.common import command_options, echo_json, fail, progress_bar
from edgekit.cli.reporting import check_report, inspection_document, report_option, write_report
from edgekit.cli.settings import suggest
from edgekit.converters import Conversion, Recipe, load_source, save, with_labels
from edgekit.converters import convert as run_conversion
from edgekit.converters.quantization.backend import IO_TYPES
from edgekit.converters.quantization.corrections import CORRECTIONS
from edgekit.converters.quantization.search.effort import EFFORTS
from edgekit.converters.surgery.surgery import SURGERIES
from edgekit.edgetpu.compiler.compiler import CompileReport, compile_model
from edgekit.errors import CompilerError, UsageError
from edgekit.files import check_writable
from edgekit.preprocess import CONVENTIONS, INTERPOLATIONS, RESIZE_MODES
from edgekit.progress import Progress
from edgekit.quiet import tensorflow_quiet
from edgekit.reports.conversion import conversion_facts, conversion_to_json
from edgekit.reports.page.examples import least_alike
from edgekit.terminal import echo_facts
from edgekit.units import fraction


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--int8", is_flag=True, help="Quantize every op to int8 (the only kind so far, so it may be left out).")
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
    shell_complete=suggest("auto", "none", *(each.name for each in CORRECTIONS)),
    help="Rewrites for int8: auto, none, split-swish, rounding.",
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
    default="uint8",
    show_default=True,
    shell_complete=suggest(*IO_TYPES),
    help="Type of input and output: uint8, int8 or float.",
)
@click.option("--allow-float", is_flag=True, help="Leave ops without an int8 form in float (for phones and CPUs).")
@click.option("--compile", is_flag=True, help="Then compile it for the Edge TPU, as `edgekit compile` does.")
@click.option("--trust", is_flag=True, help="Let the model file run its own code, read and write files.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The result; default: MODEL_int8.tflite here.")
@report_option
@command_options
def convert(model: Path, as_json: bool, verbose: bool, **options: Any) -> None:
    """Turn a trained MODEL (.h5, .keras, SavedModel folder, float .tflite) into a full-int8 .tflite.

    The model's preprocessing is found, its ranges are calibrated on --data (or on synthetic images),
    and the result is judged against the float model on images kept aside.
    """
    made = f"_{options['surgery']}" if options["surgery"] in SURGERIES else ""
    output = options["output"] or Path(f"{_stem(model)}{made}_int8.tflite")
    gates = (fraction("--max-drop", options["max_drop"]), fraction("--min-agreement", options["min_agreement"]))
    if options["no_verify"] and (gates != (None, None) or options["verify_data"]):
        raise UsageError("--no-verify leaves nothing to judge by.", "Drop it, or the options about the verdict.")
    _check_outputs(model, output, options["save_ranges"])
    check_report(options["report"])
    with tensorflow_quiet(verbose) as stream, progress_bar(stream, as_json=as_json, verbose=verbose) as progress:
        conversion = _run(model, options, progress)
    unmet = conversion.unmet(*gates)
    path = output.with_suffix(".rejected.tflite") if unmet else output
    manifest = save(conversion.artefact, path)
    if options["save_ranges"]:
        save_ranges(conversion.artefact.ranges, options["save_ranges"])
    compiled = _compile(path) if options["compile"] and not unmet else None
    document = conversion_to_json(conversion, path, manifest, unmet, compiled)
    if options["report"]:
        shown = options["verify_data"] or options["data"]
        given = {name: options[name] for name in ("preprocess", "trust")}
        figures = partial(least_alike, model, shown, path, **given)
        write_report(options["report"], document, inspection_document(path), images=figures)
    if as_json:
        echo_json(document)
    else:
        echo_facts(conversion_facts(conversion, path, unmet, compiled), verbose=verbose)
    if isinstance(compiled, CompilerError):
        fail(compiled, as_json=False)
    sys.exit(1 if unmet else 0)


def _compile(path: Path) -> CompileReport | CompilerError:
    """The compiler's report, or why there is none: the int8 model is made and stays."""
    try:
        return compile_model(path)
    except CompilerError as error:
        return error


def _run(model: Path, options: dict[str, Any], progress: Progress) -> Conversion:
    recipe = Recipe(**{field.name: options[field.name] for field in fields(Recipe)})
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
    return run_conversion(
        source,
        options["data"],
        recipe=recipe,
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


def _stem(model: Path) -> str:
    name = model.resolve().name
    return name[: -len(model.suffix)] if model.suffix and not model.is_dir() else name


def _check_outputs(model: Path, output: Path, ranges: Path | None) -> None:
    """Raises where a result could not be written, or would overwrite the model or another result."""
    if output.suffix != ".tflite":
        raise UsageError(f"-o {output} does not end in .tflite.", f"Write for instance -o {_stem(output)}.tflite.")
    written = [output, output.with_suffix(".json"), *([ranges] if ranges else [])]
    places = [path.resolve() for path in (model, *written)]
    if len(set(places)) < len(places):
        names = ", ".join(map(str, written))
        raise UsageError(
            f"Among {model} and what is written ({names}), one would overwrite another.", "Rename with -o."
        )
    for path in written:
        check_writable(path)


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    match = re.fullmatch(r"(\d{1,9})(?:x(\d{1,9}))?", text)
    if not match:
        raise UsageError(f"--size {text} is no image size.", "Write 224, or 224x320 for height x width.")
    return int(match[1]), int(match[2] or match[1])
