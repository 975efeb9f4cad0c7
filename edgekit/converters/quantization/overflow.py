"""Biases that do not fit into int32: channels that training has switched off.

A bias is stored in steps of input scale times weight scale. Where a channel's weights have all but vanished, so has
their scale, and its bias saturates; the accumulator then wraps around, and what should be a constant comes out as
noise. EfficientNet-Lite0 has one to seven such channels in every second layer. There the layers after ignore them;
in any model, kernels differ in what they make of an overflow.
"""

import re
from typing import Any

import numpy as np

from edgekit.tflite import edit, read_graph
from edgekit.tflite.graph import Graph, Op
from edgekit.tflite.quant import WEIGHT_LIMIT
from edgekit.tflite.reader import constant

#: Steps that a bias may take: half of int32's, which leaves the other half to the products (33 000 and more of them).
LARGEST_BIAS = 1 << 30

#: What litert-quantizer appends to the name of a constant that several ops share, once each has its own steps.
_DUPLICATED = re.compile(r"_duplicated_\d+$")

#: The ops that can have one, as their third input.
WITH_BIAS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")


def fit_biases(content: bytes, original: bytes) -> bytes:
    """The int8 model with coarser weights in those channels whose bias would not fit otherwise.

    Next to such a bias the weights of its channel are nothing, so that their coarser steps cost nothing either.

    Args:
      content: the int8 model that litert-quantizer wrote.
      original: the float model it was made from, with tensors of the same names.
    """
    graph, floats = read_graph(content), read_graph(original)
    known = {tensor.name: tensor for tensor in floats.tensors if tensor.is_constant}
    wide = [op for op in graph.ops if op.opcode in WITH_BIAS and _overflows(graph, op)]
    if not wide:
        return content
    model = edit.unpack(content)
    for op in wide:
        weights, bias = (constant(floats, known[float_name(graph, index)]) for index in op.inputs[1:3])
        _requantize(model, op, weights, bias)
    return edit.pack(model)


def float_name(graph: Graph, index: int) -> str:
    """The name that a tensor of the int8 model has in the float model it was made from."""
    return _DUPLICATED.sub("", graph.tensors[index].name)


def _overflows(graph: Graph, op: Op) -> bool:
    bias = graph.tensors[op.inputs[2]] if len(op.inputs) > 2 and op.inputs[2] >= 0 else None
    if bias is None or bias.dtype != "int32" or not bias.is_constant:
        return False
    return bool(np.abs(constant(graph, bias).astype(np.int64)).max() > LARGEST_BIAS)


def _requantize(model: Any, op: Op, weights: np.ndarray, bias: np.ndarray) -> None:
    """Stores weights and bias anew, with scales at which the bias fits."""
    tensors = model.subgraphs[0].tensors
    source, kernel, offset = (tensors[index] for index in op.inputs[:3])
    step = float(source.quantization.scale[0])
    scale = np.asarray(kernel.quantization.scale, np.float64)
    needed = np.abs(bias.astype(np.float64).ravel()) / (step * LARGEST_BIAS)
    scale = np.maximum(scale, needed if scale.size > 1 else np.max(needed)).astype(np.float32)
    shape = [1] * weights.ndim
    shape[kernel.quantization.quantizedDimension] = scale.size
    steps = np.rint(weights / scale.astype(np.float64).reshape(shape))
    kernel.quantization.scale = scale
    offset.quantization.scale = (scale.astype(np.float64) * step).astype(np.float32)
    store(model, kernel, np.clip(steps, -WEIGHT_LIMIT, WEIGHT_LIMIT).astype(np.int8))
    store(model, offset, np.rint(bias.ravel() / (scale.astype(np.float64) * step)).astype(np.int32))


def store(model: Any, tensor: Any, values: np.ndarray) -> None:
    """Gives a constant tensor of the edited model new values, of the type that it has."""
    model.buffers[tensor.buffer].data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
