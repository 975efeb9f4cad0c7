"""What a layer of an 8-bit model gives to a compiled file: weights, biases, multipliers."""

from dataclasses import dataclass
from typing import List, Optional, Tuple

import numpy as np

from edgekit.tflite.graph import Graph, Op, Tensor
from edgekit.tflite.ops import bias_of, weights_of
from edgekit.tflite.reader import constant

#: The ops whose parameters are known to be stored as they are.
LAYERS = frozenset(("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"))

_SIGN = 0x80


@dataclass(frozen=True)
class LayerParameters:
    """The parameters of one layer as the Edge TPU takes them.

    Attributes:
      weights: uint8 (outputs, height, width, inputs), int8 ones with their highest bit turned over; of a depthwise
        layer (channels, height, width, 1). Rows and columns of the kernel that meet nothing but padding are left out.
      depthwise: whether each channel has a kernel of its own.
      zero_point: the weight that stands for 0.
      biases: int32 (outputs,).
      multipliers: float32 (outputs,), input scale × weight scale ÷ output scale; None where one holds for all, which is
        in the instructions then.
      per_channel: whether each channel has its own weight scale in the file, be they equal or not.
      row: how many outputs make a row of what the output is reshaped to; `outputs` where it is not.
    """

    weights: "np.ndarray[tuple[int, int, int, int], np.dtype[np.uint8]]"
    depthwise: bool
    zero_point: int
    biases: "np.ndarray[tuple[int], np.dtype[np.int32]]"
    multipliers: "Optional[np.ndarray[tuple[int], np.dtype[np.float32]]]"
    per_channel: bool
    row: int

    @property
    def outputs(self) -> int:
        """Number of output channels."""
        return int(self.weights.shape[0])


def layer_parameters(graph: Graph, op: Op) -> Optional[LayerParameters]:
    """An op's parameters; None where it is no layer with constant 8-bit weights."""
    weights = weights_of(graph, op)
    if op.opcode not in LAYERS or weights is None or weights.quant is None or not weights.is_constant:
        return None
    source, target = graph.op_inputs(op)[0], graph.op_outputs(op)[0]
    if weights.dtype not in ("int8", "uint8") or source.quant is None or target.quant is None:
        return None
    depthwise = op.opcode == "DEPTHWISE_CONV_2D" and source.shape[-1:] == weights.shape[-1:]
    stored = _read_at_all(op, _by_output(op, constant(graph, weights), source.shape), source.shape, target.shape)
    signed = weights.dtype == "int8"
    unsigned: np.ndarray[tuple[int, int, int, int], np.dtype[np.uint8]] = stored.view(np.uint8)
    return LayerParameters(
        weights=unsigned ^ np.uint8(_SIGN if signed else 0),
        depthwise=depthwise,
        zero_point=weights.quant.zero_point[0] + (_SIGN if signed else 0),
        biases=_biases(graph, op, stored.shape[0]),
        multipliers=_multipliers(source, weights, target),
        per_channel=weights.quant.per_channel,
        row=_row(graph, target, stored.shape[0]),
    )


def has_multipliers(weights: Tensor) -> bool:
    """Whether each output has a multiplier of its own; one that holds for all is in the instructions."""
    return weights.quant is not None and len(set(weights.quant.scale)) > 1


def has_biases(graph: Graph, op: Op) -> bool:
    """Whether any of a layer's biases is not 0; of those of a layer that is not depthwise none is stored otherwise."""
    bias = bias_of(graph, op)
    return bias is not None and bias.is_constant and bias.dtype == "int32" and bool(constant(graph, bias).any())


def _row(graph: Graph, target: Tensor, outputs: int) -> int:
    shapes = [graph.op_outputs(op)[0].shape for op in graph.consumers(target.index) if op.opcode == "RESHAPE"]
    rows = [shape[-1] for shape in shapes if shape and shape[-1] and outputs % shape[-1] == 0]
    return min(rows, default=outputs)


def _by_output(op: Op, weights: np.ndarray, source: Tuple[int, ...]) -> np.ndarray:
    """Weights as (outputs, height, width, inputs); a dense layer over an image reads it as a kernel of its size."""
    if op.opcode == "DEPTHWISE_CONV_2D":
        return np.ascontiguousarray(weights.transpose(3, 1, 2, 0))
    if weights.ndim == 4:
        return weights
    image = source[1:] if len(source) == 4 and weights[0].size == np.prod(source[1:]) else (1, 1, weights[0].size)
    return weights.reshape(weights.shape[0], *image)


def _read_at_all(op: Op, weights: np.ndarray, source: Tuple[int, ...], target: Tuple[int, ...]) -> np.ndarray:
    """The kernel without what lies beside a small image wherever it stands."""
    if op.option("padding") != "SAME" or len(source) != 4 or len(target) != 4:
        return weights
    kept = [
        _met(
            weights.shape[axis],
            (source[axis], target[axis]),
            op.option(f"stride_{name}", 1),
            op.option(f"dilation_{name}_factor", 1),
        )
        for axis, name in ((1, "h"), (2, "w"))
    ]
    return np.ascontiguousarray(weights[:, kept[0]][:, :, kept[1]])


def _met(kernel: int, sizes: Tuple[int, int], stride: int, dilation: int) -> List[int]:
    """Which of a kernel's places along an axis ever meet the image; TFLite's padding puts the larger half behind."""
    size, steps = sizes
    before = max(0, (steps - 1) * stride + (kernel - 1) * dilation + 1 - size) // 2
    starts = [step * stride - before for step in range(steps)]
    return [place for place in range(kernel) if any(0 <= start + place * dilation < size for start in starts)]


def _biases(graph: Graph, op: Op, outputs: int) -> "np.ndarray[tuple[int], np.dtype[np.int32]]":
    bias = bias_of(graph, op)
    if bias is None or not bias.is_constant or bias.dtype != "int32":
        return np.zeros(outputs, np.int32)
    return constant(graph, bias).astype(np.int32).ravel()


def _multipliers(
    source: Tensor, weights: Tensor, target: Tensor
) -> "Optional[np.ndarray[tuple[int], np.dtype[np.float32]]]":
    """Every step is rounded to float32, as the compiler rounds it: so they are equal to the last bit."""
    assert source.quant and weights.quant and target.quant
    scales = np.array(weights.quant.scale, np.float32)
    if not has_multipliers(weights):
        return None
    return np.float32(source.quant.scale[0]) * scales * (np.float32(1) / np.float32(target.quant.scale[0]))
