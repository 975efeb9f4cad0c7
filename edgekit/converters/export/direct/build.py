"""From a Keras model as plain data to the ops that compute the same."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod

from edgekit.converters.export.direct.draft import Array, Draft, Step, Value
from edgekit.converters.export.direct.fusion import fuse
from edgekit.converters.export.direct.layer import Layer, UnknownLayerError
from edgekit.converters.export.direct.layers import (
    activation,
    applications,
    arithmetic,
    convolution,
    functions,
    normalization,
    pooling,
    preprocessing,
    shape,
)
from edgekit.converters.export.direct.topology import (
    Call,
    Config,
    Reference,
    Topology,
    is_model,
    name_of,
    references,
    topology,
)
from edgekit.errors import ModelFormatError
from edgekit.models.network import Network

#: Class name → what the layer is in ops, of layers that read one tensor …
LAYERS: Mapping[str, Callable[[Layer, Value], Value]] = {
    **activation.LAYERS,
    **applications.LAYERS,
    **convolution.LAYERS,
    **normalization.LAYERS,
    **pooling.LAYERS,
    **preprocessing.LAYERS,
    **shape.LAYERS,
}
#: … and of those that read several.
MERGES: Mapping[str, Callable[[Layer, Sequence[Value]], Value]] = {**arithmetic.LAYERS, **applications.MERGES}

#: Arguments that say nothing when they are so.
_USUAL_ARGUMENTS: Mapping[str, tuple[object, ...]] = {"training": (None, False), "mask": (None, [None], [None, None])}
#: Layers that do the same in training; some releases of Keras 3 call them as if they were trained for ever.
_ALIKE_IN_TRAINING = ("Activation", "CenterCrop", "Resizing")


@dataclass(frozen=True)
class Drawn:
    """A network in ops.

    Attributes:
      draft: all ops as the layers drew them.
      given: the image.
      outputs: the outputs in order, each with its name.
      keras: which Keras it is for, 2 or 3.
    """

    draft: Draft
    given: Value
    outputs: tuple[tuple[str, Value], ...]
    keras: int

    def fused(self, answer: Value) -> list[Step]:
        """The ops as they are exported, up to an answer."""
        return fuse(self.draft.steps, answer)

    def as_row(self, answer: Value) -> Value:
        """An answer in axes of size 1 as a row (1, classes)."""
        layer = Layer("Reshape", {"name": "scores"}, (), draft=self.draft, keras=self.keras)
        return shape.reshaped(layer, answer, (1, prod(answer.shape)))


def input_shape(configuration: Config) -> tuple[int | None, ...]:
    """The shape of the model's one input, None where a size is open.

    Raises UnknownLayerError where it is not said, or there are several inputs.
    """
    return _input_shape(topology(configuration))


def _input_shape(plan: Topology) -> tuple[int | None, ...]:
    starts = [plan.layers.get(found.layer) for found in plan.inputs]
    if len(starts) != 1:
        raise UnknownLayerError(f"A model of {len(starts)} inputs is not known here.")
    layer = starts[0] or next(iter(plan.layers.values()), {})
    if is_model(layer):
        return input_shape(layer)
    config = layer.get("config")
    shape = (config.get("batch_shape") or config.get("batch_input_shape")) if isinstance(config, Mapping) else None
    if not isinstance(shape, list) or not all(size is None or type(size) is int for size in shape):
        raise UnknownLayerError("A model that does not say what images it takes is not known here.")
    return tuple(shape)


def draw(network: Network, image: Sequence[int]) -> Drawn:
    """Draws a network for one image.

    Args:
      network: of one input.
      image: (height, width, channels); where the network takes images without channels, they are of one.

    Raises:
      UnknownLayerError: a layer, an option or a way of connecting them that is not known here.
      ModelFormatError: weights are left over, missing or of other shapes than the configuration says.
    """
    draft, given = Draft(), Value("image", (1, *image))
    # What tells the two apart: how an input spells its shape.
    keras = 3 if "'batch_shape'" in str(network.configuration) else 2
    builder = _Builder(draft, network.weights, keras)
    start, plan = given, topology(network.configuration)
    if len(_input_shape(plan)) == 3:
        bare = Layer("Input", {"name": "image"}, (), draft=draft, keras=keras)
        start = shape.reshaped(bare, given, given.shape[:3])
    answers = builder.model(plan, [start], "")
    unused = sorted(set(network.weights) - builder.used)
    if unused:
        raise ModelFormatError(f"The weights of {', '.join(unused[:3])} belong to no layer.", "Save the model again.")
    titles = [found.layer for found in plan.outputs]
    return Drawn(draft, given, tuple(zip(titles, answers, strict=True)), keras)


class _Builder:
    """Calls layer after layer.

    Attributes:
      used: paths of the layers whose weights have been taken.
    """

    def __init__(self, draft: Draft, weights: Mapping[str, tuple[Array, ...]], keras: int) -> None:
        self.used: set[str] = set()
        self._draft, self._weights, self._keras = draft, weights, keras

    def model(self, plan: Topology, given: Sequence[Value], path: str) -> list[Value]:
        if len(plan.inputs) != len(given):
            raise UnknownLayerError(f"A model of {len(plan.inputs)} inputs, called on {len(given)}, is not known here.")
        values: dict[tuple[str, int], list[Value]] = {}
        for found, value in zip(plan.inputs, given):
            values[found.layer, found.call] = [value]
        for call in plan.calls:
            read = _Arguments(call, values)
            values[call.layer, call.number] = self._call(plan.layers[call.layer], read, path)
        return [_found(values, reference) for reference in plan.outputs]

    def _call(self, described: Config, read: "_Arguments", path: str) -> list[Value]:
        kind, inner = applications.own_name(str(described.get("class_name"))), path + name_of(described)
        if is_model(described):
            read.check_usual(kind, inner)
            return self.model(topology(described), read.values(), inner + "/")
        config = described.get("config")
        if not isinstance(config, Mapping):
            raise ModelFormatError(f"Layer {inner!r} has no configuration.", "Copy or download it again.")
        called = functions.find(described)
        if called is not None:
            return [self._function(*called, config, read)]
        _check_origin(described, kind, inner)
        self.used.add(inner)
        layer = Layer(kind, config, self._weights.get(inner, ()), draft=self._draft, keras=self._keras)
        answer = _drawn(layer, read)
        layer.finish()
        return [answer]

    def _function(self, name: str, function: functions.Function | None, config: Config, read: "_Arguments") -> Value:
        if function is None:
            raise UnknownLayerError(f"The function {name[:60]} is not known here.")
        said = {key: value for key, value in config.items() if key != "function"}
        layer = Layer(name, {**said, **read.named(function)}, (), draft=self._draft, keras=self._keras)
        answer = function.row(layer)
        layer.finish()
        return answer


class _Arguments:
    """What a layer is called on."""

    def __init__(self, call: Call, values: Mapping[tuple[str, int], list[Value]]) -> None:
        self._call, self._values = call, values

    def check_usual(self, kind: str, name: str) -> None:
        """Raises UnknownLayerError for other arguments than tensors."""
        said = dict(self._call.kwargs)
        if kind in _ALIKE_IN_TRAINING:
            said.pop("training", None)
        others = {key: value for key, value in said.items() if value not in _USUAL_ARGUMENTS.get(key, ())}
        if others or len(self._call.args) != 1:
            raise UnknownLayerError(f"{kind} layer {name[:60]!r} is called in a way that is not known here.")

    def named(self, function: functions.Function) -> dict[str, object]:
        """All arguments of a function by their names."""
        args, kwargs = self._filled(self._call.args), self._filled(self._call.kwargs)
        assert isinstance(args, list) and isinstance(kwargs, Mapping)
        return functions.named(function, args, kwargs)

    def _filled(self, argument: object) -> object:
        """An argument with the tensors in the places of their references."""
        if isinstance(argument, Reference):
            return _found(self._values, argument)
        if isinstance(argument, Mapping):
            return {key: self._filled(inner) for key, inner in argument.items()}
        if isinstance(argument, list | tuple):
            return [self._filled(inner) for inner in argument]
        return argument

    def values(self) -> list[Value]:
        """All tensors among the arguments."""
        return [_found(self._values, reference) for reference in references(self._call.args)]


def _drawn(layer: Layer, read: _Arguments) -> Value:
    read.check_usual(layer.kind, layer.name)
    values = read.values()
    if layer.kind in MERGES:
        return MERGES[layer.kind](layer, values)
    if layer.kind not in LAYERS:
        raise UnknownLayerError(f"{layer.kind} layer {layer.name[:60]!r} is not known here.")
    if len(values) != 1:
        raise layer.unknown(f"{len(values)} inputs")
    return LAYERS[layer.kind](layer, values[0])


def _check_origin(described: Config, kind: str, name: str) -> None:
    """Raises UnknownLayerError for a class of somebody else with a name that Keras has, too."""
    module, registered = described.get("module"), described.get("registered_name")
    own = module is None or str(module).split(".")[0] in ("keras", "tf_keras")
    if not own or registered not in (None, kind, f"Custom>{kind}"):
        raise UnknownLayerError(f"{str(registered or module)[:60]} layer {name[:60]!r} is not known here.")


def _found(values: Mapping[tuple[str, int], list[Value]], reference: Reference) -> Value:
    answers = values.get((reference.layer, reference.call), [])
    if reference.output >= len(answers):
        raise ModelFormatError(f"The model's configuration is damaged: nothing computes {reference.layer[:60]!r}.")
    return answers[reference.output]
