"""The table of facts about ops: what TFLite's 8-bit kernels do to values and their scales, and how far things are
quantized.

A fact is a column, an op a row; an op without a row has none of these properties. Sources: TFLite's 8-bit quantization
specification (tensorflow.org/lite/performance/quantization_spec) and the checks in its kernels' `Prepare`.
"""

from dataclasses import dataclass
from typing import Mapping, Optional, Tuple

from edgekit.tflite.graph import Graph, Op, Tensor

#: Name of the custom op that `edgetpu_compiler` puts in place of what it has mapped.
EDGETPU_OP = "edgetpu-custom-op"

FLOATS = ("float16", "float32", "float64", "bfloat16")
#: The integers that real numbers are quantized to. int32 is that of biases, which are never alone.
QUANTIZED = ("int4", "int8", "uint8", "int16")


@dataclass(frozen=True)
class Facts:
    """What is known of an op, whatever model it stands in.

    Attributes:
      data: place of what it computes with among its inputs.
      weights, bias: places of these; None where it has none.
      hands_on: each value of its data is in the output, unchanged, be it with other values beside it.
      same_elements: its output is its data's values and no others, in the same order.
      same_scale: 8-bit kernels want data and output on one scale and zero point, so that the output has no range of
        its own. It may still average (AVERAGE_POOL_2D) or leave out (MAX_POOL_2D).
      fixed_output: (scale, zero point) that int8 kernels want of the output; None where it is free.
      casts: turns numbers of one type or scale into another, and computes nothing else.
      averages: sums or averages positions.
      elementwise: all inputs and the output are of one type, and each element is computed from those at its place.
    """

    data: int = 0
    weights: Optional[int] = None
    bias: Optional[int] = None
    hands_on: bool = False
    same_elements: bool = False
    same_scale: bool = False
    fixed_output: Optional[Tuple[float, int]] = None
    casts: bool = False
    averages: bool = False
    elementwise: bool = False


_NOTHING = Facts()
_LAYER = Facts(weights=1, bias=2)
_SHAPED = Facts(hands_on=True, same_elements=True, same_scale=True)
_MOVED = Facts(hands_on=True, same_scale=True)
_PART = Facts(same_scale=True)
_CAST = Facts(hands_on=True, same_elements=True, casts=True)
_ELEMENTWISE = Facts(elementwise=True)
_AVERAGE = Facts(averages=True)

_TABLE: Mapping[str, Facts] = {
    "ADD": _ELEMENTWISE,
    "AVERAGE_POOL_2D": Facts(averages=True, same_scale=True),
    "BATCH_TO_SPACE_ND": _MOVED,
    "BROADCAST_TO": _MOVED,
    "CONV_2D": _LAYER,
    "DEPTHWISE_CONV_2D": _LAYER,
    "DEPTH_TO_SPACE": _MOVED,
    "DEQUANTIZE": _CAST,
    "DIV": _ELEMENTWISE,
    "EXPAND_DIMS": _SHAPED,
    "FULLY_CONNECTED": _LAYER,
    "GATHER": _PART,
    "GATHER_ND": _PART,
    "HARD_SWISH": _ELEMENTWISE,
    "L2_NORMALIZATION": Facts(fixed_output=(1 / 128, 0)),
    "LOGISTIC": Facts(elementwise=True, fixed_output=(1 / 256, -128)),
    "LOG_SOFTMAX": Facts(fixed_output=(16 / 256, 127)),
    "MAXIMUM": _ELEMENTWISE,
    "MAX_POOL_2D": _PART,
    "MEAN": _AVERAGE,
    "MINIMUM": _ELEMENTWISE,
    "MIRROR_PAD": _MOVED,
    "MUL": _ELEMENTWISE,
    "PAD": _MOVED,
    "PADV2": _MOVED,
    "QUANTIZE": _CAST,
    "REDUCE_MAX": _PART,
    "REDUCE_MIN": _PART,
    "RELU": _ELEMENTWISE,
    "RELU6": _ELEMENTWISE,
    "RESHAPE": _SHAPED,
    "RESIZE_BILINEAR": _PART,
    "RESIZE_NEAREST_NEIGHBOR": _PART,
    "SLICE": _PART,
    "SOFTMAX": Facts(fixed_output=(1 / 256, -128)),
    "SPACE_TO_BATCH_ND": _MOVED,
    "SPACE_TO_DEPTH": _MOVED,
    "SPLIT": Facts(data=1, same_scale=True),
    "SPLIT_V": _PART,
    "SQUEEZE": _SHAPED,
    "STRIDED_SLICE": _PART,
    "SUB": _ELEMENTWISE,
    "SUM": _AVERAGE,
    "TANH": Facts(elementwise=True, fixed_output=(1 / 128, 0)),
    "TILE": _MOVED,
    "TRANSPOSE": _MOVED,
    "TRANSPOSE_CONV": Facts(data=2, weights=1, bias=3),
    "UNPACK": _PART,
}


def facts(op: Op) -> Facts:
    """What is known of an op's kind."""
    return facts_of(op.opcode)


def facts_of(opcode: str) -> Facts:
    """What is known of a kind of op."""
    return _TABLE.get(opcode, _NOTHING)


def weights_of(graph: Graph, op: Op) -> Optional[Tensor]:
    """The tensor of an op's weights, or None where its kind has none."""
    return _at(graph, op, facts(op).weights)


def bias_of(graph: Graph, op: Op) -> Optional[Tensor]:
    """The tensor of an op's bias, or None where it has none."""
    return _at(graph, op, facts(op).bias)


def _at(graph: Graph, op: Op, position: Optional[int]) -> Optional[Tensor]:
    index = op.inputs[position] if position is not None and position < len(op.inputs) else -1
    return graph.tensors[index] if index >= 0 else None


def is_compiled(graph: Graph) -> bool:
    """Whether a part of the model is compiled for the Edge TPU."""
    return any(op.custom == EDGETPU_OP for op in graph.ops)


def is_quantized(tensor: Tensor) -> bool:
    """Whether a tensor stands for real numbers in integers of 16 bits at most."""
    return tensor.quant is not None and tensor.dtype in QUANTIZED


def computes_in_float(graph: Graph, op: Op) -> bool:
    """Whether an op computes with float values; casts between floats and integers do not."""
    return not facts(op).casts and touches_float(graph, op)


def touches_float(graph: Graph, op: Op) -> bool:
    """Whether an op reads or writes float values other than constants."""
    return any(t.dtype in FLOATS and not t.is_constant for t in graph.op_inputs(op) + graph.op_outputs(op))
