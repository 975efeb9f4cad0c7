"""How far a `.tflite` is quantized."""

from dataclasses import dataclass
from typing import Tuple

from edgekit.tflite.graph import Graph
from edgekit.tflite.ops import FLOATS, computes_in_float, facts, touches_float


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
    casts = tuple(op.index for op in graph.ops if facts(op).casts and touches_float(graph, op))
    float_ops = tuple(op.index for op in graph.ops if computes_in_float(graph, op))
    values = [t.dtype for op in graph.ops for t in graph.op_outputs(op) if t.quant and t.dtype not in FLOATS]
    dtype = max(sorted(set(values)), key=values.count, default="")
    if not float_ops:
        return Quantization("full" if dtype else "none", dtype, (), casts)
    if dtype:
        return Quantization("partial", dtype, float_ops, casts)
    read = (tensor for op in graph.ops for tensor in graph.op_inputs(op))
    small = any(t.is_constant and (t.quant or t.dtype == "float16") for t in read)
    return Quantization("weights" if small else "none", "", float_ops, casts)
