"""Op by op, how a float graph is written as Keras layers. No row, no layer."""

from collections.abc import Callable, Mapping

import numpy as np

from edgekit.converters.export.keras_writer import KerasWriter, unknown
from edgekit.tflite.graph import Op


def _strides(op: Op) -> dict[str, object]:
    strides = [int(op.option("stride_h", 1)), int(op.option("stride_w", 1))]
    return {"strides": strides, "padding": str(op.option("padding")).lower()}


def _window(op: Op, height: int, width: int) -> dict[str, object]:
    dilation = [int(op.option("dilation_h_factor", 1)), int(op.option("dilation_w_factor", 1))]
    return {**_strides(op), "kernel_size": [height, width], "dilation_rate": dilation}


def _convolution(writer: KerasWriter, op: Op) -> None:
    filters, height, width, channels = writer.shape(op.inputs[1])
    options = {"filters": filters, **_window(op, height, width)}
    groups = writer.shape(op.inputs[0])[-1] // channels
    writer.with_kernel(op, "Conv2D", {**options, "groups": groups} if groups > 1 else options)


def _depthwise(writer: KerasWriter, op: Op) -> None:
    _, height, width, filters = writer.shape(op.inputs[1])
    multiplier = filters // writer.shape(op.inputs[0])[-1]
    writer.with_kernel(op, "DepthwiseConv2D", {**_window(op, height, width), "depth_multiplier": multiplier})


def _dense(writer: KerasWriter, op: Op) -> None:
    if len(writer.shape(op.inputs[0])) != 2 or len(writer.shape(op.outputs[0])) != 2:
        raise unknown(op)
    writer.with_kernel(op, "Dense", {"units": writer.shape(op.inputs[1])[0]})


def _merge(kind: str) -> Callable[[KerasWriter, Op], None]:
    """Two computed tensors by a layer of that kind, one of them and a constant by scaling."""

    def row(writer: KerasWriter, op: Op) -> None:
        first, second = op.inputs
        if first in writer.at and second in writer.at:
            writer.add(op, kind, {}, [first, second])
        elif first in writer.at or second in writer.at:
            _scaled(writer, op, kind)
        else:
            raise unknown(op)
        writer.activated(op)

    return row


def _scaled(writer: KerasWriter, op: Op, kind: str) -> None:
    data = 0 if op.inputs[0] in writer.at else 1
    value = writer.numbers(op, 1 - data).astype(np.float64)
    channels = writer.shape(op.inputs[data])[-1]
    same = writer.shape(op.inputs[data])[1:] == writer.shape(op.outputs[0])[1:]
    if (value.size != 1 and (value.size != value.shape[-1] or value.shape[-1] != channels)) or not same:
        raise unknown(op)
    scale, offset = _line(kind, value, constant_first=data == 1)
    told = {"scale": scale, "offset": offset}
    one = value.size == 1
    numbers = {key: each.item() if one else each.reshape(-1).tolist() for key, each in told.items()}
    writer.add(op, "Rescaling", numbers, [op.inputs[data]])


def _line(kind: str, value: np.ndarray, *, constant_first: bool) -> tuple[np.ndarray, np.ndarray]:
    """(scale, offset) of an op on a computed tensor and a constant."""
    if kind == "Multiply":
        return value, 0 * value
    if kind == "Add":
        return value**0, value
    return (-(value**0), value) if constant_first else (value**0, -value)


def _division(writer: KerasWriter, op: Op) -> None:
    value = writer.numbers(op, 1).astype(np.float64)
    if value.size != 1:
        raise unknown(op)
    writer.add(op, "Rescaling", {"scale": 1 / value.item(), "offset": 0.0})
    writer.activated(op)


def _bound(lower: bool) -> Callable[[KerasWriter, Op], None]:
    """The larger, or the smaller, of a tensor and one number, by a ReLU of their difference."""

    def row(writer: KerasWriter, op: Op) -> None:
        value, sign = writer.numbers(op, 1), 1.0 if lower else -1.0
        if value.size != 1:
            raise unknown(op)
        number = float(value.item())
        away = writer.then(op, "Rescaling", {"scale": sign, "offset": -sign * number})
        away = writer.then(op, "ReLU", {}, away)
        writer.then(op, "Rescaling", {"scale": sign, "offset": number}, away)

    return row


def _hard_swish(writer: KerasWriter, op: Op) -> None:
    """x · relu6(x + 3) / 6: only Keras 3 has a layer for it."""
    gate = writer.then(op, "Rescaling", {"scale": 1.0, "offset": 3.0})
    gate = writer.then(op, "ReLU", {"max_value": 6.0}, gate)
    gate = writer.then(op, "Rescaling", {"scale": 1 / 6, "offset": 0.0}, gate)
    writer.at[op.outputs[0]] = writer.layer("Multiply", (writer.at[op.inputs[0]].name, gate.name), gate.shape, {})


def _prelu(writer: KerasWriter, op: Op) -> None:
    shape, slopes = writer.shape(op.inputs[0])[1:], writer.numbers(op, 1)
    slopes = slopes.reshape((1,) * (len(shape) - slopes.ndim) + slopes.shape[-len(shape) :])
    if slopes.ndim != len(shape) or any(mine not in (1, theirs) for mine, theirs in zip(slopes.shape, shape)):
        raise unknown(op)
    shared = [axis for axis, size in enumerate(slopes.shape, 1) if size == 1]
    writer.with_weights(op, "PReLU", {"shared_axes": shared}, (slopes.astype(np.float32),))


def _leaky_relu(writer: KerasWriter, op: Op) -> None:
    # The layer LeakyReLU calls its slope otherwise in Keras 2 and in Keras 3.
    writer.add(op, "ReLU", {"negative_slope": float(op.option("alpha", 0.0))})


def _gelu(writer: KerasWriter, op: Op) -> None:
    if op.option("approximate", False):
        raise unknown(op)
    writer.add(op, "Activation", {"activation": "gelu"})


def _permutation(writer: KerasWriter, op: Op) -> None:
    axes = writer.numbers(op, 1).tolist()
    if axes[0] != 0:
        raise unknown(op)
    writer.add(op, "Permute", {"dims": axes[1:]})


def _mean(writer: KerasWriter, op: Op) -> None:
    source = writer.shape(op.inputs[0])
    if len(source) != 4 or sorted(axis % 4 for axis in writer.numbers(op, 1).ravel().tolist()) != [1, 2]:
        raise unknown(op)
    writer.add(op, "GlobalAveragePooling2D", {"keepdims": bool(op.option("keep_dims", False))})


def _pool(kind: str) -> Callable[[KerasWriter, Op], None]:
    def row(writer: KerasWriter, op: Op) -> None:
        size = [int(op.option("filter_height")), int(op.option("filter_width"))]
        writer.add(op, kind, {"pool_size": size, **_strides(op)})
        writer.activated(op)

    return row


def _pad(writer: KerasWriter, op: Op) -> None:
    pads = writer.numbers(op, 1).tolist()
    if len(pads) != 4 or any(pads[0]) or any(pads[3]):
        raise unknown(op)
    writer.add(op, "ZeroPadding2D", {"padding": pads[1:3]})


def _reshape(writer: KerasWriter, op: Op) -> None:
    writer.add(op, "Reshape", {"target_shape": list(writer.shape(op.outputs[0])[1:])})


def _concatenation(writer: KerasWriter, op: Op) -> None:
    if not all(index in writer.at for index in op.inputs):
        raise unknown(op)
    writer.add(op, "Concatenate", {"axis": int(op.option("axis", -1))}, op.inputs)
    writer.activated(op)


def _activation(writer: KerasWriter, op: Op) -> None:
    writer.activated(op, op.opcode)


#: Op → how it is written.
ROWS: Mapping[str, Callable[[KerasWriter, Op], None]] = {
    "ADD": _merge("Add"),
    "AVERAGE_POOL_2D": _pool("AveragePooling2D"),
    "CONCATENATION": _concatenation,
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _depthwise,
    "DIV": _division,
    "FULLY_CONNECTED": _dense,
    "GELU": _gelu,
    "HARD_SWISH": _hard_swish,
    "LEAKY_RELU": _leaky_relu,
    "MAXIMUM": _bound(lower=True),
    "MAX_POOL_2D": _pool("MaxPooling2D"),
    "MEAN": _mean,
    "MINIMUM": _bound(lower=False),
    "MUL": _merge("Multiply"),
    "PAD": _pad,
    "PRELU": _prelu,
    "RESHAPE": _reshape,
    "SQUEEZE": _reshape,
    "SUB": _merge("Subtract"),
    "TRANSPOSE": _permutation,
    **dict.fromkeys(("ELU", "LOGISTIC", "RELU", "RELU6", "SOFTMAX", "TANH"), _activation),
}
