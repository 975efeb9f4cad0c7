"""Layers that scale and resize pixels."""

from collections.abc import Callable, Mapping

import numpy as np

from edgekit.converters.export.direct.draft import Numbers, Value
from edgekit.converters.export.direct.layer import Layer, Options, image
from edgekit.converters.export.direct.layers.activation import affine
from edgekit.converters.export.direct.layers.shape import cut


def _rescaling(layer: Layer, value: Value) -> Value:
    return affine(layer, value, _numbers(layer, value, "scale", 1.0), _numbers(layer, value, "offset", 0.0))


def _normalization(layer: Layer, value: Value) -> Value:
    options = layer.options
    if options.flag("invert", False):
        raise layer.unknown("invert=True")
    axis, last = options.take("axis", -1), len(value.shape) - 1
    shape = (value.shape[-1],) if axis in (-1, last, [-1], [last]) else ()
    if axis not in (-1, last, [-1], [last], None, [], ()):
        raise layer.unknown(f"axis={axis}")
    if options.take("mean") is None and options.take("variance") is None:
        mean, variance = layer.numbers(*shape), layer.numbers(*shape)
        layer.weight()  # how many values were seen
    else:
        mean, variance = _numbers(layer, value, "mean"), _numbers(layer, value, "variance")
    deviation = np.maximum(np.sqrt(variance), 1e-7)
    shifted = layer.add("SUB", [value, layer.constant(mean, "mean")], value.shape)
    return layer.add("MUL", [shifted, layer.constant(1 / deviation, "gain")], value.shape)


def _numbers(layer: Layer, value: Value, name: str, default: object = None) -> Numbers:
    """An option that is one number, or one per channel."""
    given = layer.options.take(name, default)
    try:
        found = np.asarray(given, np.float64)
    except (TypeError, ValueError):
        raise layer.unknown(f"{name}={str(given)[:60]}") from None
    found = found.reshape(-1) if found.size == value.shape[-1] else found
    if found.size not in (1, value.shape[-1]) or not np.all(np.isfinite(found)):
        raise layer.unknown(f"{name}={str(given)[:60]}")
    return found.reshape(()) if found.size == 1 else found


def _resizing(layer: Layer, value: Value) -> Value:
    options = layer.options
    options.channels_last()
    height, width, channels = options.size("height"), options.size("width"), image(layer, value)[2]
    how = options.one_of("interpolation", "bilinear", "nearest")
    refuse_aspect(options)
    if (height, width) == value.shape[1:3]:
        return value
    return resized(layer, value, str(how), (1, height, width, channels))


def refuse_aspect(options: Options) -> None:
    """Raises UnknownLayerError where resizing keeps the aspect ratio, or smooths."""
    for option in ("antialias", "crop_to_aspect_ratio", "pad_to_aspect_ratio", "preserve_aspect_ratio"):
        options.one_of(option, False)
    options.ignore("fill_mode", "fill_value")  # of pad_to_aspect_ratio


def _center_crop(layer: Layer, value: Value) -> Value:
    options = layer.options
    options.channels_last()
    height, width, channels = image(layer, value)
    rows, columns = options.size("height"), options.size("width")
    if rows > height or columns > width:  # Keras resizes such images first
        raise layer.unknown(f"{rows}x{columns} pixels of {height}x{width}")
    begin = (0, (height - rows) // 2, (width - columns) // 2, 0)
    return cut(layer, value, begin, (1, rows, columns, channels))


def _upsampling(layer: Layer, value: Value) -> Value:
    options = layer.options
    options.channels_last()
    (rows, columns), (height, width, channels) = options.pair("size", 2), image(layer, value)
    how = options.one_of("interpolation", "nearest", "bilinear")
    return resized(layer, value, str(how), (1, height * rows, width * columns, channels))


def resized(layer: Layer, value: Value, how: str, shape: tuple[int, ...]) -> Value:
    """An image in another size; pixels are squares whose centres are compared, as in Keras."""
    opcode = "RESIZE_BILINEAR" if how == "bilinear" else "RESIZE_NEAREST_NEIGHBOR"
    size = layer.integers(shape[1:3], "size")
    return layer.add(opcode, [value, size], shape, {"align_corners": False, "half_pixel_centers": True})


LAYERS: Mapping[str, Callable[[Layer, Value], Value]] = {
    "CenterCrop": _center_crop,
    "Normalization": _normalization,
    "Rescaling": _rescaling,
    "Resizing": _resizing,
    "UpSampling2D": _upsampling,
}
