"""What ops without a layer's weights give to a compiled file, worked out on the real pairs that hold them.

Rows of 64 bytes for each 4 channels, of which the first 16 are used: float32 factors of a MUL by a constant for each
channel, int32 summands of an ADD, a SOFTMAX's table. Constants of a whole image lie as they are. A PAD by further
channels is a convolution with the identity.
"""

from typing import Callable, Dict, Iterator

import numpy as np

from edgekit.edgetpu.parameters.layer import LayerParameters
from edgekit.edgetpu.parameters.layout import ALIGNMENT, layouts, sections
from edgekit.tflite.graph import Graph, Op, Tensor
from edgekit.tflite.reader import constant

_SIGN = 0x80
# Channels in a row, and the numbers of 4 bytes that a row has room for.
_CHANNELS, _ROOM = 4, ALIGNMENT // 4
# What a softmax's table has for the channels that fill up the last row: the least number, and that much on top of the
# bits of the scale.
_LEAST, _BEYOND, _POSITIVE = -(2**31), 0x3FFFFFFF, 0x7FFFFFFF
# Of a larger identity the chip has no room.
_MOST_WEIGHTS = 2**23


def constants(graph: Graph, op: Op) -> Iterator[bytes]:
    """The runs of bytes that a compiled file has for an op, as far as they are known."""
    found, sources, targets = _KINDS.get(op.opcode), graph.op_inputs(op), graph.op_outputs(op)
    if found is not None and sources and targets and _plain(sources[0]) and _plain(targets[0]):
        # A stranger's scales may be of any size: what comes of them is then found nowhere.
        with np.errstate(all="ignore"):
            contents = list(found(graph, op))
        yield from contents


def _plain(tensor: Tensor) -> bool:
    """Whether a tensor is 8-bit with one scale, and has elements: a stranger's may be anything."""
    if tensor.dtype not in ("int8", "uint8") or tensor.quant is None or tensor.elements < 1:
        return False
    return len(tensor.quant.scale) == 1 and [-128 <= point <= 255 for point in tensor.quant.zero_point] == [True]


def _factors(graph: Graph, op: Op) -> Iterator[bytes]:
    """Input scale × (constant's scale × value) ÷ output scale, each step rounded to float32."""
    for source, fixed in _with_constant(graph, op):
        values = _values(graph, fixed).astype(np.float32)
        scaled = np.float32(_scale(source)) * (np.float32(_scale(fixed)) * values)
        yield _rows(scaled * (np.float32(1) / np.float32(_scale(graph.op_outputs(op)[0]))))
        yield _image(graph, fixed)


def _summands(graph: Graph, op: Op) -> Iterator[bytes]:
    """The constant in units of the input."""
    for source, fixed in _with_constant(graph, op):
        yield _rows(np.round(_values(graph, fixed) * (_scale(fixed) / _scale(source))).astype(np.int32))
        yield _image(graph, fixed)


def _softmax(graph: Graph, op: Op) -> Iterator[bytes]:
    """Two rows of zeros and one of the input's scale for each 4 channels."""
    source = graph.op_inputs(op)[0]
    channels, scale = max((0, *source.shape[-1:])), np.array([_scale(source)], np.float32)
    if not 0 < channels <= _MOST_WEIGHTS:
        return
    zeros = _rows(np.zeros(channels, np.int32), free=_LEAST)
    bits = np.full(channels, scale.view(np.int32)[0])
    yield zeros + zeros + _rows(bits, free=(int(bits[0]) + _BEYOND) & _POSITIVE)


def _identity(graph: Graph, op: Op) -> Iterator[bytes]:
    """Of a PAD along the channels alone, in every layout of a convolution."""
    source, *others = graph.op_inputs(op)
    padded = constant(graph, others[0]).ravel() if others and others[0].is_constant else np.zeros(0, np.int32)
    if len(padded) < 2 or not source.shape:
        return
    before, after, inputs = int(padded[-2]), int(padded[-1]), source.shape[-1]
    if min(before, after) < 0 or before + after == 0 or not 0 < inputs * (before + inputs + after) <= _MOST_WEIGHTS:
        return
    weights = np.eye(before + inputs + after, inputs, -before, dtype=np.uint8)[:, None, None, :]
    outputs = len(weights)
    layer = LayerParameters(weights, False, 0, np.zeros(outputs, np.int32), None, False, outputs)
    for layout in layouts(layer):
        yield b"".join(section.content for section in sections(layer, layout))


_KINDS: Dict[str, Callable[[Graph, Op], Iterator[bytes]]] = {
    "MUL": _factors,
    "ADD": _summands,
    "SOFTMAX": _softmax,
    "PAD": _identity,
}


def _with_constant(graph: Graph, op: Op) -> "Iterator[tuple[Tensor, Tensor]]":
    """(computed input, constant one) of an op that has one of each."""
    computed = [tensor for tensor in graph.op_inputs(op) if not tensor.is_constant]
    fixed = [tensor for tensor in graph.op_inputs(op) if tensor.is_constant]
    if len(computed) == len(fixed) == 1 and _plain(computed[0]) and _plain(fixed[0]):
        yield computed[0], fixed[0]


def _values(graph: Graph, fixed: Tensor) -> np.ndarray:
    assert fixed.quant is not None
    return constant(graph, fixed).astype(np.int32).ravel() - fixed.quant.zero_point[0]


def _scale(tensor: Tensor) -> float:
    assert tensor.quant is not None
    return tensor.quant.scale[0]


def _image(graph: Graph, fixed: Tensor) -> bytes:
    """A constant as it is, int8 with its highest bit turned over, filled up to whole rows."""
    content = (constant(graph, fixed).ravel().view(np.uint8) ^ (_SIGN if fixed.dtype == "int8" else 0)).tobytes()
    return content + bytes(-len(content) % ALIGNMENT)


def _rows(values: np.ndarray, free: int = 0) -> bytes:
    """4 channels a row; `free` is what channels have that fill up the last one."""
    rows = np.zeros((-(-len(values) // _CHANNELS), _ROOM), values.dtype)
    filled = np.full(len(rows) * _CHANNELS, free, values.dtype)
    filled[: len(values)] = values
    rows[:, :_CHANNELS] = filled.reshape(-1, _CHANNELS)
    return rows.tobytes()
