"""From a float graph back to a Keras model as plain data: the other way round than the direct export.

Batch normalizations, which an export folded into the weights before them, stay folded. No Keras is imported; of its
layers are used those that Keras 2 and 3 both have.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from edgekit.errors import UnsupportedModelError
from edgekit.models.configuration import configuration
from edgekit.models.network import Network
from edgekit.models.plan import Layer
from edgekit.tflite.graph import Graph, Op
from edgekit.tflite.model import Model
from edgekit.tflite.part import ops_between
from edgekit.tflite.reader import constant

#: Layer → axes of the graph's weights in Keras' order.
_AXES: Mapping[str, tuple[int, ...]] = {"Conv2D": (1, 2, 3, 0), "DepthwiseConv2D": (1, 2, 3, 0), "Dense": (1, 0)}
#: Op or activation that is part of one → Keras' name.
_ACTIVATIONS = {"RELU": "relu", "TANH": "tanh", "LOGISTIC": "sigmoid", "ELU": "elu", "SOFTMAX": "softmax"}


@dataclass(frozen=True)
class Kernel:
    """Where in the graph a layer's weights come from.

    Attributes:
      kind: the layer's class.
      op: what reads them: the kernel as its second input, the bias, if there is one, as its third.
    """

    kind: str
    op: Op


@dataclass(frozen=True)
class KerasGraph:
    """A graph, or a part of one, as a Keras model.

    Attributes:
      network: the model; of several inputs or outputs it has them in the order asked for.
      kernels: the layers that have weights, by name.
    """

    network: Network
    kernels: Mapping[str, Kernel]


def as_keras(graph: Graph, inputs: Sequence[int], outputs: Sequence[int]) -> KerasGraph:
    """The ops that compute the tensors `outputs` from the tensors `inputs`, as a Keras model.

    Raises:
      UnsupportedModelError: an op that is not known here, or weights that are computed.
      ModelError: further inputs are needed.
    """
    writer = _Writer(graph)
    for index in inputs:
        writer.at[index] = writer.layer("InputLayer", (), graph.tensors[index].shape[1:], {})
    return writer.written(inputs, outputs)


def classifier_network(model: Model) -> Network:
    """A classifier as a Keras model that takes pixels of 0–255: Keras files have no place for preprocessing but layers.

    Raises:
      UnsupportedModelError: an op that is not known here, or channels that are turned around outside of the graph.
    """
    spec, graph = model.spec, model.graph
    if spec.order != "rgb":
        raise UnsupportedModelError("The model takes images as BGR, for which no layer is written.")
    writer = _Writer(graph)
    image = writer.layer("InputLayer", (), spec.shape, {})
    options = {
        "scale": [1 / std for std in spec.std],
        "offset": [-mean / std for mean, std in zip(spec.mean, spec.std)],
    }
    plain = not any(spec.mean) and set(spec.std) == {1.0}
    writer.at[graph.inputs[0]] = image if plain else writer.layer("Rescaling", (image.name,), spec.shape, options)
    return writer.written(graph.inputs, graph.outputs).network


def graph_weights(weights: np.ndarray, kind: str, shape: Sequence[int]) -> np.ndarray:
    """A Keras layer's kernel as the graph has it, in a tensor of this shape."""
    if kind == "DepthwiseConv2D":  # channels in and out for each of them are one axis
        weights = weights.reshape(*weights.shape[:2], 1, -1)
        return np.ascontiguousarray(weights.transpose(2, 0, 1, 3), np.float32).reshape(tuple(shape))
    turned = weights.transpose(np.argsort(_AXES[kind]))
    return np.ascontiguousarray(turned, np.float32).reshape(tuple(shape))


def unknown(op: Op) -> UnsupportedModelError:
    """What to raise for an op that has no row here, or not in this form."""
    return UnsupportedModelError(f"There is no Keras layer for the op {op.custom or op.opcode}.")


@dataclass
class _Writer:
    """The layers written so far.

    Attributes:
      graph: what is written.
      layers: in the order of the ops.
      at: tensor → the layer that computes it.
      weights, kernels: of the layers that have some.
    """

    graph: Graph
    layers: list[Layer] = field(default_factory=list)
    at: dict[int, Layer] = field(default_factory=dict)
    weights: dict[str, tuple[np.ndarray, ...]] = field(default_factory=dict)
    kernels: dict[str, Kernel] = field(default_factory=dict)

    def written(self, inputs: Sequence[int], outputs: Sequence[int]) -> KerasGraph:
        """The ops between these tensors, and all as a model."""
        for op in ops_between(self.graph, inputs, outputs):
            if op.opcode not in ROWS:
                raise unknown(op)
            ROWS[op.opcode](self, op)
        ends = [self.at[index].name for index in outputs]
        return KerasGraph(Network(configuration("classifier", self.layers, ends), self.weights), self.kernels)

    def layer(self, kind: str, inputs: tuple[str, ...], shape: tuple[int, ...], options: Mapping[str, object]) -> Layer:
        """Any layer."""
        layer = Layer(kind, f"{kind.lower()}_{len(self.layers)}", inputs, options, shape)
        self.layers.append(layer)
        return layer

    def add(self, op: Op, kind: str, options: Mapping[str, object], reads: Sequence[int] = ()) -> Layer:
        """A layer that reads the op's first input, or these tensors, and computes its output."""
        inputs = tuple(self.at[index].name for index in reads or op.inputs[:1])
        made = self.at[op.outputs[0]] = self.layer(kind, inputs, self.graph.tensors[op.outputs[0]].shape[1:], options)
        return made

    def with_kernel(self, op: Op, kind: str, options: Mapping[str, object]) -> None:
        """A layer with the weights and bias that the op reads."""
        tensors = [index for index in op.inputs[1:3] if index >= 0]
        if not all(self.graph.tensors[index].is_constant for index in tensors):
            raise unknown(op)
        kernel, *bias = (constant(self.graph, self.graph.tensors[index]) for index in tensors)
        kernel = kernel.transpose(_AXES[kind])
        if kind == "DepthwiseConv2D":
            kernel = kernel.reshape(*kernel.shape[:2], self.graph.tensors[op.inputs[0]].shape[-1], -1)
        layer = self.add(op, kind, {**options, "use_bias": bool(bias), "activation": "linear"})
        self.weights[layer.name] = (np.ascontiguousarray(kernel), *(value.reshape(-1) for value in bias))
        self.kernels[layer.name] = Kernel(kind, op)
        self.activated(op)

    def activated(self, op: Op, opcode: str = "") -> None:
        """An activation, on the op's own output where it is part of that op."""
        name = opcode or str(op.option("fused_activation_function", "NONE"))
        reads = () if opcode else op.outputs[:1]
        if name == "RELU6":  # not every release of Keras 2 has an activation of that name
            self.add(op, "ReLU", {"max_value": 6.0}, reads)
        elif name in _ACTIVATIONS:
            self.add(op, "Activation", {"activation": _ACTIVATIONS[name]}, reads)
        elif name != "NONE":
            raise unknown(op)

    def shape(self, index: int) -> tuple[int, ...]:
        """A tensor's sizes."""
        return self.graph.tensors[index].shape

    def numbers(self, op: Op, position: int) -> np.ndarray:
        """The constant that the op reads there."""
        tensor = self.graph.tensors[op.inputs[position]]
        if not tensor.is_constant:
            raise unknown(op)
        return constant(self.graph, tensor)


def _strides(op: Op) -> dict[str, object]:
    strides = [int(op.option("stride_h", 1)), int(op.option("stride_w", 1))]
    return {"strides": strides, "padding": str(op.option("padding")).lower()}


def _window(op: Op, height: int, width: int) -> dict[str, object]:
    dilation = [int(op.option("dilation_h_factor", 1)), int(op.option("dilation_w_factor", 1))]
    return {**_strides(op), "kernel_size": [height, width], "dilation_rate": dilation}


def _convolution(writer: _Writer, op: Op) -> None:
    filters, height, width, channels = writer.shape(op.inputs[1])
    options = {"filters": filters, **_window(op, height, width)}
    groups = writer.shape(op.inputs[0])[-1] // channels
    writer.with_kernel(op, "Conv2D", {**options, "groups": groups} if groups > 1 else options)


def _depthwise(writer: _Writer, op: Op) -> None:
    _, height, width, filters = writer.shape(op.inputs[1])
    multiplier = filters // writer.shape(op.inputs[0])[-1]
    writer.with_kernel(op, "DepthwiseConv2D", {**_window(op, height, width), "depth_multiplier": multiplier})


def _dense(writer: _Writer, op: Op) -> None:
    if len(writer.shape(op.inputs[0])) != 2 or len(writer.shape(op.outputs[0])) != 2:
        raise unknown(op)
    writer.with_kernel(op, "Dense", {"units": writer.shape(op.inputs[1])[0]})


def _merge(kind: str) -> Callable[[_Writer, Op], None]:
    """Two computed tensors by a layer of that kind, one of them and a constant by scaling."""

    def row(writer: _Writer, op: Op) -> None:
        first, second = op.inputs
        if first in writer.at and second in writer.at:
            writer.add(op, kind, {}, [first, second])
        elif first in writer.at:
            _scaled(writer, op, kind)
        else:
            raise unknown(op)
        writer.activated(op)

    return row


def _scaled(writer: _Writer, op: Op, kind: str) -> None:
    value = writer.numbers(op, 1).astype(np.float64)
    if value.size != 1 and (value.size != value.shape[-1] or value.shape[-1] != writer.shape(op.inputs[0])[-1]):
        raise unknown(op)
    scale, offset = (value, 0 * value) if kind == "Multiply" else (value**0, -value if kind == "Subtract" else value)
    told = {"scale": scale, "offset": offset}
    if value.size == 1:
        writer.add(op, "Rescaling", {key: number.item() for key, number in told.items()})
    else:
        writer.add(op, "Rescaling", {key: numbers.reshape(-1).tolist() for key, numbers in told.items()})


def _mean(writer: _Writer, op: Op) -> None:
    source = writer.shape(op.inputs[0])
    if len(source) != 4 or sorted(axis % 4 for axis in writer.numbers(op, 1).ravel().tolist()) != [1, 2]:
        raise unknown(op)
    writer.add(op, "GlobalAveragePooling2D", {"keepdims": bool(op.option("keep_dims", False))})


def _pool(kind: str) -> Callable[[_Writer, Op], None]:
    def row(writer: _Writer, op: Op) -> None:
        size = [int(op.option("filter_height")), int(op.option("filter_width"))]
        writer.add(op, kind, {"pool_size": size, **_strides(op)})
        writer.activated(op)

    return row


def _pad(writer: _Writer, op: Op) -> None:
    pads = writer.numbers(op, 1).tolist()
    if len(pads) != 4 or any(pads[0]) or any(pads[3]):
        raise unknown(op)
    writer.add(op, "ZeroPadding2D", {"padding": pads[1:3]})


def _reshape(writer: _Writer, op: Op) -> None:
    writer.add(op, "Reshape", {"target_shape": list(writer.shape(op.outputs[0])[1:])})


def _concatenation(writer: _Writer, op: Op) -> None:
    if not all(index in writer.at for index in op.inputs):
        raise unknown(op)
    writer.add(op, "Concatenate", {"axis": int(op.option("axis", -1))}, op.inputs)
    writer.activated(op)


def _activation(writer: _Writer, op: Op) -> None:
    writer.activated(op, op.opcode)


#: Op → how it is written.
ROWS: Mapping[str, Callable[[_Writer, Op], None]] = {
    "ADD": _merge("Add"),
    "AVERAGE_POOL_2D": _pool("AveragePooling2D"),
    "CONCATENATION": _concatenation,
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _depthwise,
    "FULLY_CONNECTED": _dense,
    "MAX_POOL_2D": _pool("MaxPooling2D"),
    "MEAN": _mean,
    "MUL": _merge("Multiply"),
    "PAD": _pad,
    "RESHAPE": _reshape,
    "SUB": _merge("Subtract"),
    **dict.fromkeys(("ELU", "LOGISTIC", "RELU", "RELU6", "SOFTMAX", "TANH"), _activation),
}
