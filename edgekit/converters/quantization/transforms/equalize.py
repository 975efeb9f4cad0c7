"""Splitting swish, so that each channel of a layer gets the resolution it needs.

An int8 activation has one scale for all channels. Where channels differ in size by ten and more, as after
EfficientNet-B's first and depthwise convolutions, the small ones drown in the large ones' rounding: that is what
makes naive int8 B0 fail. ReLU could be scaled per channel; swish(x) = x * sigmoid(x) cannot. Its two factors can:

    before   conv ─ x ┬──────── mul ─ y ─ … ─ next layer
                      └ sigmoid ┘
    after    conv ─ x ─ sigmoid ─┐
             conv·s ─ s·x ───── mul ─ s·y ─ … ─ next layer/s

The convolution is doubled: one copy feeds the sigmoid, which is flat beyond ±6, so that all its range can go to where
it is not; the other is scaled per channel by s, which the layers that read the product take back in their weights.
The function stays the same, and every op has an int8 form. This is cross-layer equalization (M. Nagel et al.,
«Data-free quantization through weight equalization and bias correction», ICCV 2019) carried past swish.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from edgekit.calibration.observe import Ends, Observations
from edgekit.calibration.ranges import Bounds
from edgekit.converters.quantization.transforms.channel_scale import Carrier, channel_scale
from edgekit.converters.quantization.transforms.rewritten import Rewritten
from edgekit.tflite import Graph, Op, Tensor, constant, names, patterns
from edgekit.tflite.editor import Editor
from edgekit.tflite.ops import bias_of, weights_of
from edgekit.tflite.quant import WEIGHT_LIMIT

#: The sigmoid's input beyond which its 8-bit output, in steps of 1/256, stands still: 1 - sigmoid(6) = 0.6 / 256.
SATURATION = 6.0
#: How far below zero the scaled factor is kept. Where it is clipped, the exact sigmoid beside it is small:
#: (x - 2.5) * sigmoid(-x) is at most 0.03.
DEPTH = 2.5
#: Convolutions with more multiplications than this per output value are not doubled. These are all depthwise ones,
#: first layers on three channels, and the narrowest expansions: in B0 22 % more multiplications in all.
MAX_COST = 32


@dataclass(frozen=True)
class _Swish:
    """conv → x → y = x * sigmoid(x), and the layers that can undo a scale of y."""

    conv: Op
    x: int
    product: Op
    y: int
    readers: tuple[Op, ...]


def split_swish(graph: Graph, observations: Observations) -> Rewritten:
    """Splits every swish whose convolution is cheap enough to be doubled.

    Args:
      graph: float, with a static batch of 1.
      observations: of this model, on representative images.
    """
    editor, limits, found = Editor(graph), dict[str, Bounds](), list(_swishes(graph))
    changed: set[int] = set()
    for number, swish in enumerate(found):
        changed |= _scaled(graph, swish)
        scale, x = _scale_of(editor, swish, observations), graph.tensors[swish.x].name
        _double(editor, swish, scale, number)
        deepest = np.clip(-observations.tensors[x].channels.low, 0, DEPTH)
        limits[x] = (-SATURATION, SATURATION)
        limits[names.split_swish(number, "scaled")] = (-float((deepest * scale).max()), math.inf)
    editor.drop_unused()
    return Rewritten(editor.finish(), limits, frozenset(graph.tensors[index].name for index in changed), len(found))


def compared_channels(graph: Graph) -> frozenset[str]:
    """Names of the tensors whose channels `split_swish` compares."""
    places = {place for swish in _swishes(graph) for place in (swish.x, swish.y, *_read(swish))}
    return frozenset(graph.tensors[place].name for place in places)


def _read(swish: _Swish) -> Iterator[int]:
    return (op.inputs[0] for op in swish.readers)


def split_like(graph: Graph, quantized: Graph) -> Graph:
    """The float model with the swishes split that an int8 model made from it has split, by the very same factors.

    The factors are read from the doubled convolutions' weights: these are quantized symmetrically, so that a channel's
    largest weight is 127 steps.
    """
    editor, known = Editor(graph), {tensor.name: tensor for tensor in quantized.tensors}
    for number, swish in enumerate(_swishes(graph)):
        doubled = known.get(names.split_swish(number, "weights"))
        if doubled is None or doubled.quant is None:
            continue
        weights = editor.constant(editor.current(swish.conv).inputs[1])
        others = tuple(axis for axis in range(weights.ndim) if axis != doubled.quant.axis)
        largest = np.abs(weights.astype(np.float64)).max(axis=others)
        steps = np.array(doubled.quant.scale) * WEIGHT_LIMIT
        scale = np.divide(steps, largest, out=np.ones_like(largest), where=largest > 0)
        _double(editor, swish, scale, number)
    editor.drop_unused()
    return editor.finish()


def _scale_of(editor: Editor, swish: _Swish, observations: Observations) -> np.ndarray:
    """The best factors for a swish: with a gate behind it, the product that the gate makes counts most."""
    graph = editor.graph

    def seen(index: int) -> Ends:
        return observations.tensors[graph.tensors[index].name].channels

    x, y = seen(swish.x), seen(swish.y)
    readers = [op for op in swish.readers if not _is_pooled(graph.tensors[op.inputs[0]])]
    gated = sorted({op.inputs[0] for op in readers} - {swish.y})
    read = seen(gated[-1]) if gated else y
    gain = np.minimum(read.magnitudes / np.maximum(y.magnitudes, 1e-30), 1.0)
    above, whole = np.maximum(y.high, 0.0), np.ones_like(gain)
    carriers = [Carrier(np.clip(-x.low, 0.0, DEPTH), above, gain), Carrier(np.maximum(-y.low, 0.0), above, gain)]
    carriers += [Carrier(np.maximum(-t.low, 0.0), np.maximum(t.high, 0.0), whole) for t in map(seen, gated)]
    weighted = [editor.current(op) for op in readers if op.opcode != "DEPTHWISE_CONV_2D"]
    return channel_scale(carriers, [editor.constant(op.inputs[1]) for op in weighted])


def _is_pooled(tensor: Tensor) -> bool:
    """Whether there is one value per channel: few of them, which cost nothing and hold no error worth it."""
    return math.prod(tensor.shape[1:-1]) == 1


def _swishes(graph: Graph) -> Iterator[_Swish]:
    """The swishes behind convolutions that can be doubled, which nothing else reads."""
    for swish in patterns.swishes(graph):
        conv, alone = graph.producer(swish.x), len(graph.consumers(swish.x)) == 2
        if conv is None or not alone or patterns.fused(swish.product) or not _can_be_doubled(graph, conv):
            continue
        y = swish.product.outputs[0]
        readers = _undoers(graph, y)
        if readers:
            yield _Swish(conv, swish.x, swish.product, y, readers)


def _has_float_weights(graph: Graph, op: Op) -> bool:
    weights = weights_of(graph, op)
    return weights is not None and weights.is_constant and weights.dtype == "float32"


def _can_be_doubled(graph: Graph, op: Op) -> bool:
    if op.opcode not in ("CONV_2D", "DEPTHWISE_CONV_2D") or patterns.fused(op):
        return False
    if not _has_float_weights(graph, op) or _is_pooled(graph.tensors[op.outputs[0]]):
        return False
    shape = graph.tensors[op.inputs[1]].shape
    return math.prod(shape[1:3] if op.opcode == "DEPTHWISE_CONV_2D" else shape[1:]) <= MAX_COST


def _undoers(graph: Graph, tensor: int) -> tuple[Op, ...]:
    """All layers that a factor per channel of this tensor reaches, if they can take it back; else ()."""
    found: list[Op] = []
    if tensor in graph.outputs:
        return ()
    for op in graph.consumers(tensor):
        if _takes_back(graph, op, tensor):
            found.append(op)
            continue
        beyond = _undoers(graph, op.outputs[0]) if _hands_on(graph, op, tensor) else ()
        if not beyond:
            return ()
        found += [other for other in beyond if other not in found]
    return tuple(found)


def _scaled(graph: Graph, swish: _Swish) -> set[int]:
    """The tensors that have the factors: the product, and what hands it on to the readers."""
    readers, found, left = {op.index for op in swish.readers}, {swish.y}, [swish.y]
    while left:
        for op in graph.consumers(left.pop()):
            if op.index not in readers:
                left += [index for index in op.outputs if index not in found]
                found.update(op.outputs)
    return found


def _takes_back(graph: Graph, op: Op, tensor: int) -> bool:
    if op.opcode not in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED") or op.inputs[0] != tensor:
        return False
    # A depthwise convolution with a multiplier, or a dense layer on flattened channels, has other last axes.
    last = graph.tensors[tensor].shape[-1:]
    return _has_float_weights(graph, op) and graph.tensors[op.inputs[1]].shape[-1:] == last


def _hands_on(graph: Graph, op: Op, tensor: int) -> bool:
    """Whether the op's output has the factor of each channel that this input has, and no other change."""
    if graph.tensors[op.outputs[0]].shape[-1:] != graph.tensors[tensor].shape[-1:]:
        return False
    if op.opcode == "MEAN":
        axes = graph.tensors[op.inputs[1]]
        return axes.is_constant and set(constant(graph, axes).ravel().tolist()) <= {1, 2}
    if op.opcode == "MUL":  # by a gate: any other tensor, which has no factor of its own
        gates = [index for index in op.inputs if index != tensor]
        return len(gates) == 1 and not patterns.fused(op) and patterns.is_sigmoid(graph, gates[0])
    if op.opcode == "AVERAGE_POOL_2D":
        return not patterns.fused(op)
    return op.opcode in ("PAD", "RESHAPE")


def _double(editor: Editor, swish: _Swish, scale: np.ndarray, number: int) -> None:
    scaled = editor.add_copy(swish.x, names.split_swish(number, "scaled"))
    conv = editor.duplicate(swish.conv, scaled)
    editor.redirect(swish.x, scaled, [swish.product])
    out = scale if conv.opcode == "DEPTHWISE_CONV_2D" else scale[:, None, None, None]
    _scale_input(editor, conv, 1, out, names.split_swish(number, "weights"))
    if bias_of(editor.graph, swish.conv) is not None:
        _scale_input(editor, conv, 2, scale, names.split_swish(number, "bias"))
    for place, reader in enumerate(swish.readers):
        _scale_input(editor, reader, 1, 1.0 / scale, names.split_swish(number, f"reader{place}"))


def _scale_input(editor: Editor, op: Op, position: int, factor: np.ndarray, name: str) -> None:
    value = editor.constant(editor.current(op).inputs[position]).astype(np.float64) * factor
    editor.set_constant_input(op, position, name, value.astype(np.float32))
