"""Normalizations whose statistics are stored, or computed from each image."""

from collections.abc import Callable, Mapping

import numpy as np

from edgekit.converters.export.direct.draft import Norm, Value
from edgekit.converters.export.direct.layer import Layer


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


def _last_axis(layer: Layer, value: Value, default: int) -> None:
    axis, last = layer.options.take("axis", default), len(value.shape) - 1
    if axis not in (-1, last, [-1], [last]):
        raise layer.unknown(f"axis={axis}")


LAYERS: Mapping[str, Callable[[Layer, Value], Value]] = {
    "BatchNormalization": _batch_normalization,
    "SyncBatchNormalization": _batch_normalization,
}
