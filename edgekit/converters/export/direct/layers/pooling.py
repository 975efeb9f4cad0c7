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


def _over_all(opcode: str, rank: int = 4) -> Row:
    """Over all positions of a (1, …, channels) input of this rank."""

    def row(layer: Layer, value: Value) -> Value:
        if len(value.shape) != rank:
            raise layer.unknown(f"an input of shape {list(value.shape)}")
        channels, axes = value.shape[-1], list(range(1, rank - 1))
        layer.options.channels_last()
        keep = layer.options.flag("keepdims", False)
        shape = (*(1 for _ in range(rank - 1)), channels) if keep else (1, channels)
        return layer.add(opcode, [value, layer.integers(axes, "axes")], shape, {"keep_dims": keep})

    return row


LAYERS: Mapping[str, Row] = {
    "AveragePooling2D": _pool("AVERAGE_POOL_2D"),
    "GlobalAveragePooling1D": _over_all("MEAN", rank=3),
    "GlobalAveragePooling2D": _over_all("MEAN"),
    "GlobalMaxPooling1D": _over_all("REDUCE_MAX", rank=3),
    "GlobalMaxPooling2D": _over_all("REDUCE_MAX"),
    "MaxPooling2D": _pool("MAX_POOL_2D"),
}
