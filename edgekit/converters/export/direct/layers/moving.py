"""Functions that move values, called between layers: reshape, concat, pad, x[…] and the like."""

from collections.abc import Mapping, Sequence

import numpy as np

from edgekit.converters.export.direct.draft import Value
from edgekit.converters.export.direct.layer import Layer
from edgekit.converters.export.direct.layers.arithmetic import joined
from edgekit.converters.export.direct.layers.shape import cut, filled, reshaped, transposed


def tensor(layer: Layer, name: str = "x") -> Value:
    """An argument that must be a tensor."""
    found = layer.options.take(name)
    if not isinstance(found, Value):
        raise layer.unknown(f"{name}={str(found)[:60]}")
    return found


def axes_of(layer: Layer, rank: int, name: str = "axis") -> list[int]:
    """Axes, from one or a list, none of them that of the batch."""
    given = layer.options.take(name)
    axes = [given] if isinstance(given, int) else given
    if not isinstance(axes, list | tuple) or not all(type(axis) is int and -rank <= axis < rank for axis in axes):
        raise layer.unknown(f"{name}={given}")
    found = sorted({axis % rank for axis in axes})
    if 0 in found or not found:
        raise layer.unknown(f"{name}={given}")
    return found


def reshape(layer: Layer) -> Value:
    """`x` in another shape."""
    value, options = tensor(layer), layer.options
    target = options.take("newshape", options.take("shape"))
    sizes = [-1 if size is None else size for size in target] if isinstance(target, list | tuple) else []
    if not sizes or not all(type(size) is int and size >= -1 for size in sizes):
        raise layer.unknown(f"shape={str(target)[:60]}")
    shape = filled(layer, value, sizes)
    if shape[0] != 1:
        raise layer.unknown(f"shape={sizes} of {list(value.shape)}")
    return reshaped(layer, value, shape)


def expand(layer: Layer) -> Value:
    """`x` with an axis of size 1 more."""
    value, axis = tensor(layer), layer.options.take("axis")
    rank = len(value.shape) + 1
    if type(axis) is not int or not -rank <= axis < rank or axis % rank == 0:
        raise layer.unknown(f"axis={axis}")
    return reshaped(layer, value, (*value.shape[: axis % rank], 1, *value.shape[axis % rank :]))


def squeeze(layer: Layer) -> Value:
    """`x` without some axes of size 1."""
    value = tensor(layer)
    axes = axes_of(layer, len(value.shape))
    if any(value.shape[axis] != 1 for axis in axes):
        raise layer.unknown(f"axis={axes} of {list(value.shape)}")
    return reshaped(layer, value, [size for at, size in enumerate(value.shape) if at not in axes])


def transpose(layer: Layer) -> Value:
    """The axes of `x` in another order."""
    value, options = tensor(layer), layer.options
    order = options.take("perm", options.take("axes"))
    if options.take("conjugate", False) or not isinstance(order, list | tuple):
        raise layer.unknown(f"perm={order}")
    if sorted(order) != list(range(len(value.shape))) or order[0] != 0:
        raise layer.unknown(f"perm={order}")
    return transposed(layer, value, order)


def concatenate(layer: Layer) -> Value:
    """Tensors one after the other along an axis."""
    values, axis = layer.options.take("x"), layer.options.take("axis", -1)
    if not isinstance(values, list | tuple) or not all(isinstance(value, Value) for value in values):
        raise layer.unknown("what is joined")
    return joined(layer, list(values), axis)


def pad(layer: Layer) -> Value:
    """`x` with zeros around it."""
    value, options = tensor(layer), layer.options
    amounts = options.take("paddings", options.take("pad_width"))
    if str(options.take("mode", "constant")).lower() != "constant" or options.take("constant_values") not in (None, 0):
        raise layer.unknown("padding with anything but 0")
    try:
        sides = np.asarray(amounts, np.int64)
    except (TypeError, ValueError):
        raise layer.unknown(f"paddings={str(amounts)[:60]}") from None
    if sides.shape != (len(value.shape), 2) or np.any(sides < 0) or np.any(sides > 4096) or np.any(sides[0]):
        raise layer.unknown(f"paddings={str(amounts)[:60]}")
    shape = [size + int(sum(side)) for size, side in zip(value.shape, sides)]
    return layer.add("PAD", [value, layer.integers(sides, "paddings")], shape)


def reverse(layer: Layer) -> Value:
    """`x` backwards along some axes."""
    value = tensor(layer)
    return _reversed(layer, value, axes_of(layer, len(value.shape)))


def _reversed(layer: Layer, value: Value, axes: Sequence[int]) -> Value:
    for axis in axes:
        value = layer.add("REVERSE_V2", [value, layer.integers([axis], "axis")], value.shape)
    return value


def get_item(layer: Layer) -> Value:
    """`x[…]` by ranges in steps of 1 or -1, whole axes when backwards, by places, and by an ellipsis."""
    value = tensor(layer)
    begin, size = [0] * len(value.shape), list(value.shape)
    gone, turned = [], []
    for axis, part in enumerate(_per_axis(layer, len(value.shape))):
        if type(part) is int and -size[axis] <= part < size[axis]:
            begin[axis], size[axis] = part % size[axis], 1
            gone.append(axis)
        elif part == slice(None, None, -1):
            turned.append(axis)
        elif isinstance(part, slice) and part.step in (None, 1):
            begin[axis], end, _ = part.indices(size[axis])
            size[axis] = end - begin[axis]
        else:
            raise layer.unknown(f"the part {str(part)[:60]}")
    if 0 in gone or 0 in turned or size[0] != 1:
        raise layer.unknown("a part of the batch")
    taken = _reversed(layer, cut(layer, value, begin, size), turned)
    return reshaped(layer, taken, [each for axis, each in enumerate(size) if axis not in gone])


def _per_axis(layer: Layer, rank: int) -> list[object]:
    """What is taken along each axis."""
    given = layer.options.take("slice_spec")
    parts = [_part(layer, part) for part in (given if isinstance(given, list | tuple) else [given])]
    dots = [at for at, part in enumerate(parts) if part is ...]
    if len(dots) > 1 or len(parts) - len(dots) > rank:
        raise layer.unknown(f"the part {str(given)[:60]}")
    at = dots[0] if dots else len(parts)
    whole: list[object] = [slice(None)] * (rank - len(parts) + len(dots))
    return [*parts[:at], *whole, *parts[at + 1 :]]


def _part(layer: Layer, described: object) -> object:
    if isinstance(described, Mapping) and described.get("class_name") == "__ellipsis__":
        return ...
    if isinstance(described, Mapping):
        described = slice(*(described.get(name) for name in ("start", "stop", "step")))
    if isinstance(described, slice):
        ends = (described.start, described.stop, described.step)
        if not all(end is None or type(end) is int for end in ends):
            raise layer.unknown(f"the part {str(described)[:60]}")
    return described
