"""Normalizations whose statistics are stored, or computed from each image."""

from collections.abc import Callable, Mapping
from math import prod

import numpy as np

from edgekit.converters.export.direct.draft import Norm, Value
from edgekit.converters.export.direct.layer import Layer
from edgekit.converters.export.direct.layers.activation import affine
from edgekit.converters.export.direct.layers.shape import reshaped


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
    _last_axis(layer, value, -1)
    layer.options.one_of("rms_scaling", False)
    epsilon, gain, offset = _learned(layer, value)
    return affine(layer, _standardized(layer, value, [len(value.shape) - 1], epsilon, int8=True), gain, offset)


def _group_normalization(layer: Layer, value: Value) -> Value:
    """Groups of channels brought to mean 0 and variance 1 over all positions (Wu and He 2018), scaled and shifted.

    In float: an Edge TPU that took its ops in int8 would end at the first of them.
    """
    channels = value.shape[-1]
    _last_axis(layer, value, -1)
    groups = channels if layer.options.take("groups") == -1 else layer.options.size("groups", 32)
    if channels % groups:
        raise layer.unknown(f"groups={groups} of {channels} channels")
    epsilon, gain, offset = _learned(layer, value)
    parted = reshaped(layer, value, (1, prod(value.shape) // channels, groups, channels // groups))
    normal = reshaped(layer, _standardized(layer, parted, [1, 3], epsilon, int8=False), value.shape)
    return affine(layer, normal, gain, offset)


def _unit_normalization(layer: Layer, value: Value) -> Value:
    """Each position's channels as a vector of length 1."""
    _last_axis(layer, value, -1)
    return layer.add("L2_NORMALIZATION", [value], value.shape)


def _learned(layer: Layer, value: Value) -> tuple[float, object, object]:
    """Epsilon, and for each channel what scales and what shifts it."""
    options, channels = layer.options, value.shape[-1]
    epsilon, scaled, centred = (
        options.number("epsilon", 1e-3),
        options.flag("scale", True),
        options.flag("center", True),
    )
    gain: object = layer.numbers(channels) if scaled else 1
    return epsilon, gain, layer.numbers(channels) if centred else 0


def _standardized(layer: Layer, value: Value, axes: list[int], epsilon: float, *, int8: bool) -> Value:
    """What lies along the axes brought to mean 0 and variance 1; `int8`: by ops that all have an int8 form."""
    each = tuple(1 if axis in axes else size for axis, size in enumerate(value.shape))

    def mean(of: Value) -> Value:
        return layer.add("MEAN", [of, layer.integers(axes, "axes")], each, {"keep_dims": True})

    shifted = layer.add("SUB", [value, mean(value)], value.shape)
    square, factors = ("MUL", [shifted, shifted]) if int8 else ("SQUARE", [shifted])
    variance = mean(layer.add(square, factors, value.shape))
    spread = layer.add("RSQRT", [layer.add("ADD", [variance, layer.constant(epsilon, "epsilon")], each)], each)
    return layer.add("MUL", [shifted, spread], value.shape)


def _last_axis(layer: Layer, value: Value, default: int) -> None:
    axis, last = layer.options.take("axis", default), len(value.shape) - 1
    if axis not in (-1, last, [-1], [last]):
        raise layer.unknown(f"axis={axis}")


LAYERS: Mapping[str, Callable[[Layer, Value], Value]] = {
    "BatchNormalization": _batch_normalization,
    "GroupNormalization": _group_normalization,
    "LayerNormalization": _layer_normalization,
    "SyncBatchNormalization": _batch_normalization,
    "UnitNormalization": _unit_normalization,
}
