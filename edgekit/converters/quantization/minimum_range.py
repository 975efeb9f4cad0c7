"""Ranges that kernels take: none so narrow that the step before it would be a multiple that they cannot scale by.

Tensors like that hold nothing but float rounding: channels that died in training, the last layers of a network that
was never trained. Kernels do not round them to zero; TensorFlow Lite's end the process (`TFLITE_CHECK`).
"""

from collections.abc import Mapping

import numpy as np

from edgekit.calibration.ranges import Bounds
from edgekit.tflite.graph import Graph, Op
from edgekit.tflite.ops import facts, weights_of
from edgekit.tflite.quant import WEIGHT_LIMIT
from edgekit.tflite.reader import constant

#: Largest quotient of the accumulator's step and the output's, with a margin: XNNPACK's convolutions take up to 2**8.
_ACCUMULATED = 2.0**7
#: The same for sums: XNNPACK takes up to 2**8; beyond, TensorFlow Lite's reference kernel takes up to 2**19.
_ADDED = 2.0**7
#: Steps of a range.
_STEPS = 255
_SUMS = ("ADD", "SUB")


def widened(graph: Graph, bounds: Mapping[str, Bounds]) -> dict[str, Bounds]:
    """The ranges, those of too narrow tensors replaced by (0, the least that kernels take); 1 for what is always 0.

    Args:
      graph: the float model.
      bounds: tensor name → range, of all its float activations.
    """
    taken, changed = dict(bounds), set[str]()
    for op in graph.ops:
        inputs = [tensor.name for tensor in graph.op_inputs(op) if tensor.name in taken]
        for name in (tensor.name for tensor in graph.op_outputs(op) if tensor.name in taken):
            least = _least(graph, op, [_width(taken[one]) for one in inputs])
            if facts(op).same_scale and changed & set(inputs):
                taken[name] = taken[inputs[0]]
            elif _width(taken[name]) < least or _width(taken[name]) == 0:
                taken[name] = (0.0, least or 1.0)
            else:
                continue
            changed.add(name)
    return taken


def _width(bounds: Bounds) -> float:
    """Of the range once it holds 0, as quantization makes it."""
    return max(bounds[1], 0.0) - min(bounds[0], 0.0)


def _least(graph: Graph, op: Op, widths: list[float]) -> float:
    if not widths:
        return 0.0
    weights = weights_of(graph, op)
    if weights is not None and weights.is_constant:
        largest = float(np.abs(constant(graph, weights)).max())
        return widths[0] * largest / WEIGHT_LIMIT / _ACCUMULATED
    if op.opcode == "MUL" and len(widths) == 2:
        return widths[0] * widths[1] / _STEPS / _ACCUMULATED
    return max(widths) / _ADDED if op.opcode in _SUMS else 0.0
