"""Normalizations whose statistics are stored, or computed from each image."""

from collections.abc import Callable, Mapping

import numpy as np

from edgekit.converters.export.direct.draft import Norm, Value
from edgekit.converters.export.direct.layer import Layer
from edgekit.converters.export.direct.layers.activation import affine


def _batch_normalization(layer: Layer, value: Value) -> Value:
    options, channels = layer.options, value.shape[-1]
    options.ignore("momentum", "renorm_momentum", "virtual_batch_size", "synchronized")
    options.one_of("renorm", False)
    _last_axis(layer, value, -1)
    epsilon = options.number("epsilon", 1e-3)
    gamma = layer.numbers(channels) if options.flag("scale", True) else np.ones(channels)
    beta = layer.numbers(channels) if options.flag("center", True) else np.zeros(channels)
    mean, variance = layer.numbers(channels), layer.numbers(channels)
    layer.draft.norms.append(Norm(layer.name, value, mean, variance))
    gain = gamma / np.sqrt(variance + epsilon)
    scaled = layer.add("MUL", [value, layer.constant(gain, "gain")], value.shape)
    return layer.add("ADD", [scaled, layer.constant(beta - mean * gain, "offset")], value.shape)


def _layer_normalization(layer: Layer, value: Value) -> Value:
    """Each position's channels brought to mean 0 and variance 1 (Ba et al. 2016), then scaled and shifted."""
    options, channels = layer.options, value.shape[-1]
    _last_axis(layer, value, -1)
    options.one_of("rms_scaling", False)
    epsilon, scaled, centred = (
        options.number("epsilon", 1e-3),
        options.flag("scale", True),
        options.flag("center", True),
    )
    each = (*value.shape[:-1], 1)

    def mean(of: Value) -> Value:
        return layer.add("MEAN", [of, layer.integers([len(value.shape) - 1], "axis")], each, {"keep_dims": True})

    shifted = layer.add("SUB", [value, mean(value)], value.shape)
    variance = mean(layer.add("MUL", [shifted, shifted], value.shape))
    spread = layer.add("RSQRT", [layer.add("ADD", [variance, layer.constant(epsilon, "epsilon")], each)], each)
    normal = layer.add("MUL", [shifted, spread], value.shape)
    gain: object = layer.numbers(channels) if scaled else 1
    return affine(layer, normal, gain, layer.numbers(channels) if centred else 0)


def _last_axis(layer: Layer, value: Value, default: int) -> None:
    axis, last = layer.options.take("axis", default), len(value.shape) - 1
    if axis not in (-1, last, [-1], [last]):
        raise layer.unknown(f"axis={axis}")


LAYERS: Mapping[str, Callable[[Layer, Value], Value]] = {
    "BatchNormalization": _batch_normalization,
    "LayerNormalization": _layer_normalization,
    "SyncBatchNormalization": _batch_normalization,
}
