"""Activation functions, as layers of their own and as the last part of others."""

from collections.abc import Callable, Mapping

import numpy as np

from edgekit.converters.export.direct.draft import Value
from edgekit.converters.export.direct.layer import Layer
from edgekit.tflite.graph import OptionValue

Activation = Callable[[Layer, Value], Value]


def op(opcode: str, **options: OptionValue) -> Activation:
    """An activation that is one op."""
    return lambda layer, value: layer.add(opcode, [value], value.shape, options)


def activate(layer: Layer, value: Value, default: str = "linear") -> Value:
    """Applies the layer's option `activation`, a function's name, or a layer without weights."""
    name = layer.options.take("activation", default) or "linear"
    if isinstance(name, Mapping):
        return _nested(layer, name, value)
    function = ACTIVATIONS.get(str(name))
    if function is None:
        raise layer.unknown(f"activation={str(name)[:60]}")
    return function(layer, value)


def _nested(layer: Layer, described: Mapping[str, object], value: Value) -> Value:
    kind, config = str(described.get("class_name")), described.get("config")
    row = LAYERS.get(kind)
    if row is None or not isinstance(config, Mapping):
        raise layer.unknown(f"activation={kind[:60]}")
    inner = Layer(kind, {**config, "name": layer.name}, (), draft=layer.draft, keras=layer.keras)
    answer = row(inner, value)
    inner.finish()
    return answer


def _linear(layer: Layer, value: Value) -> Value:
    return value


def _softmax(layer: Layer, value: Value) -> Value:
    return layer.add("SOFTMAX", [value], value.shape, {"beta": 1.0})


def _swish(layer: Layer, value: Value) -> Value:
    gate = layer.add("LOGISTIC", [value], value.shape)
    return layer.add("MUL", [value, gate], value.shape)


def _hard_sigmoid(layer: Layer, value: Value) -> Value:
    if layer.keras == 2:  # max(0, min(1, 0.2 x + 0.5))
        line = affine(layer, value, 0.2, 0.5)
        low = layer.add("MAXIMUM", [line, layer.constant(0.0)], value.shape)
        return layer.add("MINIMUM", [low, layer.constant(1.0)], value.shape)
    shifted = layer.add("ADD", [value, layer.constant(3.0)], value.shape)
    clipped = layer.add("RELU6", [shifted], value.shape)
    return layer.add("MUL", [clipped, layer.constant(1 / 6)], value.shape)


def _softplus(layer: Layer, value: Value) -> Value:
    """log(1 + exp(x)) as max(x, 0) + log(1 + exp(-|x|)), which overflows nowhere."""
    size = layer.add("ABS", [value], value.shape)
    falling = layer.add("EXP", [layer.add("NEG", [size], value.shape)], value.shape)
    rest = layer.add("LOG", [layer.add("ADD", [falling, layer.constant(1.0)], value.shape)], value.shape)
    return layer.add("ADD", [layer.add("RELU", [value], value.shape), rest], value.shape)


def _softsign(layer: Layer, value: Value) -> Value:
    size = layer.add("ADD", [layer.add("ABS", [value], value.shape), layer.constant(1.0)], value.shape)
    return layer.add("DIV", [value, size], value.shape)


def _mish(layer: Layer, value: Value) -> Value:
    gate = layer.add("TANH", [_softplus(layer, value)], value.shape)
    return layer.add("MUL", [value, gate], value.shape)


def _selu(layer: Layer, value: Value) -> Value:
    # Klambauer et al. 2017, appendix A.
    return _scaled_elu(layer, value, 1.6732632423543772, 1.0507009873554805)


def _scaled_elu(layer: Layer, value: Value, alpha: float, scale: float) -> Value:
    """scale * (max(x, 0) + alpha * min(elu(x), 0)); elu(x) is x where that is above 0."""
    curve = layer.add("ELU", [value], value.shape)
    if alpha != 1.0:
        below = layer.add("MINIMUM", [curve, layer.constant(0.0)], value.shape)
        bent = layer.add("MUL", [below, layer.constant(alpha)], value.shape)
        curve = layer.add("ADD", [layer.add("RELU", [value], value.shape), bent], value.shape)
    return curve if scale == 1.0 else layer.add("MUL", [curve, layer.constant(scale)], value.shape)


def affine(layer: Layer, value: Value, gain: object, offset: object) -> Value:
    """gain * value + offset, leaving out what does nothing."""
    if np.any(np.asarray(gain) != 1):
        value = layer.add("MUL", [value, layer.constant(gain, "gain")], value.shape)
    if np.any(np.asarray(offset) != 0):
        value = layer.add("ADD", [value, layer.constant(offset, "offset")], value.shape)
    return value


def _relu_layer(layer: Layer, value: Value) -> Value:
    options = layer.options
    slope, threshold = options.number("negative_slope", 0.0), options.number("threshold", 0.0)
    top = None if options.take("max_value") is None else options.number("max_value", 6.0)
    if threshold != 0:
        raise layer.unknown(f"threshold={threshold}")
    if slope == 0 and top == 6:
        return layer.add("RELU6", [value], value.shape)
    bent = _leaky(layer, value, slope) if slope else layer.add("RELU", [value], value.shape)
    return bent if top is None else layer.add("MINIMUM", [bent, layer.constant(top)], value.shape)


def _leaky(layer: Layer, value: Value, slope: float) -> Value:
    return layer.add("LEAKY_RELU", [value], value.shape, {"alpha": slope})


def _leaky_relu_layer(layer: Layer, value: Value) -> Value:
    # Keras 2 says alpha, Keras 3 negative_slope; both leave it at 0.3.
    alpha = layer.options.number("alpha", 0.3)
    return _leaky(layer, value, layer.options.number("negative_slope", alpha))


def _elu_layer(layer: Layer, value: Value) -> Value:
    return _scaled_elu(layer, value, layer.options.number("alpha", 1.0), 1.0)


def _prelu_layer(layer: Layer, value: Value) -> Value:
    shared = layer.options.take("shared_axes") or []
    rank = len(value.shape)
    if not isinstance(shared, list) or not all(isinstance(axis, int) and 0 < axis < rank for axis in shared):
        raise layer.unknown(f"shared_axes={shared}")
    slope = layer.weight(*(1 if axis in shared else size for axis, size in enumerate(value.shape) if axis))
    return layer.add("PRELU", [value, layer.constant(slope, "slope")], value.shape)


def _softmax_layer(layer: Layer, value: Value) -> Value:
    axis = layer.options.take("axis", -1)
    if axis not in (-1, len(value.shape) - 1, [-1]):
        raise layer.unknown(f"axis={axis}")
    return _softmax(layer, value)


_LEAKY = op("LEAKY_RELU", alpha=0.2)

#: Names that `activation` may have, in either Keras.
ACTIVATIONS: Mapping[str, Activation] = {
    "elu": op("ELU"),
    "exponential": op("EXP"),
    "gelu": op("GELU", approximate=False),
    "hard_sigmoid": _hard_sigmoid,
    "hard_silu": op("HARD_SWISH"),
    "hard_swish": op("HARD_SWISH"),
    "leaky_relu": _LEAKY,
    "linear": _linear,
    "log_softmax": op("LOG_SOFTMAX"),
    "mish": _mish,
    "relu": op("RELU"),
    "relu6": op("RELU6"),
    "selu": _selu,
    "sigmoid": op("LOGISTIC"),
    "silu": _swish,
    "softmax": _softmax,
    "softplus": _softplus,
    "softsign": _softsign,
    "swish": _swish,
    "tanh": op("TANH"),
}

LAYERS: Mapping[str, Activation] = {
    "Activation": activate,
    "ELU": _elu_layer,
    "LeakyReLU": _leaky_relu_layer,
    "PReLU": _prelu_layer,
    "ReLU": _relu_layer,
    "Softmax": _softmax_layer,
}
