"""Ops of which nobody knows whether the Edge TPU's compiler maps them, written as ones that it was seen to map.

Both rewrites keep what the float model computes. In int8 a mean in steps rounds at each step; a spread gate is exact.
They cost ops and time, so that they are made only where `--corrections` names them.
"""

from collections.abc import Iterator

import numpy as np

from edgekit.calibration.observe import Observations
from edgekit.converters.quantization.transforms.rewritten import Rewritten
from edgekit.edgetpu.placement.doubts import largest_mean, largest_pooling
from edgekit.edgetpu.placement.size_rules import MEAN
from edgekit.tflite import Graph, Op, names
from edgekit.tflite.editor import Editor

_HALVING = {"padding": "SAME", "stride_h": 2, "stride_w": 2, "depth_multiplier": 1}


def small_means(graph: Graph, observations: Observations) -> Rewritten:
    """Means over large images as depthwise 2×2 means of stride 2, until what is left is as small as was seen mapped."""
    editor, found = Editor(graph), [op for op in graph.ops if _is_large_mean(graph, op)]
    for op in found:
        _join_parts(editor, op)
        _halve(editor, op)
    return Rewritten(editor.finish() if found else graph, {}, frozenset(), len(found))


def _is_large_mean(graph: Graph, op: Op) -> bool:
    if op.opcode != "MEAN":
        return False
    image, axes = graph.tensors[_whole(graph, op)], graph.op_inputs(op)[1]
    if len(image.shape) != 4 or image.is_dynamic or image.dtype != "float32" or not axes.is_constant:
        return False
    return sorted(Editor(graph).constant(axes.index).ravel().tolist()) == [1, 2] and _too_large(image.shape)


def _whole(graph: Graph, op: Op) -> int:
    """What a mean is taken of; where that are means over equal parts of an image too large to pool, the image."""
    pooling = graph.producer(op.inputs[0])
    if pooling is None or pooling.opcode != "AVERAGE_POOL_2D" or len(graph.consumers(op.inputs[0])) > 1:
        return op.inputs[0]
    image, parts = graph.tensors[pooling.inputs[0]], graph.tensors[op.inputs[0]]
    named = (("filter_height", "stride_h"), ("filter_width", "stride_w"))
    sides = [(pooling.option(size, 1), pooling.option(step, 1)) for size, step in named]
    equal = all(
        size == step and whole == size * count
        for (size, step), whole, count in zip(sides, image.shape[1:3], parts.shape[1:3], strict=True)
    )
    return image.index if equal and image.elements > largest_pooling() else parts.index


def _join_parts(editor: Editor, op: Op) -> None:
    """Lets a mean read the image itself: the mean of means over equal parts is that of all."""
    whole, pooling = _whole(editor.graph, op), editor.producer(op.inputs[0])
    if whole != op.inputs[0] and pooling is not None:
        editor.set_input(op, 0, whole)
        editor.remove([pooling])


def _too_large(shape: tuple[int, ...]) -> bool:
    _, height, width, channels = shape
    large = height * width * channels > largest_mean() or height * width > MEAN.mapped
    return large and min(height, width) > 1


def _halve(editor: Editor, op: Op) -> None:
    """Puts 2×2 means before a mean. Behind an odd edge lies padding with zeros, for which the weights make up."""
    source, step = editor.current(op).inputs[0], 0
    while _too_large(editor.tensors[source].shape):
        _, height, width, channels = editor.tensors[source].shape
        smaller = (1, -(-height // 2), -(-width // 2), channels)
        weight = smaller[1] * smaller[2] / (height * width)
        kernel = np.full((1, 2, 2, channels), weight, np.float32)
        weights = editor.add_constant(names.halved_mean(op.index, step, "weights"), kernel)
        bias = editor.add_constant(names.halved_mean(op.index, step, "bias"), np.zeros(channels, np.float32))
        halved = editor.add_tensor(names.halved_mean(op.index, step, "output"), smaller)
        editor.insert_after(editor.producer(source), "DEPTHWISE_CONV_2D", [source, weights, bias], [halved], _HALVING)
        source, step = halved, step + 1
    editor.set_input(op, 0, source)


def spread_gates(graph: Graph, observations: Observations) -> Rewritten:
    """Products of an image and one number per channel, as products of two images: the numbers are spread out first."""
    editor, found = Editor(graph), list(_gated(graph))
    for op, gate, whole in found:
        _spread(editor, op, gate, graph.tensors[whole].shape)
    return Rewritten(editor.finish() if found else graph, {}, frozenset(), len(found))


def _gated(graph: Graph) -> Iterator[tuple[Op, int, int]]:
    """(op, one number per channel, image) of each product of these."""
    for op in (op for op in graph.ops if op.opcode == "MUL"):
        for gate, whole in (op.inputs, op.inputs[::-1]):
            few, many = graph.tensors[gate], graph.tensors[whole]
            computed = not few.is_constant and not many.is_constant and not many.is_dynamic
            if computed and len(many.shape) == 4 and few.shape == (1, 1, 1, many.shape[-1]) != many.shape:
                yield op, gate, whole


def _spread(editor: Editor, op: Op, gate: int, shape: tuple[int, ...]) -> None:
    """Resizes a gate to an image's size by factors of 2 at most, which are mapped; nearest pixels are the same ones."""
    source, step = gate, 0
    while editor.tensors[source].shape != shape:
        sides = [min(2 * now, end) for now, end in zip(editor.tensors[source].shape[1:3], shape[1:3], strict=True)]
        size = editor.add_constant(names.spread_gate(op.index, step, "size"), np.array(sides, np.int32))
        larger = editor.add_tensor(names.spread_gate(op.index, step, "output"), (1, *sides, shape[3]))
        editor.insert_after(editor.producer(source), "RESIZE_NEAREST_NEIGHBOR", [source, size], [larger])
        source, step = larger, step + 1
    editor.redirect(gate, source, [op])
