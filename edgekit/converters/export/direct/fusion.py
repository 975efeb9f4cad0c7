"""Two ops that one op computes as well: what TensorFlow's converter does to such graphs.

A rule takes an op and the only reader of its output, and answers with the op that does both, or None.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from edgekit.converters.export.direct.draft import Array, Step, Value

Rule = Callable[[Step, Step], Step | None]

_WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
_TAKE_ACTIVATION = (*_WEIGHTED, "ADD", "SUB", "MUL", "AVERAGE_POOL_2D", "MAX_POOL_2D")
_ACTIVATIONS = ("RELU", "RELU6", "RELU_N1_TO_1")
_ACTIVATION = "fused_activation_function"


def fuse(steps: Sequence[Step], answer: Value) -> list[Step]:
    """The ops with all that can be fused; what computes the answer still does."""
    readers = Counter(value for step in steps for value in step.inputs)
    readers[answer] += 1
    done: dict[Value, Step] = {}
    for step in steps:
        fused = _with_producer(step, done, readers)
        while fused is not None:
            producer, step = fused
            del done[producer.output]
            fused = _with_producer(step, done, readers)
        done[step.output] = step
    return list(done.values())


def _with_producer(step: Step, done: dict[Value, Step], readers: Counter[Value]) -> tuple[Step, Step] | None:
    for value in step.inputs:
        producer = done.get(value)
        if producer is None or readers[value] != 1:
            continue
        for rule in RULES:
            fused = rule(producer, step)
            if fused is not None:
                return producer, replace(fused, output=step.output)
    return None


def kept_dimensions(first: Step, second: Step) -> Step | None:
    """An average over all positions that is given its dimensions back keeps them instead."""
    reduced = first.opcode in ("MEAN", "REDUCE_MAX", "SUM") and not first.options["keep_dims"]
    if not (reduced and second.opcode == "RESHAPE"):
        return None
    axes, shape = first.number(1), first.inputs[0].shape
    assert axes is not None
    kept = tuple(1 if axis in axes else size for axis, size in enumerate(shape))
    return replace(first, options={"keep_dims": True}) if second.output.shape == kept else None


def reshaped_twice(first: Step, second: Step) -> Step | None:
    """Of two reshapes the second is enough."""
    both = first.opcode == second.opcode == "RESHAPE"
    return replace(second, inputs=(first.inputs[0], *second.inputs[1:])) if both else None


def scaled(first: Step, second: Step) -> Step | None:
    """A layer with weights, multiplied by or added to one constant per output channel, has other weights instead."""
    if first.opcode not in _WEIGHTED or _is_activated(first) or second.opcode not in ("MUL", "ADD", "SUB"):
        return None
    value, channels = second.number(1), first.output.shape[-1]
    if value is None or value.size not in (1, channels) or (value.ndim and value.shape[-1] != value.size):
        return None
    if second.output.shape != first.output.shape:
        return None
    factor = np.broadcast_to(np.asarray(value, np.float64).ravel(), channels)
    weights, bias = (np.asarray(each.constant) for each in first.inputs[1:3])
    if second.opcode == "MUL":
        axis = (1,) * (weights.ndim - 1)
        along = factor.reshape(*axis, -1) if first.opcode == "DEPTHWISE_CONV_2D" else factor.reshape(-1, *axis)
        weights, bias = weights * along, bias * factor
    else:
        bias = bias + (factor if second.opcode == "ADD" else -factor)
    changed = (_like(first.inputs[1], weights), _like(first.inputs[2], bias))
    return replace(first, inputs=(first.inputs[0], *changed))


def activated(first: Step, second: Step) -> Step | None:
    """A clipped output is clipped by the op itself."""
    if first.opcode not in _TAKE_ACTIVATION or _is_activated(first) or second.opcode not in _ACTIVATIONS:
        return None
    return replace(first, options={**first.options, _ACTIVATION: second.opcode})


def pushed(first: Step, second: Step) -> Step | None:
    """Pixels that are scaled before a convolution that sees no padding are scaled by its weights instead."""
    if first.opcode not in ("MUL", "ADD", "SUB") or second.opcode != "CONV_2D" or _is_activated(first):
        return None
    value, channels = first.number(1), first.output.shape[-1]
    weights, bias = (np.asarray(each.constant, np.float64) for each in second.inputs[1:3])
    if value is None or value.size not in (1, channels) or (value.ndim and value.shape[-1] != value.size):
        return None
    if second.options["padding"] != "VALID" or weights.shape[-1] != channels:
        return None
    factor = np.broadcast_to(np.asarray(value, np.float64).ravel(), channels)
    if first.opcode == "MUL":
        weights = weights * factor
    else:
        shift = (weights * factor).sum(axis=(1, 2, 3))
        bias = bias + (shift if first.opcode == "ADD" else -shift)
    changed = (_like(second.inputs[1], weights), _like(second.inputs[2], bias))
    return replace(second, inputs=(first.inputs[0], *changed))


def padded(first: Step, second: Step) -> Step | None:
    """Zeros around an image that are those of SAME padding are left to the convolution."""
    if first.opcode != "PAD" or second.opcode not in ("CONV_2D", "DEPTHWISE_CONV_2D"):
        return None
    if second.options["padding"] != "VALID" or second.inputs[0] is not first.output:
        return None
    given, amounts, weights = first.inputs[0], first.number(1), second.inputs[1].shape
    assert amounts is not None
    wanted = [
        same_padding(given.shape[axis], weights[axis], second.options[f"stride_{side}"], _dilation(second, side))
        for axis, side in ((1, "h"), (2, "w"))
    ]
    if amounts.tolist() != [[0, 0], *map(list, wanted), [0, 0]]:
        return None
    return replace(second, inputs=(given, *second.inputs[1:]), options={**second.options, "padding": "SAME"})


#: In the order in which they are tried on each pair.
RULES: tuple[Rule, ...] = (kept_dimensions, reshaped_twice, scaled, activated, pushed, padded)


def same_padding(size: int, kernel: int, stride: int, dilation: int = 1) -> tuple[int, int]:
    """Zeros (before, after) one axis with which an output has a value per stride."""
    reach = (kernel - 1) * dilation + 1
    total = max((-(-size // stride) - 1) * stride + reach - size, 0)
    return total // 2, total - total // 2


def _dilation(step: Step, side: str) -> int:
    return int(step.options.get(f"dilation_{side}_factor", 1))


def _is_activated(step: Step) -> bool:
    return bool(step.options.get(_ACTIVATION, "NONE") != "NONE")


def _like(value: Value, number: Array) -> Value:
    return replace(value, constant=number)
