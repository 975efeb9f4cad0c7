"""Layers that take several tensors."""

from collections.abc import Callable, Mapping, Sequence

from edgekit.converters.export.direct.draft import Shape, Value
from edgekit.converters.export.direct.layer import Layer

Merge = Callable[[Layer, Sequence[Value]], Value]


def together(layer: Layer, values: Sequence[Value]) -> Shape:
    """The shape that tensors are brought to when they are combined element by element."""
    rank = max(len(value.shape) for value in values)
    columns = zip(*([1] * (rank - len(value.shape)) + list(value.shape) for value in values))
    shape = tuple(max(sizes) for sizes in columns)
    for value in values:
        if any(size not in (1, whole) for size, whole in zip(value.shape[::-1], shape[::-1])):
            raise layer.unknown(f"shapes {[list(value.shape) for value in values]}")
    return shape


def combine(layer: Layer, opcode: str, values: Sequence[Value]) -> Value:
    """All tensors, combined two by two from the left."""
    if not values:
        raise layer.unknown("no inputs")
    answer = values[0]
    for value in values[1:]:
        answer = layer.add(opcode, [answer, value], together(layer, [answer, value]))
    return answer


def _merge(opcode: str) -> Merge:
    def row(layer: Layer, values: Sequence[Value]) -> Value:
        # Keras adds axes in front of the channels where ranks differ, TFLite in front of all.
        if len({len(value.shape) for value in values}) > 1:
            raise layer.unknown("inputs of different ranks")
        return combine(layer, opcode, values)

    return row


def _average(layer: Layer, values: Sequence[Value]) -> Value:
    total = _merge("ADD")(layer, values)
    return layer.add("MUL", [total, layer.constant(1 / len(values))], total.shape)


def _concatenate(layer: Layer, values: Sequence[Value]) -> Value:
    return joined(layer, values, layer.options.take("axis", -1))


def joined(layer: Layer, values: Sequence[Value], axis: object) -> Value:
    """Tensors one after the other along an axis."""
    rank = len(values[0].shape)
    if type(axis) is not int or not -rank <= axis < rank or axis % rank == 0:
        raise layer.unknown(f"axis={axis}")
    place = axis % rank
    others = {(*value.shape[:place], *value.shape[place + 1 :]) for value in values}
    if len(others) != 1 or any(len(value.shape) != rank for value in values):
        raise layer.unknown(f"shapes {[list(value.shape) for value in values]}")
    if len(values) == 1:
        return values[0]
    shape = list(values[0].shape)
    shape[place] = sum(value.shape[place] for value in values)
    return layer.add("CONCATENATION", values, shape, {"axis": place})


def _subtract(layer: Layer, values: Sequence[Value]) -> Value:
    if len(values) != 2:
        raise layer.unknown(f"{len(values)} inputs")
    return _merge("SUB")(layer, values)


LAYERS: Mapping[str, Merge] = {
    "Add": _merge("ADD"),
    "Average": _average,
    "Concatenate": _concatenate,
    "Maximum": _merge("MAXIMUM"),
    "Minimum": _merge("MINIMUM"),
    "Multiply": _merge("MUL"),
    "Subtract": _subtract,
}
