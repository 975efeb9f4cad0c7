"""Layers that summarize positions."""

from collections.abc import Callable, Mapping

from edgekit.converters.export.direct.draft import Value
from edgekit.converters.export.direct.layer import Layer, image
from edgekit.converters.export.direct.layers.convolution import padding_of, windows

Row = Callable[[Layer, Value], Value]


def _pool(opcode: str) -> Row:
    def row(layer: Layer, value: Value) -> Value:
        options, (height, width, channels) = layer.options, image(layer, value)
        options.channels_last()
        pool = options.pair("pool_size", 2)
        strides = pool if options.take("strides") is None else options.pair("strides")
        padding = padding_of(layer)
        shape = [windows(size, *each, padding=padding) for size, *each in zip((height, width), pool, strides)]
        settings = {
            "padding": padding,
            "stride_h": strides[0],
            "stride_w": strides[1],
            "filter_height": pool[0],
            "filter_width": pool[1],
        }
        return layer.add(opcode, [value], (1, *shape, channels), settings)

    return row


def _over_all(opcode: str) -> Row:
    def row(layer: Layer, value: Value) -> Value:
        channels = image(layer, value)[2]
        layer.options.channels_last()
        keep = layer.options.flag("keepdims", False)
        shape = (1, 1, 1, channels) if keep else (1, channels)
        return layer.add(opcode, [value, layer.integers([1, 2], "axes")], shape, {"keep_dims": keep})

    return row


LAYERS: Mapping[str, Row] = {
    "AveragePooling2D": _pool("AVERAGE_POOL_2D"),
    "GlobalAveragePooling2D": _over_all("MEAN"),
    "GlobalMaxPooling2D": _over_all("REDUCE_MAX"),
    "MaxPooling2D": _pool("MAX_POOL_2D"),
}
