"""Layers that `keras.applications` brings for single architectures, and that only they use."""

from collections.abc import Callable, Mapping, Sequence

from edgekit.converters.export.direct.draft import Value
from edgekit.converters.export.direct.layer import Layer
from edgekit.converters.export.direct.layers.arithmetic import combine


def _layer_scale(layer: Layer, value: Value) -> Value:
    """ConvNeXt's factor per channel (Touvron et al. 2021, arXiv:2103.17239)."""
    layer.options.ignore("init_values")
    gamma = layer.weight(layer.options.size("projection_dim"))
    return combine(layer, "MUL", [value, layer.constant(gamma, "gamma")])


def _stochastic_depth(layer: Layer, value: Value) -> Value:
    """Leaves out blocks, in training alone."""
    layer.options.ignore("drop_path_rate")
    return value


def _custom_scale(layer: Layer, values: Sequence[Value]) -> Value:
    """InceptionResNetV2's residual: a + scale * b."""
    if len(values) != 2 or values[0].shape != values[1].shape:
        raise layer.unknown(f"shapes {[list(value.shape) for value in values]}")
    scale = layer.constant(layer.options.number("scale", 1.0), "scale")
    return combine(layer, "ADD", [values[0], layer.add("MUL", [values[1], scale], values[1].shape)])


LAYERS: Mapping[str, Callable[[Layer, Value], Value]] = {
    "LayerScale": _layer_scale,
    "StochasticDepth": _stochastic_depth,
}
MERGES: Mapping[str, Callable[[Layer, Sequence[Value]], Value]] = {"CustomScaleLayer": _custom_scale}


def own_name(kind: str) -> str:
    """A class's name; Keras 2 writes those of its applications as if they were a user's."""
    name = kind[len(_CUSTOM) :] if kind.startswith(_CUSTOM) else kind
    return name if name in LAYERS or name in MERGES else kind


_CUSTOM = "Custom>"
