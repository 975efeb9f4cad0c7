"""Bias correction: taking back what the rounding of the weights shifts a layer's mean output by.

A channel's rounded weights differ from its true ones by errors that do not cancel where the inputs share a sign, as
after ReLU6: on average over the pictures its output is off by error · mean input. The bias, which int8 layers hold
in 32 bits, takes that up exactly and for nothing (M. Nagel et al., «Data-free quantization through weight equalization
and bias correction», ICCV 2019, section 4.2, with observed means in the place of inferred ones).
"""

from typing import Any

import numpy as np

from edgekit.calibration.observe import Observations
from edgekit.converters.overflow import LARGEST_BIAS, WITH_BIAS, float_name, store
from edgekit.tflite import edit, read_graph
from edgekit.tflite.graph import Graph, Op
from edgekit.tflite.quant import dequantize
from edgekit.tflite.reader import constant


def correct_biases(content: bytes, original: bytes, observations: Observations) -> bytes:
    """The int8 model with biases that give every channel of its layers the mean that the float weights give it.

    Padding is not accounted for: the mean input is taken to be the same below all of a kernel's weights.

    Args:
      content: the int8 model.
      original: the float model it was made from, with tensors of the same names.
      observations: of the float model.
    """
    graph, floats = read_graph(content), read_graph(original)
    model = edit.unpack(content)
    for op in (op for op in graph.ops if op.opcode in WITH_BIAS and _has_own_bias(graph, op)):
        layers = _readers(floats, float_name(graph, op.inputs[1]))
        means = observations.tensors.get(floats.tensors[layers[0].inputs[0]].name) if len(layers) == 1 else None
        if means is None:
            continue  # weights that several layers share have no one mean input
        weights = constant(floats, floats.tensors[layers[0].inputs[1]])
        shift = mean_shift(op.opcode, weights, _rounded(graph, op), means.means)
        if shift is not None:
            _take_back(model, op, shift)
    return edit.pack(model)


def mean_shift(opcode: str, weights: np.ndarray, rounded: np.ndarray, means: np.ndarray) -> "np.ndarray | None":
    """By how much rounding the weights moves the mean of each output channel: float64 (out,).

    Args:
      opcode: CONV_2D, DEPTHWISE_CONV_2D or FULLY_CONNECTED.
      weights, rounded: of that op's shape in TFLite.
      means: (in,), the mean of each input channel; None is returned where these are not the weights' own.
    """
    error = np.subtract(rounded, weights, dtype=np.float64)
    if opcode == "DEPTHWISE_CONV_2D":
        repeats, rest = divmod(error.shape[-1], means.size)
        return None if rest else error.sum(axis=(0, 1, 2)) * np.repeat(means, repeats)
    if error.shape[-1] != means.size:
        return None  # a grouped convolution, or a dense layer on a flattened map
    return np.asarray(error.reshape(len(error), -1, means.size).sum(axis=1) @ means)


def _readers(graph: Graph, weights: str) -> list[Op]:
    return [op for op in graph.ops if op.opcode in WITH_BIAS and graph.tensors[op.inputs[1]].name == weights]


def _has_own_bias(graph: Graph, op: Op) -> bool:
    index = op.inputs[2] if len(op.inputs) > 2 else -1
    readers = [other for other in graph.ops if index in other.inputs]
    return index >= 0 and graph.tensors[index].dtype == "int32" and len(readers) == 1


def _rounded(graph: Graph, op: Op) -> np.ndarray:
    tensor = graph.tensors[op.inputs[1]]
    assert tensor.quant is not None
    return dequantize(constant(graph, tensor), tensor.quant.scale, tensor.quant.zero_point, tensor.quant.axis)


def _take_back(model: Any, op: Op, shift: np.ndarray) -> None:
    bias = model.subgraphs[0].tensors[op.inputs[2]]
    steps = edit.array(model, bias)
    assert steps is not None
    corrected = steps - shift / np.asarray(bias.quantization.scale, np.float64)
    store(model, bias, np.rint(np.clip(corrected, -LARGEST_BIAS, LARGEST_BIAS)).astype(np.int32))
