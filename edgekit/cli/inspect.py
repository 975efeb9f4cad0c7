"""`edgekit inspect`: what is in a .tflite file."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Tuple

import click

from edgekit.cli.common import command_options, echo_json
from edgekit.cli.settings import gather
from edgekit.edgetpu.compiler.package import is_compiled, read_compiled
from edgekit.edgetpu.placement.mapping import map_ops
from edgekit.edgetpu.placement.placement import CompilerOptions
from edgekit.errors import UsageError
from edgekit.preprocess import describe
from edgekit.reports.compiled import compiled_to_json, look_for_twin, print_compiled
from edgekit.reports.placement import print_placement, with_placement
from edgekit.reports.text import columns
from edgekit.terminal import echo
from edgekit.tflite.graph import Graph, Op, Tensor
from edgekit.tflite.metadata import Metadata, read_metadata
from edgekit.tflite.reader import read_graph
from edgekit.tflite.summary import Quantization, quantization, tensor_to_json, to_json

_DIGEST = re.compile("[0-9a-f]{32,}")


@dataclass(frozen=True)
class Prediction:
    """What is asked about the Edge TPU: the options of the same names."""

    edgetpu: bool
    all_subgraphs: bool
    min_runtime: Optional[int]


@click.command()
@click.argument("model", type=click.Path())
@click.option("--tensors", is_flag=True, help="List the tensors too.")
@click.option("--edgetpu", is_flag=True, help="Show what the Edge TPU would run, why not all, what to do.")
@click.option("--all-subgraphs", is_flag=True, help="With --edgetpu: map every subgraph, not the first only.")
@click.option("--min-runtime", type=click.IntRange(min=10), help="With --edgetpu: oldest runtime to run on.")
@gather(Prediction, "prediction")
@command_options
def inspect(model: str, tensors: bool, prediction: Prediction, as_json: bool, verbose: bool) -> None:
    """Show what the .tflite MODEL holds: ops, inputs and outputs, quantization, metadata."""
    flags = CompilerOptions(prediction.all_subgraphs, prediction.min_runtime)
    if flags != CompilerOptions() and not prediction.edgetpu:
        raise UsageError("--all-subgraphs and --min-runtime say how the model is compiled.", "Add --edgetpu.")
    graph = read_graph(model)
    metadata = read_metadata(graph)
    compiled = read_compiled(model) if is_compiled(graph) else None
    placement = map_ops(graph, flags) if prediction.edgetpu and not compiled else None
    if as_json:
        extra: Dict[str, Any] = {"tensors": [tensor_to_json(t) for t in graph.tensors]} if tensors else {}
        if compiled:
            extra["edgetpu"] = compiled_to_json(compiled, look_for_twin(model, compiled))
        document = {"model": model, **to_json(graph, metadata), **extra}
        echo_json(with_placement(document, graph, placement) if placement else document)
        return
    echo(f"  {graph.size / 1e6:.2f} MB", title=Path(model).name, bold=True)
    if placement:
        print_placement(graph, placement)
        return
    for name, value in _facts(graph, metadata):
        echo(f"  {name:<14}{value}")
    for key, value in sorted((metadata.provenance if metadata else {}).items()):
        echo(f"  made with {key}: {_one_line(value)}")
    if compiled:
        print_compiled(compiled, look_for_twin(model, compiled))
    echo("\n" + "\n".join(columns(("op", "count", "version"), _op_rows(graph))))
    if tensors:
        echo("\n" + "\n".join(columns(("tensor", "type", "shape", "quantization", "name"), _tensor_rows(graph))))


def _facts(graph: Graph, metadata: Optional[Metadata]) -> Iterator[Tuple[str, str]]:
    for name, ends in (("input", graph.inputs), ("output", graph.outputs)):
        for index in ends:
            yield name, _describe_tensor(graph.tensors[index])
    yield "quantization", _describe_quantization(graph, quantization(graph))
    if metadata is None:
        yield "metadata", "none"
        return
    yield "name", metadata.name or "-"
    yield "labels", _shortened(metadata.labels) if metadata.labels else "none"
    yield "preprocessing", describe(metadata.input) if metadata.input else "not told"
    yield "answers with", metadata.output or "not told"


def _describe_tensor(tensor: Tensor) -> str:
    shape = "x".join("?" if n < 0 else str(n) for n in tensor.signature) or "scalar"
    return f"{tensor.dtype} {shape}  {_quantized_by(tensor)}  {tensor.name}"


def _quantized_by(tensor: Tensor) -> str:
    quant = tensor.quant
    if quant is None:
        return "-"
    if quant.per_channel:
        return f"{len(quant.scale)} scales on axis {quant.axis}"
    return f"scale {quant.scale[0]:.6g}, zero point {quant.zero_point[0]}"


def _describe_quantization(graph: Graph, state: Quantization) -> str:
    if state.kind == "full":
        casts = f"; ops that convert from or to float: {len(state.casts)}" if state.casts else ""
        return f"fully {state.dtype}{casts}"
    if state.kind == "none":
        return "none"
    float_ops = f"{len(state.float_ops)} of {len(graph.ops)} ops compute in float ({_kinds(graph, state.float_ops)})"
    return f"weights only: {float_ops}" if state.kind == "weights" else f"partly {state.dtype}: {float_ops}"


def _kinds(graph: Graph, indices: Tuple[int, ...]) -> str:
    """The kinds of some ops with the first ones' places: `SOFTMAX at 30, TANH at 3, 9, …`."""
    places: Dict[str, List[str]] = {}
    for index in indices:
        op = graph.ops[index]
        places.setdefault(op.custom or op.opcode, []).append(str(index))
    return "; ".join(f"{kind} at {_shortened(tuple(found))}" for kind, found in sorted(places.items()))


def _shortened(values: Tuple[str, ...], limit: int = 5) -> str:
    shown = ", ".join(values[:limit])
    return f"{shown}, … ({len(values)})" if len(values) > limit else shown


def _one_line(value: Any) -> str:
    """A JSON value in short: what is not known is left out, digests are cut."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {_one_line(item)}" for key, item in value.items() if item is not None)
    if isinstance(value, list):
        return "[" + ", ".join(map(_one_line, value)) + "]"
    if isinstance(value, str) and _DIGEST.fullmatch(value):
        return value[:12] + "…"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _op_rows(graph: Graph) -> List[Tuple[str, ...]]:
    versions: Dict[str, List[int]] = {}
    for op in graph.ops:
        versions.setdefault(_name(op), []).append(op.version)
    return [(k, str(n), ", ".join(map(str, sorted(set(versions[k]))))) for k, n in graph.op_counts().items()]


def _name(op: Op) -> str:
    return op.custom or op.opcode


def _tensor_rows(graph: Graph) -> List[Tuple[str, ...]]:
    return [
        (str(t.index), t.dtype, "x".join(map(str, t.shape)) or "scalar", _quantized_by(t), t.name)
        for t in graph.tensors
    ]
