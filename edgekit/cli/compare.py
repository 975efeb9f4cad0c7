"""`edgekit compare`: two models on the same images, and which layers make the difference."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from edgekit.calibration import Samples, open_samples
from edgekit.calibration.labelled import Labelled, Mapping, from_csv, match_classes
from edgekit.cli.common import command_options, echo_json, progress_bar
from edgekit.converters.export.reference import float_reference, resolve_preprocessing
from edgekit.converters.quantization.transforms.equalize import split_like
from edgekit.converters.sources.open import load_source
from edgekit.converters.sources.sniff import TFLITE, sniff
from edgekit.devices.opening import open_model
from edgekit.devices.tensors import input_spec, input_tensor, output_meaning, output_tensor
from edgekit.errors import DataError
from edgekit.evaluation.comparison import Comparison, compare_models, significance, to_csv, to_json
from edgekit.files import check_writable, write_text
from edgekit.progress import Progress
from edgekit.quiet import tensorflow_quiet
from edgekit.reports.text import columns, percent
from edgekit.terminal import echo, echo_facts
from edgekit.tflite import read_graph
from edgekit.tflite.metadata import Metadata, pixel_input, read_metadata
from edgekit.tflite.model import Model

#: Rows of the list of culprits; the files hold all layers.
_CULPRITS = 8
#: Types of which a float model has no tensor.
_QUANTIZED = ("int8", "uint8", "int16", "int4", "float16")


@click.command()
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@click.option("--data", required=True, type=click.Path(path_type=Path), help="Images: a folder, .npz or .npy.")
@click.option(
    "--labels-csv", type=click.Path(path_type=Path), help="Table file,label, for images without class folders."
)
@click.option("--images", default=500, show_default=True, type=click.IntRange(min=1), help="At most so many of them.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Seed of their choice.")
@click.option("--preprocess", help="Scaling of pixels where a model does not tell it: raw, 0..1, -1..1, lite, ….")
@click.option("--trust", is_flag=True, help="Let A's file run its own code (Lambda and custom layers).")
@click.option("--csv", "table", type=click.Path(path_type=Path), help="Write the per-layer report.")
@command_options
def compare(a: Path, b: Path, as_json: bool, verbose: bool, **options: Any) -> None:
    """Compare model A with the .tflite model B: agreement, accuracy, and the error of every layer.

    A is a trained model (.h5, .keras, SavedModel folder, float .tflite) or any .tflite. Where B was made
    from A in int8, each layer's own error and its cause are named.
    """
    if options["table"]:
        check_writable(options["table"])
    with tensorflow_quiet(verbose) as stream, progress_bar(stream, as_json=as_json, verbose=verbose) as progress:
        second, labels = _tflite(b, options["preprocess"])
        samples = open_samples(options["data"], second.spec, count=options["images"], seed=options["seed"])
        samples, classes, mapping = _labelled(samples, options, labels, second)
        first = _first(a, second, samples, options, progress)
        found = compare_models(first, second, samples.resized(first.spec), matching=matching, progress=progress)
    if options["table"]:
        write_text(options["table"], to_csv(found))
    if as_json:
        echo_json({"a": str(a), "b": str(b), "mapping": mapping, **to_json(found)})
    else:
        _tell(found, mapping)


def _tflite(path: Path, preprocess: str | None) -> tuple[Model, tuple[str, ...]]:
    """A `.tflite` as it is, and its labels; `preprocess` counts where it does not say how to scale its images."""
    graph = open_model(path, threads=1).graph
    metadata, tensor = read_metadata(graph) or Metadata(), input_tensor(graph)
    output_tensor(graph)
    known = metadata.input or pixel_input(tensor)
    spec = input_spec(tensor, metadata, None if known else preprocess)
    return Model(graph, spec, output_meaning(graph, metadata)), metadata.labels


def _first(a: Path, second: Model, samples: Samples, options: dict[str, Any], progress: Progress) -> Model:
    """A quantized `.tflite` as it is; a float model rewritten as the conversion to B did, so that layers match."""
    if sniff(a) == TFLITE and any(tensor.dtype in _QUANTIZED for tensor in open_model(a, threads=1).graph.tensors):
        return _tflite(a, options["preprocess"])[0]
    progress("Opening the model", 0, None)
    like = second.spec
    source = load_source(a, trust=options["trust"], size=(like.height, like.width))
    sized = replace(source.spec, resize=like.resize, crop=like.crop, interpolation=like.interpolation)
    source, images = replace(source, spec=sized), samples.resized(sized)
    finding = resolve_preprocessing(source, images, options["preprocess"], progress=progress)
    model = float_reference(source, finding.spec, images, fold=not samples.prepared, progress=progress)
    return replace(model, graph=read_graph(split_like(model.graph.content, second.graph)))


def _labelled(
    samples: Samples, options: dict[str, Any], labels: tuple[str, ...], model: Model
) -> tuple[Samples, Sequence[int] | None, str]:
    """The images, the output of each of their labels, and how that was found; None and why not, where it was not."""
    outputs = max(2, output_tensor(model.graph).elements)
    if options["labels_csv"]:
        table = from_csv(options["labels_csv"], options["data"], labels, outputs)
        return _from_table(samples, table), None if table.background else range(outputs), _how(table)
    if not samples.class_names:
        return samples, None, "the images' classes are not known: use a sub-folder for each, or --labels-csv"
    try:
        mapping = match_classes(samples.class_names, labels, outputs, what="class folders")
    except DataError as error:
        return samples, None, error.message.rstrip(".")
    classes = tuple(mapping.outputs[name] for name in samples.class_names)
    return samples, None if mapping.background else classes, _how(mapping)


def _how(mapping: Labelled | Mapping) -> str:
    return "output 0 may be the background: see edgekit evaluate" if mapping.background else mapping.how


def _from_table(samples: Samples, table: Labelled) -> Samples:
    """The images that the table names, each labelled with its output."""
    truths = dict(zip((Path(name).as_posix() for name in table.names), table.truths))
    known = tuple(replace(c, label=truths[c.name]) for c in samples.candidates if c.name in truths)
    if not known:
        raise DataError(
            f"None of the {len(truths)} images in the table is in {samples.origin}.",
            "Write their paths as they are within --data.",
        )
    return replace(samples, candidates=known, count=min(samples.count, len(known)))


def _tell(found: Comparison, mapping: str) -> None:
    verdict, (low, high) = found.verdict, found.verdict.interval
    rows = [
        (
            "Agreement",
            f"{percent(verdict.agreement)} of {verdict.images} images "
            f"(95 % interval {percent(low)} to {percent(high)})",
        )
    ]
    if not math.isnan(verdict.sqnr_db):
        rows += [("Output", f"SQNR {verdict.sqnr_db:.1f} dB")]
    if verdict.top1_reference is not None and verdict.top1_candidate is not None:
        rows += [("Top-1", f"A {percent(verdict.top1_reference)}, B {percent(verdict.top1_candidate)}; {significance(verdict)}")]
    else:
        rows += [("Top-1", f"not compared, since {mapping}")]
    rows += [("Skipped", f"{name}: {reason}") for name, reason in list(found.skipped.items())[:3]]
    echo_facts(rows)
    _tell_layers(found)


def _tell_layers(found: Comparison) -> None:
    if not found.layers:
        echo("\nNo per-layer report: it needs a float A and the int8 B made from it, with tensors of one name.")
        return
    worst = found.culprits[:_CULPRITS]
    echo(
        f"\nThe layers that harm the scores most ({len(found.layers)} compared). Signal to noise in dB, less is worse:"
    )
    echo("of the scores if this layer alone erred, of what the layer adds, of its output after all layers before it")
    rows = [
        (
            str(c.index),
            c.op,
            *(_db(v) for v in (c.scores_db, c.local_db, c.accumulated_db)),
            c.reason.name,
            _short(c.name),
        )
        for c in worst
    ]
    for line in columns(("layer", "op", "scores", "added", "so far", "reason", "tensor"), rows):
        echo(line)
    echo("")
    for reason in dict.fromkeys(layer.reason for layer in worst):
        echo(f"  {reason.meaning}.\n    Remedy: {reason.remedy}.")


def _db(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _short(name: str) -> str:
    """The first of the names that TensorFlow joins by semicolons, at a readable length."""
    first = name.split(";")[0]
    return first if len(first) <= 60 else f"…{first[-59:]}"
