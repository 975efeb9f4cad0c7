"""Which layer is called on what, from the configuration of a Functional or Sequential model of either Keras."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from graphlib import CycleError, TopologicalSorter

from edgekit.converters.export.direct.layer import UnknownLayerError
from edgekit.errors import ModelFormatError

Config = Mapping[str, object]


@dataclass(frozen=True)
class Reference:
    """What a layer answered at one of its calls.

    Attributes:
      layer: its name.
      call: which of its calls.
      output: which of what it answers.
    """

    layer: str
    call: int
    output: int = 0


@dataclass(frozen=True)
class Call:
    """A call of a layer; References stand for tensors, anywhere in lists and tuples."""

    layer: str
    number: int
    args: tuple[object, ...]
    kwargs: Mapping[str, object]


@dataclass(frozen=True)
class Topology:
    """A model's layers and how they are connected.

    Attributes:
      layers: name → configuration, with `class_name` and `config`.
      calls: in an order in which each has what it reads.
      inputs, outputs: of the model.
    """

    layers: Mapping[str, Config]
    calls: tuple[Call, ...]
    inputs: tuple[Reference, ...]
    outputs: tuple[Reference, ...]


def is_model(described: Config) -> bool:
    """Whether a layer is a model with layers of its own."""
    config = described.get("config")
    return described.get("class_name") in ("Functional", "Model", "Sequential") and (
        isinstance(config, list) or (isinstance(config, Mapping) and "layers" in config)
    )


def layers_of(described: Config) -> tuple[Config, ...]:
    """The layers of a model, as its file lists them.

    Raises ModelFormatError where it is no list of layers with names of their own.
    """
    config = described["config"]
    listed = config["layers"] if isinstance(config, Mapping) else config  # a list in Keras 2.2 and before
    if not isinstance(listed, list) or not all(isinstance(layer, Mapping) for layer in listed):
        raise _damaged("it lists no layers")
    names = [name_of(layer) for layer in listed]
    if len(set(names)) != len(names):
        raise _damaged("two of its layers have one name")
    return tuple(listed)


def name_of(described: Config) -> str:
    """A layer's name."""
    config = described.get("config")
    name = described.get("name", config.get("name") if isinstance(config, Mapping) else None)
    if not isinstance(name, str):
        raise _damaged("a layer has no name")
    return name


def topology(described: Config) -> Topology:
    """Raises ModelFormatError for a damaged configuration, UnknownLayerError for a form that is not known here."""
    if not is_model(described):
        raise UnknownLayerError(f"A {str(described.get('class_name'))[:60]} as a whole model is not known here.")
    layers = {name_of(layer): layer for layer in layers_of(described)}
    if described["class_name"] == "Sequential":
        return _chain(layers)
    config = described["config"]
    assert isinstance(config, Mapping)
    inputs, outputs = (tuple(_ends(config.get(key))) for key in ("input_layers", "output_layers"))
    calls = [call for name, layer in layers.items() for call in _calls(name, layer, layers, outputs)]
    return Topology(layers, _ordered(calls), inputs, outputs)


def references(value: object) -> Iterator[Reference]:
    """All tensors anywhere in an argument."""
    if isinstance(value, Reference):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from references(inner)


def _chain(layers: Mapping[str, Config]) -> Topology:
    names = [name for name, layer in layers.items() if layer.get("class_name") != "InputLayer"]
    start = next((name for name in layers if name not in names), "")
    calls = [Call(name, 0, (Reference(before, 0),), {}) for before, name in zip([start, *names], names)]
    return Topology(layers, tuple(calls), (Reference(start, 0),), (Reference(names[-1] if names else start, 0),))


def _ordered(calls: Sequence[Call]) -> tuple[Call, ...]:
    known = {(call.layer, call.number): call for call in calls}
    before = {
        key: [(found.layer, found.call) for found in references([call.args, call.kwargs])]
        for key, call in known.items()
    }
    try:
        order = list(TopologicalSorter(before).static_order())
    except CycleError:
        raise _damaged("its layers are connected in a circle") from None
    return tuple(known[key] for key in order if key in known)


def _calls(name: str, layer: Config, layers: Mapping[str, Config], outputs: Sequence[Reference]) -> Iterator[Call]:
    nodes = layer.get("inbound_nodes", [])
    if not isinstance(nodes, list):
        raise _damaged(f"layer {name!r} is connected to nothing")
    # A model's own inputs were its first call where a release of Keras counted that one.
    first = 1 if is_model(layer) and _highest(name, layers, outputs) >= len(nodes) else 0
    for number, node in enumerate(nodes, first):
        if isinstance(node, Mapping):
            args, kwargs = _keras3(node.get("args", [])), _keras3(node.get("kwargs", {}))
        else:
            args, kwargs = _keras2(node, layers)
        if not isinstance(args, list | tuple) or not isinstance(kwargs, Mapping):
            raise _damaged(f"layer {name!r} is connected in no known way")
        yield Call(name, number, tuple(args), kwargs)


def _highest(name: str, layers: Mapping[str, Config], outputs: Sequence[Reference]) -> int:
    """The highest number of a layer's calls that any other layer, or the model's outputs, name."""
    nodes = [layer.get("inbound_nodes", []) for layer in layers.values()]
    return max((found.call for found in (*_mentions(nodes), *outputs) if found.layer == name), default=0)


def _mentions(node: object) -> Iterator[Reference]:
    """Whatever looks like a reference, in either form."""
    found = _reference(node)
    if found is not None:
        yield found
    elif isinstance(node, Mapping):
        for inner in node.values():
            yield from _mentions(inner)
    if isinstance(node, list):
        for inner in node:
            yield from _mentions(inner)


def _reference(node: object) -> Reference | None:
    if isinstance(node, Mapping) and node.get("class_name") == "__keras_tensor__":
        config = node.get("config")
        node = config.get("keras_history") if isinstance(config, Mapping) else None
    if isinstance(node, list) and len(node) >= 3 and isinstance(node[0], str):
        call, output = node[1:3]
        if type(call) is int and type(output) is int and call >= 0 and output >= 0:
            return Reference(node[0], call, output)
    return None


def _ends(given: object) -> Iterator[Reference]:
    """A model's inputs or outputs: one, or a list of them."""
    found = _reference(given)
    if found is not None:
        yield found
        return
    if not isinstance(given, list):
        raise UnknownLayerError("A model whose inputs or outputs have names is not known here.")
    for inner in given:
        yield from _ends(inner)


def _keras3(value: object) -> object:
    """An argument as Keras 3 writes it: tensors, tuples and slices are objects that name their class."""
    if isinstance(value, list):
        return [_keras3(inner) for inner in value]
    if not isinstance(value, Mapping):
        return value
    kind = value.get("class_name")
    if kind == "__keras_tensor__":
        found = _reference(value)
        if found is None:
            raise _damaged("a layer reads a tensor of no layer")
        return found
    if kind == "__tuple__":
        items = value.get("items", [])
        return tuple(_keras3(inner) for inner in items) if isinstance(items, list) else ()
    if kind in _VALUES and isinstance(value.get("config"), Mapping):
        return _VALUES[str(kind)](value["config"])
    if kind is not None:
        raise UnknownLayerError(f"A layer that is given a {str(kind)[:60]} is not known here.")
    return {key: _keras3(inner) for key, inner in value.items()}


def _slice(config: object) -> slice:
    parts = [config.get(name) for name in ("start", "stop", "step")] if isinstance(config, Mapping) else []
    return slice(*map(_keras3, parts))


def _number(config: object) -> object:
    value = config.get("value") if isinstance(config, Mapping) else None
    try:
        return np.asarray(value, np.float64)
    except (TypeError, ValueError):
        raise _damaged("a layer is given numbers that are none") from None


_VALUES = {
    "__ellipsis__": lambda config: ...,
    "__numpy__": _number,
    "__slice__": _slice,
    "__tensor__": _number,
}


def _keras2(node: object, layers: Mapping[str, Config]) -> tuple[object, object]:
    """(args, kwargs) of a call as Keras 2 writes it: [[layer, call, output, kwargs], …], or one of them alone."""
    if not isinstance(node, list) or not node:
        raise _damaged("a layer is connected to nothing")
    entries = [node] if isinstance(node[0], str) else node
    if not all(isinstance(entry, list) and len(entry) in (3, 4) for entry in entries):
        raise _damaged("a layer is connected in no known way")
    values = [entry[2] if entry[0] == "_CONSTANT_VALUE" else _given(entry) for entry in entries]
    kwargs = entries[0][3] if len(entries[0]) == 4 else {}
    if not isinstance(kwargs, Mapping):
        raise _damaged("a layer is connected in no known way")
    given = {name: _named(value, layers) for name, value in kwargs.items()}
    return [values if isinstance(node[0], list) and len(values) > 1 else values[0]], given


def _given(entry: object) -> Reference:
    found = _reference(entry)
    if found is None:
        raise _damaged("a layer reads a tensor of no layer")
    return found


def _named(value: object, layers: Mapping[str, Config]) -> object:
    """A named argument of Keras 2, where a tensor is [layer, call, output] like any list."""
    found = _reference(value)
    if found is not None and found.layer in layers:
        return found
    if isinstance(value, list):
        return [_named(inner, layers) for inner in value]
    return value


def _damaged(what: str) -> ModelFormatError:
    return ModelFormatError(f"The model's configuration is damaged: {what}.", "Copy or download it again.")
