"""Layers that move values and compute nothing."""

from collections.abc import Callable, Mapping, Sequence
from math import prod

from edgekit.converters.export.direct.draft import Value
from edgekit.converters.export.direct.layer import Layer, image

Row = Callable[[Layer, Value], Value]
Sides = tuple[tuple[int, int], tuple[int, int]]


def reshaped(layer: Layer, value: Value, shape: Sequence[int]) -> Value:
    """The same values in another shape of as many."""
    if tuple(shape) == value.shape:
        return value
    return layer.add("RESHAPE", [value, layer.integers(shape, "shape")], shape, {"new_shape": tuple(shape)})


def _identity(layer: Layer, value: Value) -> Value:
    return value


def _dropout(layer: Layer, value: Value) -> Value:
    """What only acts in training."""
    layer.options.ignore("rate", "seed", "noise_shape", "stddev", "data_format", "l1", "l2")
    return value


def _flatten(layer: Layer, value: Value) -> Value:
    layer.options.channels_last()
    return reshaped(layer, value, (1, prod(value.shape)))


def _reshape(layer: Layer, value: Value) -> Value:
    target = layer.options.take("target_shape")
    if not isinstance(target, list | tuple) or not all(type(size) is int and size >= -1 for size in target):
        raise layer.unknown(f"target_shape={target}")
    return reshaped(layer, value, (1, *filled(layer, value, target)))


def filled(layer: Layer, value: Value, target: Sequence[int]) -> list[int]:
    """A shape for as many values, in which one size may be -1: what is left."""
    known, total = prod(size for size in target if size != -1), prod(value.shape)
    shape = [total // max(known, 1) if size == -1 else size for size in target]
    if list(target).count(-1) > 1 or prod(shape) != total:
        raise layer.unknown(f"the shape {list(target)} of {list(value.shape)}")
    return shape


def _permute(layer: Layer, value: Value) -> Value:
    order = layer.options.take("dims")
    if not isinstance(order, list | tuple) or sorted(order) != list(range(1, len(value.shape))):
        raise layer.unknown(f"dims={order}")
    return transposed(layer, value, (0, *order))


def transposed(layer: Layer, value: Value, order: Sequence[int]) -> Value:
    """The axes in another order."""
    if list(order) == list(range(len(value.shape))):
        return value
    shape = [value.shape[axis] for axis in order]
    return layer.add("TRANSPOSE", [value, layer.integers(order, "order")], shape)


def _zero_padding(layer: Layer, value: Value) -> Value:
    (top, bottom), (left, right) = _sides(layer, "padding")
    height, width, channels = image(layer, value)
    if not (top or bottom or left or right):
        return value
    amounts = layer.integers([[0, 0], [top, bottom], [left, right], [0, 0]], "paddings")
    return layer.add("PAD", [value, amounts], (1, height + top + bottom, width + left + right, channels))


def _cropping(layer: Layer, value: Value) -> Value:
    (top, bottom), (left, right) = _sides(layer, "cropping")
    height, width, channels = image(layer, value)
    return cut(layer, value, (0, top, left, 0), (1, height - top - bottom, width - left - right, channels))


def cut(layer: Layer, value: Value, begin: Sequence[int], size: Sequence[int]) -> Value:
    """A part of a tensor."""
    if tuple(size) == value.shape:
        return value
    return layer.add("SLICE", [value, layer.integers(begin, "begin"), layer.integers(size, "size")], size)


def _sides(layer: Layer, name: str) -> Sides:
    """((top, bottom), (left, right)), from that, from one number per axis, or from one for all."""
    layer.options.channels_last()
    given = layer.options.take(name, 1)
    axes = [given, given] if isinstance(given, int) else given
    if not isinstance(axes, list | tuple) or len(axes) != 2:
        raise layer.unknown(f"{name}={given}")
    pairs = [[axis, axis] if isinstance(axis, int) else axis for axis in axes]
    sizes = [side for pair in pairs if isinstance(pair, list | tuple) and len(pair) == 2 for side in pair]
    if len(sizes) != 4 or not all(type(side) is int and 0 <= side < 1 << 31 for side in sizes):
        raise layer.unknown(f"{name}={given}")
    return (sizes[0], sizes[1]), (sizes[2], sizes[3])


LAYERS: Mapping[str, Row] = {
    "ActivityRegularization": _dropout,
    "AlphaDropout": _dropout,
    "Cropping2D": _cropping,
    "Dropout": _dropout,
    "Flatten": _flatten,
    "GaussianDropout": _dropout,
    "GaussianNoise": _dropout,
    "Identity": _identity,
    "Permute": _permute,
    "Reshape": _reshape,
    "SpatialDropout2D": _dropout,
    "ZeroPadding2D": _zero_padding,
}
