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

import copy
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgekit.calibration.observe import Observations
from edgekit.calibration.ranges import Bounds
from edgekit.converters.quantization.transforms.channel_scale import Carrier, channel_scale
from edgekit.tflite import Graph, edit
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
class Split:
    """A model with swishes split.

    Attributes:
      content: float `.tflite` that computes what the original did.
      limits: tensor name → the most that its range may hold, in addition to what its values say.
      count: how many swishes were split.
    """

    content: bytes = field(repr=False)
    limits: Mapping[str, Bounds] = field(repr=False)
    count: int


@dataclass(frozen=True)
class _Swish:
    """conv → x → y = x * sigmoid(x), and the layers that can undo a scale of y. Tensor indices and schema objects."""

    conv: Any
    x: int
    product: Any
    y: int
    readers: tuple[Any, ...]


def split_swish(content: bytes, observations: Observations) -> Split:
    """Splits every swish whose convolution is cheap enough to be doubled.

    Args:
      content: float `.tflite` with a static batch of 1.
      observations: of this model, on representative images.
    """
    model = edit.unpack(content)
    tensors = model.subgraphs[0].tensors
    limits: dict[str, Bounds] = {}
    found = list(_swishes(model))
    for number, swish in enumerate(found):
        name, x = f"edgekit/swish{number}", edit.name_of(tensors[swish.x])
        scale = _scale_of(model, swish, observations)
        _double(model, swish, scale, name)
        deepest = np.clip(-observations.tensors[x].channels[0, 0], 0, DEPTH)
        limits[x] = (-SATURATION, SATURATION)
        limits[f"{name}/scaled"] = (-float((deepest * scale).max()), math.inf)
    edit.drop_unused(model)
    return Split(edit.pack(model), limits, len(found))


def split_like(content: bytes, quantized: Graph) -> bytes:
    """The float model with the swishes split that an int8 model made from it has split, by the very same factors.

    The factors are read from the doubled convolutions' weights: these are quantized symmetrically, so that a channel's
    largest weight is 127 steps.
    """
    model, known = edit.unpack(content), {tensor.name: tensor for tensor in quantized.tensors}
    tensors = model.subgraphs[0].tensors
    for number, swish in enumerate(list(_swishes(model))):
        name = f"edgekit/swish{number}"
        weights = edit.array(model, tensors[int(swish.conv.inputs[1])])
        doubled = known.get(f"{name}/weights")
        if weights is None or doubled is None or doubled.quant is None:
            continue
        others = tuple(axis for axis in range(weights.ndim) if axis != doubled.quant.axis)
        largest = np.abs(weights.astype(np.float64)).max(axis=others)
        steps = np.array(doubled.quant.scale) * WEIGHT_LIMIT
        _double(model, swish, np.where(largest > 0, steps / np.where(largest > 0, largest, 1), 1.0), name)
    edit.drop_unused(model)
    return edit.pack(model)


def _scale_of(model: edit.Model, swish: _Swish, observations: Observations) -> np.ndarray:
    """The best factors for a swish: with a gate behind it, the product that the gate makes counts most."""
    tensors = model.subgraphs[0].tensors

    def seen(index: int) -> np.ndarray:
        return observations.tensors[edit.name_of(tensors[index])].channels[:, 0]

    x, y = seen(swish.x), seen(swish.y)
    readers = [op for op in swish.readers if not _is_pooled(tensors[int(op.inputs[0])])]
    gated = sorted({int(op.inputs[0]) for op in readers} - {swish.y})
    read = seen(gated[-1]) if gated else y
    gain = np.minimum(np.abs(read).max(axis=0) / np.maximum(np.abs(y).max(axis=0), 1e-30), 1.0)
    above, whole = np.maximum(y[1], 0.0), np.ones_like(gain)
    carriers = [Carrier(np.clip(-x[0], 0.0, DEPTH), above, gain), Carrier(np.maximum(-y[0], 0.0), above, gain)]
    carriers += [Carrier(np.maximum(-low, 0.0), np.maximum(high, 0.0), whole) for low, high in map(seen, gated)]
    weights = [edit.array(model, tensors[int(op.inputs[1])]) for op in readers if not _is_depthwise(model, op)]
    return channel_scale(carriers, [layer for layer in weights if layer is not None])


def _is_depthwise(model: edit.Model, op: Any) -> bool:
    from ai_edge_litert.schema_py_generated import BuiltinOperator

    return bool(edit.opcode(model, op) == BuiltinOperator.DEPTHWISE_CONV_2D)


def _is_pooled(tensor: edit.Model) -> bool:
    """Whether there is one value per channel: few of them, which cost nothing and hold no error worth it."""
    return math.prod(int(size) for size in tensor.shape[1:-1]) == 1


def _swishes(model: edit.Model) -> Iterator[_Swish]:
    from ai_edge_litert.schema_py_generated import BuiltinOperator

    ops = model.subgraphs[0].operators
    makers = {int(op.outputs[0]): op for op in ops}
    for sigmoid in (op for op in ops if edit.opcode(model, op) == BuiltinOperator.LOGISTIC):
        x, conv = int(sigmoid.inputs[0]), makers.get(int(sigmoid.inputs[0]))
        others = [op for op in _readers(model, x) if op is not sigmoid]
        if conv is None or len(others) != 1 or not _is_product(model, others[0], x, int(sigmoid.outputs[0])):
            continue
        if not _can_be_doubled(model, conv):
            continue
        y = int(others[0].outputs[0])
        readers = _undoers(model, y)
        if readers:
            yield _Swish(conv, x, others[0], y, readers)


def _readers(model: edit.Model, tensor: int) -> list[Any]:
    return [op for op in model.subgraphs[0].operators if tensor in list(op.inputs)]


def _is_product(model: edit.Model, op: Any, first: int, second: int) -> bool:
    from ai_edge_litert.schema_py_generated import ActivationFunctionType, BuiltinOperator

    return (
        edit.opcode(model, op) == BuiltinOperator.MUL
        and {int(i) for i in op.inputs} == {first, second}
        and op.builtinOptions.fusedActivationFunction == ActivationFunctionType.NONE
    )


def _can_be_doubled(model: edit.Model, op: Any) -> bool:
    from ai_edge_litert.schema_py_generated import ActivationFunctionType, BuiltinOperator

    tensors, code = model.subgraphs[0].tensors, edit.opcode(model, op)
    if code not in (BuiltinOperator.CONV_2D, BuiltinOperator.DEPTHWISE_CONV_2D):
        return False
    weights = edit.array(model, tensors[int(op.inputs[1])])
    if weights is None or weights.dtype != np.float32 or _is_pooled(tensors[int(op.outputs[0])]):
        return False
    if op.builtinOptions.fusedActivationFunction != ActivationFunctionType.NONE:
        return False
    return math.prod(weights.shape[1:3] if _is_depthwise(model, op) else weights.shape[1:]) <= MAX_COST


def _undoers(model: edit.Model, tensor: int) -> tuple[Any, ...]:
    """All layers that a factor per channel of this tensor reaches, if they can take it back; else ()."""
    found: list[Any] = []
    if tensor in list(model.subgraphs[0].outputs):
        return ()
    for op in _readers(model, tensor):
        if _takes_back(model, op, tensor):
            found.append(op)
            continue
        beyond = _undoers(model, int(op.outputs[0])) if _hands_on(model, op, tensor) else ()
        if not beyond:
            return ()
        found += [other for other in beyond if other not in found]
    return tuple(found)


def _takes_back(model: edit.Model, op: Any, tensor: int) -> bool:
    from ai_edge_litert.schema_py_generated import BuiltinOperator

    kinds = (BuiltinOperator.CONV_2D, BuiltinOperator.DEPTHWISE_CONV_2D, BuiltinOperator.FULLY_CONNECTED)
    if edit.opcode(model, op) not in kinds or int(op.inputs[0]) != tensor:
        return False
    tensors = model.subgraphs[0].tensors
    weights = edit.array(model, tensors[int(op.inputs[1])])
    # A depthwise convolution with a multiplier, or a dense layer on flattened channels, has other last axes.
    return weights is not None and weights.dtype == np.float32 and weights.shape[-1] == tensors[tensor].shape[-1]


def _hands_on(model: edit.Model, op: Any, tensor: int) -> bool:
    """Whether the op's output has the factor of each channel that this input has, and no other change."""
    from ai_edge_litert.schema_py_generated import BuiltinOperator

    tensors, code = model.subgraphs[0].tensors, edit.opcode(model, op)
    if list(tensors[int(op.outputs[0])].shape)[-1] != list(tensors[tensor].shape)[-1]:
        return False
    if code == BuiltinOperator.MEAN:
        axes = edit.array(model, tensors[int(op.inputs[1])])
        return axes is not None and set(axes.ravel().tolist()) <= {1, 2}
    if code == BuiltinOperator.MUL:  # by a gate: any other tensor, which has no factor of its own
        gates = [int(i) for i in op.inputs if int(i) != tensor]
        return len(gates) == 1 and _is_product(model, op, tensor, gates[0]) and _is_gate(model, gates[0])
    return code in (BuiltinOperator.PAD, BuiltinOperator.RESHAPE)


def _is_gate(model: edit.Model, tensor: int) -> bool:
    from ai_edge_litert.schema_py_generated import BuiltinOperator

    return any(
        tensor in list(op.outputs) and edit.opcode(model, op) == BuiltinOperator.LOGISTIC
        for op in model.subgraphs[0].operators
    )


def _double(model: edit.Model, swish: _Swish, scale: np.ndarray, name: str) -> None:
    graph = model.subgraphs[0]
    scaled = copy.copy(graph.tensors[swish.x])
    scaled.name = f"{name}/scaled".encode()
    graph.tensors.append(scaled)
    index = len(graph.tensors) - 1
    conv = copy.copy(swish.conv)
    conv.outputs = np.array([index], np.int32)
    graph.operators.insert(graph.operators.index(swish.conv) + 1, conv)
    swish.product.inputs = np.array([index if i == swish.x else i for i in swish.product.inputs], np.int32)
    _scale_input(model, conv, 1, scale if _is_depthwise(model, conv) else scale[:, None, None, None], f"{name}/weights")
    if len(conv.inputs) > 2 and int(conv.inputs[2]) >= 0:
        _scale_input(model, conv, 2, scale, f"{name}/bias")
    for number, reader in enumerate(swish.readers):
        _scale_input(model, reader, 1, 1.0 / scale, f"{name}/reader{number}")


def _scale_input(model: edit.Model, op: Any, position: int, factor: np.ndarray, name: str) -> None:
    value = edit.array(model, model.subgraphs[0].tensors[int(op.inputs[position])])
    assert value is not None
    edit.set_constant_input(model, op, position, value.astype(np.float64) * factor, name)
