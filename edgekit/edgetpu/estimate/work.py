"""How much an operation asks of the Edge TPU: products, passes of the array, stored parameters.

A tile multiplies 4 inputs by 64 outputs at a time; what does not fill the 64 is computed, and stored, all the same,
but for layers of 16 or 32 outputs, which do 4 or 2 places of the image at once. The rules of storage reproduce the
payload of real compiled files byte for byte (`edgetpu.parameters`, `benchmarks/published.py`).
"""

import math
from dataclasses import dataclass, replace
from typing import Optional, Tuple

from edgekit.edgetpu.estimate.profiles import EDGE_TPU
from edgekit.edgetpu.parameters.layer import has_biases, has_multipliers
from edgekit.tflite.graph import Graph, Op, Tensor

#: (height, width, channels) of a tensor; sizes it does not have are 1.
Shape = Tuple[int, int, int]

_LANES, _WORDS = EDGE_TPU.lanes, EDGE_TPU.words
# A row of stored weights, 4 inputs of each output, is filled up to 64 bytes, hence to 16 outputs.
_NARROW = 16
# Numbers of 4 bytes for each output in a layer's head: multiplier, bias, zero point.
_NUMBER_BYTES, _ALL_NUMBERS = 4, 3
_SAME_BYTES = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS")
# Only layers over images of this size were seen to take memory from the parameters for their kernels' halos.
_LARGE_IMAGE = 64 * 64


@dataclass(frozen=True)
class Work:
    """What one operation costs.

    Attributes:
      kind: TFLite's name of the operation.
      input, output: shapes of the main tensors.
      macs: products to compute.
      array_passes: passes of the whole array, idle units counted.
      vector_passes: passes over 64 channels, for operations that do not use the array.
      parameter_bytes: parameters in the compiled file.
      on_chip_bytes: on-chip memory that they take when they are cached.
      groups: groups of 64 outputs that go to a tile each; 0 where all tiles share the parameters.
      halo: places of the kernel beyond the first, for each position of a large image; 0.0 elsewhere.
    """

    kind: str
    input: Shape
    output: Shape
    macs: int
    array_passes: float
    vector_passes: float
    parameter_bytes: int
    on_chip_bytes: int
    groups: int = 0
    halo: float = 0.0

    @property
    def utilization(self) -> float:
        """Share of the array's units that compute something; 1.0 for operations without products."""
        return self.macs / (self.array_passes * EDGE_TPU.tiles * _LANES * _WORDS) if self.array_passes else 1.0

    @property
    def pieces(self) -> float:
        """How often its parameters are sent in one inference, where they are streamed."""
        return max(1.0, _elements(self.output) / EDGE_TPU.piece_bytes)

    @property
    def instruction_bytes(self) -> float:
        """Instructions to send for it at each inference; none for what only gives the same bytes another shape."""
        if self.kind in _SAME_BYTES:
            return 0.0
        activations = _elements(self.input) + _elements(self.output)
        return EDGE_TPU.op_bytes + EDGE_TPU.spill_bytes * max(0.0, activations / EDGE_TPU.activation_bytes - 1)


def layer_work(
    kind: str, source: Shape, output: Shape, *, kernel: Tuple[int, int] = (1, 1), numbers: int = _ALL_NUMBERS
) -> Work:
    """The work of an operation from its shapes; `kernel` is (height, width).

    `numbers` says how many numbers of 4 bytes are stored for each output: 3 for weights of a scale for each channel
    with biases, 1 for weights of one scale.
    """
    if kind in ("CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV"):
        return _array_work(kind, source, output, kernel, numbers)
    taps, channels = kernel[0] * kernel[1], output[2]
    passes = output[0] * output[1] * taps * _up(channels, _WORDS) / _LANES
    if kind != "DEPTHWISE_CONV_2D":
        return Work(kind, source, output, 0, 0.0, passes, 0, 0)
    # A filter of one channel takes the place of four, all but one of them zero.
    stored = (taps * _WORDS + numbers * _NUMBER_BYTES) * _up(channels, _WORDS)
    macs, halo = _elements(output) * taps, _halo(source, output, taps)
    return Work(kind, source, output, macs, 0.0, passes, stored, stored, halo=halo)


def _array_work(kind: str, source: Shape, output: Shape, kernel: Tuple[int, int], numbers: int) -> Work:
    """The work of a convolution or dense layer; of a dense one each group of 64 outputs is one tile's."""
    taps, channels = kernel[0] * kernel[1], output[2]
    if kind == "FULLY_CONNECTED":
        source = (1, 1, _elements(source))
    grid = source if kind == "TRANSPOSE_CONV" else output
    places, depth = grid[0] * grid[1], taps * _up(source[2], _WORDS)
    filled = lanes(channels)
    groups = math.ceil(channels / _LANES) if kind == "FULLY_CONNECTED" else 0
    rounds = math.ceil(groups / EDGE_TPU.tiles) if groups else places * filled / _LANES / EDGE_TPU.tiles
    size = depth + numbers * _NUMBER_BYTES
    stored, wide = size * _stored(channels), size * _up(channels, _LANES)
    on_chip = stored if places == 1 or channels < _NARROW else wide
    macs, passes = places * taps * source[2] * channels, rounds * depth / _WORDS
    return Work(kind, source, output, macs, passes, 0.0, stored, on_chip, groups, _halo(source, output, taps))


def _halo(source: Shape, output: Shape, taps: int) -> float:
    """Places of the kernel beyond the first, for each position it stands on: strides take from them."""
    if output[0] * output[1] < _LARGE_IMAGE:
        return 0.0
    stride = max(1, round(source[0] / output[0])) * max(1, round(source[1] / output[1]))
    return max(0.0, taps / stride - 1)


def op_work(graph: Graph, op: Op) -> Work:
    """The work of a graph's operation; of one that lacks inputs, as far as they are there."""
    source, output = _main_shape(graph, op.inputs), _main_shape(graph, op.outputs)
    if op.opcode in ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV"):
        _, height, width, _ = _sizes_of_four(_operand(graph, op, 1))
        data = _operand(graph, op, 2 if op.opcode == "TRANSPOSE_CONV" else 0)
        source = (1, 1, 1) if data is None else _shape(data)
        # A depthwise convolution that makes several channels of each one is stored and computed as an ordinary one.
        kind = "CONV_2D" if op.opcode == "DEPTHWISE_CONV_2D" and source[2] != output[2] else op.opcode
        numbers = _numbers(graph, op, depthwise=kind == "DEPTHWISE_CONV_2D")
        return replace(layer_work(kind, source, output, kernel=(height, width), numbers=numbers), kind=op.opcode)
    if op.opcode == "FULLY_CONNECTED":
        units, values, _, _ = _sizes_of_four(_operand(graph, op, 1))
        return layer_work(op.opcode, (1, 1, values), (1, 1, units), numbers=_numbers(graph, op, depthwise=False))
    if op.opcode in ("AVERAGE_POOL_2D", "MAX_POOL_2D"):
        window = (int(op.option("filter_height", 1)), int(op.option("filter_width", 1)))
        return layer_work(op.opcode, source, output, kernel=window)
    if op.opcode in ("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN"):
        return layer_work(op.opcode, source, output, kernel=source[:2])
    if op.opcode in _SAME_BYTES:
        return Work(op.opcode, source, output, 0, 0.0, 0.0, 0, 0)
    constants = sum(t.constant_bytes for t in graph.op_inputs(op) if t.dtype in ("int8", "uint8"))
    plain = layer_work(op.opcode, source, output)
    return Work(op.opcode, source, output, 0, 0.0, plain.vector_passes, constants, constants)


def _numbers(graph: Graph, op: Op, *, depthwise: bool) -> int:
    """How many numbers are stored for each output: see `parameters.layout`."""
    weights = _operand(graph, op, 1)
    if weights is None or weights.quant is None:
        return _ALL_NUMBERS
    with_biases = depthwise or has_biases(graph, op)
    return max(1, int(with_biases) + int(has_multipliers(weights)) + int(weights.quant.per_channel))


def lanes(channels: int) -> int:
    """Lanes that a layer over an image fills: a quarter or half of them serve another place of the image."""
    narrow = [number for number in (_NARROW, 2 * _NARROW) if channels <= number]
    return narrow[0] if narrow else _up(channels, _LANES)


def _stored(channels: int) -> int:
    """Output channels as stored: by sixteens up to one pass of the array, by whole passes beyond."""
    return _up(channels, _NARROW if channels <= _LANES else _LANES)


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
