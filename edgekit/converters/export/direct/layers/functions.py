"""What a model calls between its layers: functions of TensorFlow in Keras 2, operations in Keras 3.

Their arguments are the options of a layer here, so that each is asked for once and what nobody asks for is refused.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgekit.converters.export.direct.draft import Value
from edgekit.converters.export.direct.layer import Layer
from edgekit.converters.export.direct.layers import moving
from edgekit.converters.export.direct.layers.activation import ACTIVATIONS, Activation, op
from edgekit.converters.export.direct.layers.arithmetic import together
from edgekit.converters.export.direct.layers.moving import tensor
from edgekit.converters.export.direct.layers.preprocessing import refuse_aspect, resized

Row = Callable[[Layer], Value]


@dataclass(frozen=True)
class Function:
    """A function.

    Attributes:
      row: what it is in ops.
      parameters: names of its arguments by position.
    """

    row: Row
    parameters: tuple[str, ...] = ("x",)


def find(described: Mapping[str, object]) -> tuple[str, Function | None] | None:
    """(name, function) that a node of a configuration calls, None for one without a row; None for a layer."""
    kind, config = str(described.get("class_name")), described.get("config")
    if kind in ("TFOpLambda", "SlicingOpLambda"):
        name = str(config.get("function")) if isinstance(config, Mapping) else ""
        return name, TENSORFLOW.get(name[len(_OLD) :] if name.startswith(_OLD) else name)
    if str(described.get("module")).startswith(("keras.src.ops.", "keras.ops")) or _is_bare(described):
        return kind, OPERATIONS.get(kind)
    return None


def _is_bare(described: Mapping[str, object]) -> bool:
    """Whether a node without a module is an operation: `.h5` files of Keras 3 leave it out."""
    config, nodes = described.get("config"), described.get("inbound_nodes")
    called = isinstance(nodes, list) and len(nodes) > 0 and isinstance(nodes[0], Mapping)
    if "module" in described or not called or not isinstance(config, Mapping):
        return False
    # Every layer says one of the two, and no operation but this does.
    return described.get("class_name") == "Cast" or not config.keys() & {"trainable", "dtype"}


def named(function: Function, args: Sequence[object], kwargs: Mapping[str, object]) -> dict[str, object]:
    """The arguments of a call by their names; those that have none here keep their place as a name."""
    places = [*function.parameters, *(f"argument {place}" for place in range(len(function.parameters), len(args)))]
    # The name is that of the node in TensorFlow's graph.
    return {**dict(zip(places, args)), **{key: value for key, value in kwargs.items() if key != "name"}}


def _operand(layer: Layer, name: str) -> Value:
    """A tensor, or numbers."""
    found = layer.options.take(name)
    if isinstance(found, Value):
        return found
    try:
        numbers = np.asarray(found, np.float64)
    except (TypeError, ValueError):
        raise layer.unknown(f"{name}={str(found)[:60]}") from None
    if not np.all(np.isfinite(numbers)) or numbers.size == 0:
        raise layer.unknown(f"{name}={str(found)[:60]}")
    return layer.constant(numbers, name)


def _binary(opcode: str) -> Function:
    def row(layer: Layer) -> Value:
        left, right = _operand(layer, "x"), _operand(layer, "y")
        if left.constant is not None and opcode in _COMMUTE:
            left, right = right, left
        if right.constant is not None and opcode == "DIV" and np.all(right.constant != 0):
            return _combined(layer, "MUL", left, layer.constant(1 / np.asarray(right.constant, np.float64), "factor"))
        return _combined(layer, opcode, left, right)

    return Function(row, ("x", "y"))


def _combined(layer: Layer, opcode: str, left: Value, right: Value) -> Value:
    shape = together(layer, [left, right])
    if shape[:1] != (1,):
        raise layer.unknown(f"operands of shapes {list(left.shape)} and {list(right.shape)}")
    return layer.add(opcode, [left, right], shape)


_COMMUTE = ("ADD", "MUL", "MAXIMUM", "MINIMUM", "SQUARED_DIFFERENCE")


def _unary(activation: Activation) -> Function:
    return Function(lambda layer: activation(layer, tensor(layer)))


def _softmax(opcode: str, **options: float) -> Function:
    def row(layer: Layer) -> Value:
        value, axis = tensor(layer), layer.options.take("axis")
        if axis not in (None, -1, len(value.shape) - 1):
            raise layer.unknown(f"axis={axis}")
        return layer.add(opcode, [value], value.shape, options)

    return Function(row)


def _gelu(approximate: bool) -> Function:
    def row(layer: Layer) -> Value:
        rough = layer.options.flag("approximate", approximate)
        return op("GELU", approximate=rough)(layer, tensor(layer))

    return Function(row)


def _leaky_relu(layer: Layer) -> Value:
    alpha = layer.options.number("alpha", 0.2)
    return op("LEAKY_RELU", alpha=layer.options.number("negative_slope", alpha))(layer, tensor(layer))


def _elu(layer: Layer) -> Value:
    layer.options.one_of("alpha", 1.0)
    return op("ELU")(layer, tensor(layer))


def _bias_add(layer: Layer) -> Value:
    layer.options.one_of("data_format", None, "NHWC")
    value, bias = tensor(layer), _operand(layer, "bias")
    if bias.shape != value.shape[-1:]:
        raise layer.unknown(f"a bias of shape {list(bias.shape)}")
    return _combined(layer, "ADD", value, bias)


def _clip(low: str, high: str) -> Function:
    def row(layer: Layer) -> Value:
        value, least, most = tensor(layer), layer.options.number(low, 0), layer.options.number(high, 0)
        if (least, most) == (0, 6):
            return layer.add("RELU6", [value], value.shape)
        raised = layer.add("MAXIMUM", [value, layer.constant(least, "least")], value.shape)
        return layer.add("MINIMUM", [raised, layer.constant(most, "most")], value.shape)

    return Function(row, ("x", low, high))


def _reduce(opcode: str) -> Function:
    def row(layer: Layer) -> Value:
        value = tensor(layer)
        axes, keep = moving.axes_of(layer, len(value.shape)), layer.options.flag("keepdims", False)
        shape = [1 if at in axes else size for at, size in enumerate(value.shape) if keep or at not in axes]
        return layer.add(opcode, [value, layer.integers(axes, "axes")], shape, {"keep_dims": keep})

    return Function(row, ("x", "axis", "keepdims"))


def _resize(how: str) -> Function:
    def row(layer: Layer) -> Value:
        value, options = tensor(layer), layer.options
        (height, width), way = options.pair("size"), options.one_of(how, "bilinear", "nearest")
        refuse_aspect(options)
        options.channels_last()
        if len(value.shape) != 4:
            raise layer.unknown(f"an input of shape {list(value.shape)}")
        return resized(layer, value, str(way), (1, height, width, value.shape[-1]))

    return Function(row, ("x", "size", how))


def _same(layer: Layer) -> Value:
    return tensor(layer)


_OLD = "compat.v1."
_ACTIVATED = {name: _unary(ACTIVATIONS[name]) for name in ("relu", "relu6", "selu", "sigmoid", "silu", "tanh")}
_ACTIVATED["elu"] = Function(_elu)
_ACTIVATED["softplus"], _ACTIVATED["softsign"] = _unary(ACTIVATIONS["softplus"]), _unary(ACTIVATIONS["softsign"])
_ONE_OP = {
    "abs": "ABS",
    "exp": "EXP",
    "log": "LOG",
    "negative": "NEG",
    "sqrt": "SQRT",
    "rsqrt": "RSQRT",
    "square": "SQUARE",
}
_TWO = {"add": "ADD", "subtract": "SUB", "multiply": "MUL", "divide": "DIV", "maximum": "MAXIMUM", "minimum": "MINIMUM"}
_REDUCE = {"mean": "MEAN", "sum": "SUM", "max": "REDUCE_MAX", "min": "REDUCE_MIN"}

#: By TensorFlow's name after `tf.`.
TENSORFLOW: Mapping[str, Function] = {
    **{f"nn.{name}": function for name, function in _ACTIVATED.items()},
    **{f"math.{name}": _ACTIVATED[name] for name in ("sigmoid", "tanh", "softplus")},
    **{f"math.{name}": _unary(op(opcode)) for name, opcode in _ONE_OP.items()},
    **{f"math.{name}": _binary(opcode) for name, opcode in _TWO.items()},
    **{f"math.reduce_{name}": _reduce(opcode) for name, opcode in _REDUCE.items()},
    "__operators__.add": _binary("ADD"),
    "__operators__.getitem": Function(moving.get_item, ("x", "slice_spec")),
    "cast": Function(_same),
    "clip_by_value": _clip("clip_value_min", "clip_value_max"),
    "concat": Function(moving.concatenate, ("x", "axis")),
    "expand_dims": Function(moving.expand, ("x", "axis")),
    "identity": Function(_same),
    "image.resize": _resize("method"),
    "math.pow": _binary("POW"),
    "math.squared_difference": _binary("SQUARED_DIFFERENCE"),
    "math.truediv": _binary("DIV"),
    "nn.bias_add": Function(_bias_add, ("x", "bias")),
    "nn.gelu": _gelu(approximate=False),
    "nn.leaky_relu": Function(_leaky_relu, ("x", "alpha")),
    "nn.log_softmax": _softmax("LOG_SOFTMAX"),
    "nn.softmax": _softmax("SOFTMAX", beta=1.0),
    "nn.swish": _ACTIVATED["silu"],
    "pad": Function(moving.pad, ("x", "paddings")),
    "reshape": Function(moving.reshape, ("x", "shape")),
    "reverse": Function(moving.reverse, ("x", "axis")),
    "squeeze": Function(moving.squeeze, ("x", "axis")),
    "transpose": Function(moving.transpose, ("x", "perm")),
}

#: By the name of the operation's class in Keras 3.
OPERATIONS: Mapping[str, Function] = {
    **{name.capitalize(): function for name, function in _ACTIVATED.items()},
    **{name.capitalize(): _unary(op(opcode)) for name, opcode in _ONE_OP.items()},
    **{name.capitalize(): _binary(opcode) for name, opcode in _TWO.items()},
    **{name.capitalize(): _reduce(opcode) for name, opcode in _REDUCE.items()},
    "Absolute": _unary(op("ABS")),
    "Cast": Function(_same),
    "Clip": _clip("x_min", "x_max"),
    "Concatenate": Function(moving.concatenate),
    "ExpandDims": Function(moving.expand),
    "Flip": Function(moving.reverse),
    "Gelu": _gelu(approximate=True),
    "GetItem": Function(moving.get_item, ("x", "slice_spec")),
    "HardSigmoid": _unary(ACTIVATIONS["hard_sigmoid"]),
    "HardSilu": _unary(ACTIVATIONS["hard_silu"]),
    "LeakyRelu": Function(_leaky_relu),
    "LogSoftmax": _softmax("LOG_SOFTMAX"),
    "Pad": Function(moving.pad),
    "Power": _binary("POW"),
    "Reshape": Function(moving.reshape),
    "Resize": _resize("interpolation"),
    "Softmax": _softmax("SOFTMAX", beta=1.0),
    "Squeeze": Function(moving.squeeze),
    "Transpose": Function(moving.transpose),
    "TrueDivide": _binary("DIV"),
}
