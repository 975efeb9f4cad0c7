"""Layers with kernels: convolutions and dense layers."""

from collections.abc import Callable, Mapping
from typing import cast

import numpy as np

from edgekit.converters.export.direct.draft import Array, Value
from edgekit.converters.export.direct.layer import Layer, image
from edgekit.converters.export.direct.layers.activation import activate
from edgekit.tflite.graph import OptionValue

Pair = tuple[int, int]


def windows(size: int, kernel: int, stride: int, *, padding: str, dilation: int = 1) -> int:
    """How many outputs there are along an axis."""
    return -(-size // stride) if padding == "SAME" else (size - (kernel - 1) * dilation - 1) // stride + 1


def padding_of(layer: Layer) -> str:
    """TFLite's name of the layer's padding."""
    return str(layer.options.one_of("padding", "valid", "same")).upper()


def strided(padding: str, strides: Pair, dilation: Pair = (1, 1)) -> dict[str, OptionValue]:
    """A convolution's options."""
    return {
        "padding": padding,
        "stride_h": strides[0],
        "stride_w": strides[1],
        "dilation_h_factor": dilation[0],
        "dilation_w_factor": dilation[1],
    }


def _conv2d(layer: Layer, value: Value) -> Value:
    options, channels = layer.options, image(layer, value)[2]
    options.channels_last()
    filters, kernel, groups = options.size("filters"), options.pair("kernel_size"), options.size("groups", 1)
    if channels % groups or filters % groups:
        raise layer.unknown(f"groups={groups} of {channels} channels to {filters}")
    settings = _settings(layer)
    weights = layer.weight(*kernel, channels // groups, filters)
    bias = _bias(layer, filters)
    shape = _shape(value, kernel, settings, filters)
    if groups == channels and groups > 1:
        read = [value, layer.constant(weights.reshape(1, *kernel, filters), "weights"), bias]
        answer = layer.add("DEPTHWISE_CONV_2D", read, shape, {**settings, "depth_multiplier": filters // channels})
    else:
        read = [value, layer.constant(weights.transpose(3, 0, 1, 2), "weights"), bias]
        answer = layer.add("CONV_2D", read, shape, settings)
    return activate(layer, answer)


def _depthwise_conv2d(layer: Layer, value: Value) -> Value:
    options, channels = layer.options, image(layer, value)[2]
    options.channels_last()
    # Keras 2 writes what it inherits from Conv2D.
    options.ignore("filters")
    options.one_of("groups", 1)
    kernel, multiplier, settings = options.pair("kernel_size"), options.size("depth_multiplier", 1), _settings(layer)
    weights = layer.weight(*kernel, channels, multiplier)
    answer = _depthwise(layer, value, weights, settings, _bias(layer, channels * multiplier))
    return activate(layer, answer)


def _separable_conv2d(layer: Layer, value: Value) -> Value:
    options, channels = layer.options, image(layer, value)[2]
    options.channels_last()
    options.one_of("groups", 1)
    filters, kernel = options.size("filters"), options.pair("kernel_size")
    multiplier, settings = options.size("depth_multiplier", 1), _settings(layer)
    weights = layer.weight(*kernel, channels, multiplier)
    pointwise = layer.weight(1, 1, channels * multiplier, filters)
    inner = _depthwise(layer, value, weights, settings, _zeros(layer, channels * multiplier))
    read = [inner, layer.constant(pointwise.transpose(3, 0, 1, 2), "weights"), _bias(layer, filters)]
    answer = layer.add("CONV_2D", read, (*inner.shape[:3], filters), strided("VALID", (1, 1)))
    return activate(layer, answer)


def _dense(layer: Layer, value: Value) -> Value:
    units, size, rank = layer.options.size("units"), value.shape[-1], len(value.shape)
    weights = layer.weight(size, units).T
    shape, bias = (*value.shape[:-1], units), _bias(layer, units)
    if rank == 4:  # the same as a 1×1 convolution, which has a scale per channel in int8
        read = [value, layer.constant(weights.reshape(units, 1, 1, size), "weights"), bias]
        answer = layer.add("CONV_2D", read, shape, strided("VALID", (1, 1)))
    else:
        read = [value, layer.constant(weights, "weights"), bias]
        answer = layer.add("FULLY_CONNECTED", read, shape, {"keep_num_dims": rank > 2})
    return activate(layer, answer)


def _conv2d_transpose(layer: Layer, value: Value) -> Value:
    options, (height, width, channels) = layer.options, image(layer, value)
    options.channels_last()
    if options.take("output_padding") is not None:
        raise layer.unknown("output_padding")
    options.one_of("groups", 1)
    if options.pair("dilation_rate", 1) != (1, 1):
        raise layer.unknown("dilation_rate")
    filters, kernel, strides = options.size("filters"), options.pair("kernel_size"), options.pair("strides", 1)
    padding = padding_of(layer)
    weights = layer.weight(*kernel, filters, channels).transpose(2, 0, 1, 3)
    grown = [
        size * stride if padding == "SAME" else size * stride + max(side - stride, 0)
        for size, side, stride in zip((height, width), kernel, strides)
    ]
    shape = (1, *grown, filters)
    read = [layer.integers(shape, "shape"), layer.constant(weights, "weights"), value, _bias(layer, filters)]
    settings = {"padding": padding, "stride_h": strides[0], "stride_w": strides[1]}
    return activate(layer, layer.add("TRANSPOSE_CONV", read, shape, settings))


def _settings(layer: Layer) -> dict[str, OptionValue]:
    strides, dilation = layer.options.pair("strides", 1), layer.options.pair("dilation_rate", 1)
    return strided(padding_of(layer), strides, dilation)


def _depthwise(layer: Layer, value: Value, weights: Array, settings: dict[str, OptionValue], bias: Value) -> Value:
    kernel, channels, multiplier = cast(Pair, weights.shape[:2]), weights.shape[2], weights.shape[3]
    read = [value, layer.constant(weights.reshape(1, *kernel, channels * multiplier), "depthwise_weights"), bias]
    shape = _shape(value, kernel, settings, channels * multiplier)
    return layer.add("DEPTHWISE_CONV_2D", read, shape, {**settings, "depth_multiplier": multiplier})


def _shape(value: Value, kernel: Pair, settings: dict[str, OptionValue], filters: int) -> tuple[int, ...]:
    sides = [
        windows(
            value.shape[axis],
            kernel[axis - 1],
            settings[f"stride_{side}"],
            padding=settings["padding"],
            dilation=settings[f"dilation_{side}_factor"],
        )
        for axis, side in ((1, "h"), (2, "w"))
    ]
    return (value.shape[0], *sides, filters)


def _bias(layer: Layer, size: int) -> Value:
    if layer.options.flag("use_bias", True):
        return layer.constant(layer.weight(size), "bias")
    return _zeros(layer, size)


def _zeros(layer: Layer, size: int) -> Value:
    # Without a bias no interpreter runs a convolution.
    return layer.constant(np.zeros(size), "bias")


LAYERS: Mapping[str, Callable[[Layer, Value], Value]] = {
    "Conv2D": _conv2d,
    "Conv2DTranspose": _conv2d_transpose,
    "Dense": _dense,
    "DepthwiseConv2D": _depthwise_conv2d,
    "SeparableConv2D": _separable_conv2d,
}
