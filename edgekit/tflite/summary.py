"""What a `.tflite` is, in a few facts: how far it is quantized, and all of it as JSON-ready values."""

from dataclasses import dataclass
from typing import Any, Dict, Optional, Tuple

from edgekit.tflite.graph import Graph, Op, Tensor
from edgekit.tflite.metadata import Metadata

_FLOAT = ("float16", "float32", "float64", "bfloat16")
# Between float and integers: what a quantized model has at its ends.
_CASTS = ("QUANTIZE", "DEQUANTIZE")


@dataclass(frozen=True)
class Quantization:
    """How far a graph is quantized.

    Attributes:
      kind: "full" (no float value is computed inside), "partial" (some ops are float), "weights"
        (integer or float16 weights, computed in float: dynamic range), or "none".
      dtype: the integer type that most values inside have, such as "int8"; "" where there is none.
      float_ops: indices of the ops that compute in float, casts not counted.
      casts: indices of the ops that turn float into integers or back, at the ends or in between.
    """

    kind: str
    dtype: str
    float_ops: Tuple[int, ...]
    casts: Tuple[int, ...]


def quantization(graph: Graph) -> Quantization:
    """How far a graph is quantized, judged by the types of what its ops read and write."""
    casts = tuple(op.index for op in graph.ops if op.opcode in _CASTS and _touches_float(graph, op))
    float_ops = tuple(op.index for op in graph.ops if op.opcode not in _CASTS and _touches_float(graph, op))
    values = [t.dtype for op in graph.ops for t in graph.op_outputs(op) if t.quant and t.dtype not in _FLOAT]
    dtype = max(sorted(set(values)), key=values.count, default="")
    if not float_ops:
        return Quantization("full" if dtype else "none", dtype, (), casts)
    if dtype:
        return Quantization("partial", dtype, float_ops, casts)
    small = any(t.is_constant and (t.quant or t.dtype == "float16") for t in graph.tensors)
    return Quantization("weights" if small else "none", "", float_ops, casts)


def _touches_float(graph: Graph, op: Op) -> bool:
    return any(t.dtype in _FLOAT and not t.is_constant for t in graph.op_inputs(op) + graph.op_outputs(op))


def to_json(graph: Graph, metadata: Optional[Metadata]) -> Dict[str, Any]:
    """The graph as JSON-ready values: `ops`, `inputs`, `outputs`, `quantization`, `metadata`, `size`."""
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
        "ops": [_op_to_json(op) for op in graph.ops],
        "metadata": _metadata_to_json(metadata) if metadata else None,
    }


def tensor_to_json(tensor: Tensor) -> Dict[str, Any]:
    """A tensor as JSON-ready values; scale and zero point are lists, None where it is not quantized."""
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


def _op_to_json(op: Op) -> Dict[str, Any]:
    return {
        "index": op.index,
        "op": op.custom or op.opcode,
        "version": op.version,
        "inputs": list(op.inputs),
        "outputs": list(op.outputs),
    }


def _metadata_to_json(metadata: Metadata) -> Dict[str, Any]:
    return {
        "name": metadata.name,
        "description": metadata.description,
        "labels": list(metadata.labels),
        "input": metadata.input.to_json() if metadata.input else None,
        "output": metadata.output,
        "provenance": dict(metadata.provenance),
    }
