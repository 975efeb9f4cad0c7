"""How much an operation asks of the Edge TPU: products, passes of the array, stored parameters.

The chip multiplies 64 input channels by 64 output channels at a time; what does not fill the 64 is
computed, and stored, all the same. The rules of storage below reproduce the payload of real compiled
files byte for byte for convolutions and dense layers (`benchmarks/estimates.py`).
"""

from dataclasses import dataclass
from typing import Optional, Tuple

from edgekit.edgetpu.estimate.profiles import EDGE_TPU
from edgekit.tflite.graph import Graph, Op, Tensor

#: (height, width, channels) of a tensor; sizes it does not have are 1.
Shape = Tuple[int, int, int]

_LANES = EDGE_TPU.lanes
# Parameters: input channels go by fours, and a bias and a multiplier of 4 bytes belong to each output channel.
_INPUT_STEP, _OUTPUT_STEP, _CHANNEL_BYTES = 4, 16, 8


@dataclass(frozen=True)
class Work:
    """What one operation costs.

    Attributes:
      kind: TFLite's name of the operation.
      input, output: shapes of the main tensors.
      macs: products to compute.
      array_passes: passes of the 64×64 array, idle units counted.
      vector_passes: passes over 64 channels, for operations that do not use the array.
      parameter_bytes: parameters in the compiled file.
      on_chip_bytes: on-chip memory that they take when they are cached.
    """

    kind: str
    input: Shape
    output: Shape
    macs: int
    array_passes: float
    vector_passes: float
    parameter_bytes: int
    on_chip_bytes: int

    @property
    def utilization(self) -> float:
        """Share of the array's units that compute something; 1.0 for operations without products."""
        return self.macs / (self.array_passes * _LANES**2) if self.array_passes else 1.0

    @property
    def pieces(self) -> float:
        """How often its parameters are sent in one inference, where they are streamed."""
        return max(1.0, _elements(self.output) / EDGE_TPU.tile_bytes)


def layer_work(
    kind: str, source: Shape, output: Shape, *, kernel: Tuple[int, int] = (1, 1), per_channel: bool = True
) -> Work:
    """The work of an operation from its shapes; `kernel` is (height, width).

    `per_channel` says how the weights are quantized: depthwise ones take more room with a scale per channel.
    """
    taps, channels = kernel[0] * kernel[1], output[2]
    if kind == "FULLY_CONNECTED":
        source = (1, 1, _elements(source))
    if kind in ("CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV"):
        grid = source if kind == "TRANSPOSE_CONV" else output
        positions = grid[0] * grid[1] * taps
        depth = _up(source[2], _INPUT_STEP)
        passes = positions * depth / _LANES * (_up(channels, _LANES) // _LANES)
        size = taps * depth + _CHANNEL_BYTES
        macs = positions * source[2] * channels
        stored = size * _stored(channels)
        reserved = stored if kind == "FULLY_CONNECTED" else size * _up(channels, _LANES)
        return Work(kind, source, output, macs, passes, 0.0, stored, reserved)
    passes = output[0] * output[1] * taps * _up(channels, _LANES) / _LANES
    if kind == "DEPTHWISE_CONV_2D":
        # A filter of one channel takes the place of four, all but one of them zero.
        size = taps * _INPUT_STEP + (2 * _CHANNEL_BYTES if per_channel else 0)
        macs = _elements(output) * taps
        return Work(kind, source, output, macs, 0.0, passes, size * _stored(channels), size * _up(channels, _LANES))
    return Work(kind, source, output, 0, 0.0, passes, 0, 0)


def op_work(graph: Graph, op: Op) -> Work:
    """The work of a graph's operation; of one that lacks inputs, as far as they are there."""
    source, output = _main_shape(graph, op.inputs), _main_shape(graph, op.outputs)
    if op.opcode in ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV"):
        weights = _operand(graph, op, 1)
        _, height, width, _ = _sizes_of_four(weights)
        per_channel = weights is None or weights.quant is None or weights.quant.per_channel
        data = _operand(graph, op, 2 if op.opcode == "TRANSPOSE_CONV" else 0)
        source = (1, 1, 1) if data is None else _shape(data)
        return layer_work(op.opcode, source, output, kernel=(height, width), per_channel=per_channel)
    if op.opcode == "FULLY_CONNECTED":
        units, values, _, _ = _sizes_of_four(_operand(graph, op, 1))
        return layer_work(op.opcode, (1, 1, values), (1, 1, units))
    if op.opcode in ("AVERAGE_POOL_2D", "MAX_POOL_2D"):
        window = (int(op.option("filter_height", 1)), int(op.option("filter_width", 1)))
        return layer_work(op.opcode, source, output, kernel=window)
    if op.opcode in ("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN"):
        return layer_work(op.opcode, source, output, kernel=source[:2])
    if op.opcode in ("RESHAPE", "SQUEEZE", "EXPAND_DIMS"):
        return Work(op.opcode, source, output, 0, 0.0, 0.0, 0, 0)
    constants = sum(t.constant_bytes for t in graph.op_inputs(op) if t.dtype in ("int8", "uint8"))
    plain = layer_work(op.opcode, source, output)
    return Work(op.opcode, source, output, 0, 0.0, plain.vector_passes, constants, constants)


def _stored(channels: int) -> int:
    """Output channels as stored: by sixteens up to one pass of the array, by whole passes beyond."""
    return _up(channels, _OUTPUT_STEP if channels <= _LANES else _LANES)


def _up(number: int, step: int) -> int:
    return -(-number // step) * step


def _elements(shape: Shape) -> int:
    return shape[0] * shape[1] * shape[2]


def _operand(graph: Graph, op: Op, position: int) -> Optional[Tensor]:
    index = op.inputs[position] if position < len(op.inputs) else -1
    return graph.tensors[index] if index >= 0 else None


def _sizes_of_four(weights: Optional[Tensor]) -> Tuple[int, int, int, int]:
    """The weights' shape; sizes that it does not have are 1."""
    sizes = ((*weights.shape, 1, 1, 1, 1) if weights is not None else (1, 1, 1, 1))[:4]
    return (sizes[0], sizes[1], sizes[2], sizes[3])


def _main_shape(graph: Graph, indices: Tuple[int, ...]) -> Shape:
    """The shape of the largest activation among the tensors, or of the first tensor where all are constant."""
    given = [i for i in indices if i >= 0]
    active = [i for i in given if not graph.tensors[i].is_constant] or given[:1]
    if not active:
        return (1, 1, 1)
    return _shape(max((graph.tensors[i] for i in active), key=lambda tensor: tensor.elements))


def _shape(tensor: Tensor) -> Shape:
    """A tensor's three innermost sizes; further ones multiply the height."""
    sizes = [max(1, n) for n in tensor.shape]
    sizes = [1] * (3 - len(sizes)) + sizes
    height = 1
    for size in sizes[:-2]:
        height *= size
    return (height, sizes[-2], sizes[-1])
