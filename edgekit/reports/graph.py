"""A model's graph: the one JSON schema of an op and of a tensor, and the tables of both."""

from typing import Dict, List, Tuple

from edgekit.reports.text import columns, shortened
from edgekit.tflite.graph import Graph, Op, Tensor
from edgekit.tflite.summary import quantization


def graph_to_json(graph: Graph) -> Dict[str, object]:
    """`size`, `quantization`, `inputs`, `outputs`, `ops` …, ready for JSON."""
    state = quantization(graph)
    return {
        "size": graph.size,
        "description": graph.description,
        "subgraphs": graph.subgraphs,
        "op_counts": graph.op_counts(),
        "quantization": {
            "kind": state.kind,
            "dtype": state.dtype,
            "float_ops": list(state.float_ops),
            "casts": list(state.casts),
        },
        "inputs": [tensor_to_json(graph.tensors[i]) for i in graph.inputs],
        "outputs": [tensor_to_json(graph.tensors[i]) for i in graph.outputs],
        "ops": [op_to_json(op) for op in graph.ops],
    }


def op_to_json(op: Op) -> Dict[str, object]:
    """An op: what every document says of one, whatever else it adds."""
    return {
        "index": op.index,
        "op": op.custom or op.opcode,
        "version": op.version,
        "inputs": list(op.inputs),
        "outputs": list(op.outputs),
    }


def tensor_to_json(tensor: Tensor) -> Dict[str, object]:
    """A tensor; scale and zero point are lists, None where it is not quantized."""
    quant = tensor.quant
    return {
        "index": tensor.index,
        "name": tensor.name,
        "shape": list(tensor.signature),
        "dtype": tensor.dtype,
        "scale": list(quant.scale) if quant else None,
        "zero_point": list(quant.zero_point) if quant else None,
        "axis": quant.axis if quant else None,
        "constant_bytes": tensor.constant_bytes,
    }


def ops_table(graph: Graph) -> List[str]:
    """The kinds of ops, how many there are of each, and their versions."""
    versions: Dict[str, List[int]] = {}
    for op in graph.ops:
        versions.setdefault(op.custom or op.opcode, []).append(op.version)
    counts = graph.op_counts().items()
    rows = [(kind, str(count), ", ".join(map(str, sorted(set(versions[kind]))))) for kind, count in counts]
    return list(columns(("op", "count", "version"), rows))


def tensors_table(graph: Graph) -> List[str]:
    """Every tensor, with its type, shape and quantization."""
    rows = [
        (str(t.index), t.dtype, "x".join(map(str, t.shape)) or "scalar", quantized_by(t), t.name) for t in graph.tensors
    ]
    return list(columns(("tensor", "type", "shape", "quantization", "name"), rows))


def tensor_text(tensor: Tensor) -> str:
    """A tensor in one line: «uint8 1x224x224x3  scale 0.0078125, zero point 127  image»."""
    shape = "x".join("?" if n < 0 else str(n) for n in tensor.signature) or "scalar"
    return f"{tensor.dtype} {shape}  {quantized_by(tensor)}  {tensor.name}"


def quantized_by(tensor: Tensor) -> str:
    """A tensor's scale and zero point; «-» where it is not quantized."""
    quant = tensor.quant
    if quant is None:
        return "-"
    if quant.per_channel:
        return f"{len(quant.scale)} scales on axis {quant.axis}"
    return f"scale {quant.scale[0]:.6g}, zero point {quant.zero_point[0]}"


def quantization_text(graph: Graph) -> str:
    """How far a graph is quantized, and which ops compute in float."""
    state = quantization(graph)
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
    return "; ".join(f"{kind} at {shortened(found)}" for kind, found in sorted(places.items()))
