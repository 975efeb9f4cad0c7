"""`edgekit convert`: a trained model becomes a verified full-int8 `.tflite`."""

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from edgekit.calibration import save_ranges
from edgekit.cli.common import command_options, echo_json, fraction, percent, progress_bar
from edgekit.converters import Conversion, Recipe, load_source, save, with_labels
from edgekit.converters import convert as run_conversion
from edgekit.errors import UsageError
from edgekit.evaluation import Verdict
from edgekit.files import check_writable
from edgekit.progress import Progress
from edgekit.quiet import tensorflow_quiet


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--int8", is_flag=True, help="Quantize every op to int8 (the only kind so far, so it may be left out).")
@click.option("--data", type=click.Path(path_type=Path), help="Representative pictures: a folder, .npz or .npy.")
@click.option("--samples", default=200, show_default=True, help="How many of them to calibrate on.")
@click.option("--seed", default=0, show_default=True, help="Seed of the choice of pictures.")
@click.option("--verify-data", type=click.Path(path_type=Path), help="Pictures to judge the result on (all of them).")
@click.option("--no-verify", is_flag=True, help="Do not judge the result.")
@click.option("--max-drop", help="Accuracy that may be lost, such as 1%; more is exit code 1.")
@click.option("--min-agreement", help="Agreement with the float model to reach, such as 98%; less is exit code 1.")
@click.option("--labels", type=click.Path(path_type=Path), help="Class names, one a line, in the order of the output.")
@click.option("--preprocess", help="How pictures are scaled: raw, 0..1, -1..1, lite, imagenet, caffe, or mean/std.")
@click.option("--resize", default="stretch", show_default=True, help="stretch, crop, or crop:0.875 (part kept).")
@click.option("--interpolation", default="bicubic", show_default=True, help="nearest, bilinear, bicubic or lanczos.")
@click.option("--size", help="Picture size for models that leave it open: 224 or 224x320 (height x width).")
@click.option("--ranges", default="minmax", show_default=True, help="Range method, or a .json of --save-ranges.")
@click.option("--save-ranges", type=click.Path(path_type=Path), help="Write the ranges, to edit or to use again.")
@click.option("--io", default="uint8", show_default=True, help="Type of input and output: uint8, int8 or float.")
@click.option("--trust", is_flag=True, help="Let the model file run its own code (Lambda and custom layers).")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The result; default: MODEL_int8.tflite here.")
@command_options
def convert(model: Path, as_json: bool, verbose: bool, **options: Any) -> None:
    """Turn a trained MODEL (.h5, .keras, SavedModel folder, float .tflite) into a full-int8 .tflite.

    The model's preprocessing is found, its ranges are calibrated on --data (or on synthetic pictures),
    and the result is judged against the float model on pictures kept aside.
    """
    output = options["output"] or Path(f"{_stem(model)}_int8.tflite")
    gates = (fraction("--max-drop", options["max_drop"]), fraction("--min-agreement", options["min_agreement"]))
    if options["no_verify"] and (gates != (None, None) or options["verify_data"]):
        raise UsageError("--no-verify leaves nothing to judge by.", "Drop it, or the options about the verdict.")
    _check_outputs(model, output, options["save_ranges"])
    with tensorflow_quiet(verbose) as stream, progress_bar(stream, hidden=as_json or verbose) as progress:
        conversion = _run(model, options, progress)
    unmet = conversion.unmet(*gates)
    path = output.with_suffix(".rejected.tflite") if unmet else output
    manifest = save(conversion.model, path)
    if options["save_ranges"]:
        save_ranges(conversion.model.ranges, options["save_ranges"])
    if as_json:
        echo_json(_document(conversion, path, manifest, unmet))
    else:
        _tell(conversion, path, unmet)
    sys.exit(1 if unmet else 0)


def _run(model: Path, options: dict[str, Any], progress: Progress) -> Conversion:
    recipe = Recipe(
        **{name: options[name] for name in ("io", "ranges", "samples", "seed", "preprocess", "resize", "interpolation")}
    )
    progress("Opening the model", 0, None)
    source = load_source(model, trust=options["trust"], size=_size(options["size"]))
    if options["labels"]:
        source = with_labels(source, options["labels"])
    return run_conversion(
        source,
        options["data"],
        recipe=recipe,
        verify=not options["no_verify"],
        verify_data=options["verify_data"],
        progress=progress,
    )


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
        raise UsageError(f"--size {text} is no picture size.", "Write 224, or 224x320 for height x width.")
    return int(match[1]), int(match[2] or match[1])


def _document(conversion: Conversion, path: Path, manifest: Path, unmet: str | None) -> dict[str, Any]:
    return {
        "model": str(path),
        "manifest": str(manifest),
        "accepted": unmet is None,
        "unmet": unmet,
        "verdict": conversion.model.provenance["verdict"],
        "preprocess": conversion.preprocessing.name,
        "provenance": conversion.model.provenance,
        "notes": list(conversion.source.notes),
        "skipped": [{"picture": name, "reason": reason} for name, reason in conversion.skipped.items()],
        "compiled": None,
    }


def _tell(conversion: Conversion, path: Path, unmet: str | None) -> None:
    model, calibration = conversion.model, conversion.model.provenance["calibration"]
    rows = [("Made", f"{path} ({len(model.content) / 1e6:.1f} MB, every op int8)")]
    rows += [("Preprocessing", f"{conversion.preprocessing.name}: {conversion.preprocessing.how}")]
    kind = "synthetic pictures (give --data for your own)" if calibration["kind"] == "synthetic" else "pictures"
    rows += [("Calibrated", f"on {calibration['pictures']} {kind}, ranges by {calibration['method']}")]
    rows += [("Verdict", line) for line in _verdict_lines(conversion.verdict)]
    rows += [("Note", note) for note in conversion.source.notes]
    rows += [("Skipped", line) for line in _skipped_lines(conversion.skipped)]
    rows += [("Not met", unmet)] if unmet else [("Next", f"edgekit classify {path} PICTURE")]
    for title, text in rows:
        click.echo(click.style(f"{title:<14}", fg="red" if title == "Not met" else "cyan") + text)


def _verdict_lines(verdict: Verdict | None) -> list[str]:
    if verdict is None:
        return ["not asked for (--no-verify)"]
    low, high = verdict.interval
    kind = "synthetic pictures" if verdict.source == "synthetic" else "pictures kept aside"
    lines = [
        f"names the same class as the float model on {percent(verdict.agreement)} of {verdict.pictures} {kind} "
        f"(95 % interval {percent(low)} to {percent(high)}), SQNR {verdict.sqnr_db:.1f} dB"
    ]
    if verdict.distinct == 1 < verdict.pictures:
        lines.append("which says little: the float model names the same class on every one of them")
    if verdict.top1_float is not None and verdict.top1_int8 is not None:
        lines.append(
            f"top-1 {percent(verdict.top1_float)} float, {percent(verdict.top1_int8)} int8 "
            f"on {verdict.labelled} labelled pictures"
        )
    return lines


def _skipped_lines(skipped: Mapping[str, str]) -> list[str]:
    shown = list(skipped.values())[:3]
    more = [f"and {len(skipped) - len(shown)} more (all of them with --json)"] if len(skipped) > len(shown) else []
    return shown + more
