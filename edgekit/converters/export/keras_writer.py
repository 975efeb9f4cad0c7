"""Keras layers as plain data, one after the other: what the rows that write a graph's ops have in common."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from edgekit.errors import UnsupportedModelError
from edgekit.models.plan import Layer
from edgekit.tflite.graph import Graph, Op
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
      op: what reads them: the kernel, or the slopes, as its second input, the bias, if there is one, as its third.
    """

    kind: str
    op: Op


def graph_weights(weights: np.ndarray, kind: str, shape: Sequence[int]) -> np.ndarray:
    """A Keras layer's kernel as the graph has it, in a tensor of this shape."""
    if kind not in _AXES:  # slopes of a PReLU
        return np.ascontiguousarray(weights, np.float32).reshape(tuple(shape))
    if kind == "DepthwiseConv2D":  # channels in and out for each of them are one axis
        weights = weights.reshape(*weights.shape[:2], 1, -1)
        return np.ascontiguousarray(weights.transpose(2, 0, 1, 3), np.float32).reshape(tuple(shape))
    turned = weights.transpose(np.argsort(_AXES[kind]))
    return np.ascontiguousarray(turned, np.float32).reshape(tuple(shape))


def unknown(op: Op) -> UnsupportedModelError:
    """What to raise for an op that has no row here, or not in this form."""
    return UnsupportedModelError(f"There is no Keras layer for the op {op.custom or op.opcode}.")


@dataclass
class KerasWriter:
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
        options = {**options, "use_bias": bool(bias), "activation": "linear"}
        self.with_weights(op, kind, options, (np.ascontiguousarray(kernel), *(value.reshape(-1) for value in bias)))
        self.activated(op)

    def with_weights(self, op: Op, kind: str, options: Mapping[str, object], weights: tuple[np.ndarray, ...]) -> None:
        """A layer with these weights, which the op reads after its first input."""
        layer = self.add(op, kind, options)
        self.weights[layer.name], self.kernels[layer.name] = weights, Kernel(kind, op)

    def then(self, op: Op, kind: str, options: Mapping[str, object], before: Layer | None = None) -> Layer:
        """A layer on the op's first input, or on a layer that was written for it, of the same shape."""
        inputs = (before or self.at[op.inputs[0]]).name
        made = self.at[op.outputs[0]] = self.layer(kind, (inputs,), self.shape(op.inputs[0])[1:], options)
        return made

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
