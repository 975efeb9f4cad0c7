"""Biases that do not fit into int32: channels that training has switched off.

A bias is stored in steps of input scale times weight scale. Where a channel's weights have all but vanished, so has
their scale, and its bias saturates; the accumulator then wraps around, and what should be a constant comes out as
noise. EfficientNet-Lite0 has one to seven such channels in every second layer. There the layers after ignore them;
in any model, kernels differ in what they make of an overflow.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from edgekit.tflite import Graph, Op, QuantParams, constant, names
from edgekit.tflite.ops import bias_of
from edgekit.tflite.patch import patched
from edgekit.tflite.quant import WEIGHT_LIMIT

#: Steps that a bias may take: half of int32's, which leaves the other half to the products (33 000 and more of them).
LARGEST_BIAS = 1 << 30


def fit_biases(graph: Graph, floats: Graph) -> Graph:
    """The int8 model with coarser weights in those channels whose bias would not fit otherwise.

    Next to such a bias the weights of its channel are nothing, so that their coarser steps cost nothing either.

    Args:
      graph: the int8 model that litert-quantizer wrote.
      floats: the float model it was made from, with tensors of the same names.
    """
    known = {tensor.name: tensor for tensor in floats.tensors if tensor.is_constant}
    quant: dict[int, QuantParams] = {}
    constants: dict[int, np.ndarray] = {}
    for op in graph.ops:
        if _overflows(graph, op):
            originals = (known[names.float_name(graph.tensors[index].name)] for index in op.inputs[1:3])
            weights, bias = (constant(floats, original) for original in originals)
            for index, params, steps in _requantized(graph, op, weights, bias):
                quant[index], constants[index] = params, steps
    return patched(graph, quant=quant, constants=constants) if quant else graph


def _overflows(graph: Graph, op: Op) -> bool:
    bias = bias_of(graph, op)
    if op.opcode == "TRANSPOSE_CONV" or bias is None or bias.dtype != "int32" or not bias.is_constant:
        return False
    return bool(np.abs(constant(graph, bias).astype(np.int64)).max() > LARGEST_BIAS)


def _requantized(
    graph: Graph, op: Op, weights: np.ndarray, bias: np.ndarray
) -> Iterator[tuple[int, QuantParams, np.ndarray]]:
    """Weights and bias of a layer (tensor index, scales, steps), with scales at which the bias fits."""
    source, kernel, offset = (graph.tensors[index] for index in op.inputs)
    assert source.quant is not None and kernel.quant is not None and offset.quant is not None
    (step,), scale = source.quant.scale, np.array(kernel.quant.scale)
    needed = np.abs(bias.astype(np.float64).ravel()) / (step * LARGEST_BIAS)
    scale = np.maximum(scale, needed if scale.size > 1 else np.max(needed)).astype(np.float32).astype(np.float64)
    shape = [1] * weights.ndim
    shape[kernel.quant.axis] = scale.size
    steps = np.rint(weights / scale.reshape(shape))
    coarser = replace(kernel.quant, scale=tuple(scale.tolist()))
    yield kernel.index, coarser, np.clip(steps, -WEIGHT_LIMIT, WEIGHT_LIMIT).astype(np.int8)
    biases = tuple((scale * step).astype(np.float32).tolist())
    yield offset.index, replace(offset.quant, scale=biases), np.rint(bias.ravel() / (scale * step)).astype(np.int32)
