"""What a built Keras model's layers tell: its leading scaling, its first batch normalization.

Works alike on models of Keras 2 (tf_keras) and Keras 3: only names and attributes that both share
are used.
"""

from collections.abc import Callable, Iterator
from typing import NoReturn

import numpy as np

from edgekit.converters.sources.protocols import (
    KerasModel,
    Layer,
    Tensor,
    is_activated,
    is_batch_normalization,
    is_model,
    is_normalization,
    is_rescaling,
    kind,
)
from edgekit.converters.sources.source import FirstNorm
from edgekit.preprocess import InputSpec

#: Layers that pass pixel values on as they are (or padded, resized, dropped in training).
_NEUTRAL = frozenset(
    """InputLayer Resizing CenterCrop RandomCrop ZeroPadding2D Cropping2D Dropout SpatialDropout2D GaussianNoise
    GaussianDropout Identity Cast""".split()
)
#: Arithmetic that `preprocess_input` leaves in a graph, as Keras 3 operations and TensorFlow functions.
_ARITHMETIC = frozenset("TrueDivide Divide Multiply Subtract Add Negative".split())
_RESHAPING = frozenset("Reshape Flatten ExpandDims".split())
_TF_RESHAPING = frozenset("reshape expand_dims".split())
_USUAL_ACTIVATIONS = ("linear", "relu", "relu6", "sigmoid", "softmax", "swish", "silu", "tanh")
_REORDERING = frozenset("GetItem SlicingOpLambda Stack Concatenate Flip".split())
_TF_ARITHMETIC = frozenset("math.truediv math.divide math.multiply math.subtract math.add nn.bias_add".split())


def leaves(model: KerasModel) -> Iterator[Layer]:
    """The layers and operations of a model in order, nested models opened up."""
    for layer in getattr(model, "operations", None) or model.layers:
        if is_model(layer):
            yield from leaves(layer)
        else:
            yield layer


def layer_kinds(model: KerasModel) -> dict[str, str]:
    """Name of a layer → its class, with the activation inside where that is no usual one."""
    return {str(layer.name): with_activation(kind(layer), activation_name(layer)) for layer in leaves(model)}


def with_activation(kind: str, activation: str) -> str:
    """A class with the activation inside where that is no usual one."""
    return kind if activation in _USUAL_ACTIVATIONS else f"{kind} with {activation}"


def activation_name(layer: Layer) -> str:
    """The name of a layer's activation; "linear" where it has none."""
    return str(getattr(getattr(layer, "activation", None), "__name__", "linear"))


def model_names(model: KerasModel) -> Iterator[str]:
    """Names of the model and of the models nested in it."""
    yield str(model.name)
    for layer in getattr(model, "layers", ()):
        if is_model(layer):
            yield from model_names(layer)


def scales_pixels(model: KerasModel) -> bool:
    """Whether the model begins by scaling raw 0–255 pixels.

    Rescaling and Normalization layers and the arithmetic of `preprocess_input` count where together
    they shrink: layers that stretch (Rescaling(2, offset=-1), or a Normalization adapted to 0…1)
    want pixels that somebody scaled before.
    """
    gain, shifted, unknown = 1.0, False, False
    for layer in leaves(model):
        if is_rescaling(layer):
            gain, shifted = gain * float(np.mean(layer.scale)), shifted or bool(np.any(np.asarray(layer.offset)))
        elif is_normalization(layer):
            gain /= float(np.mean(np.sqrt(np.maximum(_numbers(layer.variance), 1e-12))))
            shifted = shifted or bool(np.any(np.abs(_numbers(layer.mean)) > 1))
        elif _is_arithmetic(layer):
            factor = _factor(layer)
            gain, shifted, unknown = gain * (factor or 1.0), shifted or factor == 1, unknown or factor is None
        elif not (kind(layer) in _NEUTRAL | _REORDERING or _is_linear(layer)):
            break
    return unknown or gain < 0.999 or (shifted and gain < 1.001)


def reshapes_first(model: KerasModel) -> bool:
    """Whether a model begins by giving its input another shape, scaling set aside."""
    for layer in leaves(model):
        if kind(layer) in _RESHAPING or _function(layer) in _TF_RESHAPING:
            return True
        if kind(layer) not in _NEUTRAL | {"Rescaling", "Normalization"} and not _is_arithmetic(layer):
            return False
    return False


def _function(layer: Layer) -> str:
    """The TensorFlow function that a layer of Keras 2 calls; "" where it is another layer."""
    return str(layer.get_config()["function"]) if kind(layer) == "TFOpLambda" else ""


def _is_arithmetic(layer: Layer) -> bool:
    return kind(layer) in _ARITHMETIC or _function(layer) in _TF_ARITHMETIC


def _factor(layer: Layer) -> float | None:
    """By how much arithmetic with a constant multiplies: 1 for sums; None where the constant is not to be found."""
    name = (_function(layer) or kind(layer)).split(".")[-1].lower()
    if name not in ("multiply", "truediv", "truedivide", "divide"):
        return 1.0
    constants = [value for value in _arguments(layer) if isinstance(value, (int, float, list, tuple, np.ndarray))]
    size = float(np.mean(np.abs(_numbers(constants[0])))) if constants else 0.0
    if not size:
        return None
    return size if name == "multiply" else 1 / size


def _arguments(layer: Layer) -> list[object]:
    """What an operation of either Keras was called with, where it was first used."""
    nodes = getattr(layer, "inbound_nodes", None) or getattr(layer, "_inbound_nodes", ())
    if not nodes:
        return []
    call = getattr(nodes[0], "arguments", nodes[0])
    args, kwargs = (getattr(call, short, getattr(call, f"call_{short}", ())) for short in ("args", "kwargs"))
    return [*args, *dict(kwargs).values()]


def _is_linear(layer: Layer) -> bool:
    return kind(layer) == "Activation" and is_activated(layer) and getattr(layer.activation, "__name__", "") == "linear"


def _numbers(value: object) -> np.ndarray:
    """A weight, tensor or number of either Keras as an array."""
    return np.asarray(value.numpy() if hasattr(value, "numpy") else value, np.float64)


def first_norm(model: KerasModel, spec: InputSpec) -> FirstNorm | None:
    """The first batch normalization in the model's layers, or None."""
    norm = next((layer for layer in leaves(model) if is_batch_normalization(layer)), None)
    if norm is None or not norm.built:
        return None
    mean, variance = (_numbers(value).astype(np.float32) for value in (norm.moving_mean, norm.moving_variance))
    return FirstNorm(str(norm.name), mean, variance, _moments_before(model, norm, spec))


class _Reached(BaseException):  # Keras rewraps whatever is an Exception
    """Thrown with the tensor that reached a layer, to leave the model at that point."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor


def _moments_before(
    model: KerasModel, layer: Layer, spec: InputSpec
) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """A function from images to mean and variance of what reaches `layer`, traced at its first call.

    The whole model is called, the tensor is taken as it passes and the rest is given up: so it works for
    models nested in models, too, and neither traces nor runs more than the stem.
    """
    import tensorflow as tf

    def traced(images: Tensor) -> tuple[Tensor, Tensor]:
        original = layer.call

        def call(inputs: Tensor, *_: object, **__: object) -> NoReturn:
            raise _Reached(inputs)

        layer.call = call
        try:
            model(images, training=False)
        except _Reached as reached:
            passed = reached.tensor
        finally:
            layer.call = original
        mean, variance = tf.nn.moments(passed, axes=list(range(len(passed.shape) - 1)))
        return mean, variance

    signature = [tf.TensorSpec((None, *spec.shape), tf.float32)]
    compiled = tf.function(traced, input_signature=signature, autograph=False)

    def moments(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mean, variance = compiled(tf.constant(images, tf.float32))
        return mean.numpy(), variance.numpy()

    return moments
