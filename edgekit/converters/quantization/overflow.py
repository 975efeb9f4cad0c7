"""Biases that do not fit into int32: channels that training has switched off.

A bias is stored in steps of input scale times weight scale. Where a channel's weights have all but vanished, so has
their scale, and its bias saturates; the accumulator then wraps around, and what should be a constant comes out as
noise. EfficientNet-Lite0 has one to seven such channels in every second layer. There the layers after ignore them;
in any model, kernels differ in what they make of an overflow.
"""

import numpy as np

from edgekit.tflite import Graph, Op, QuantParams, constant, names
from edgekit.tflite.editor import Editor
from edgekit.tflite.ops import bias_of
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
    if not overflowing(graph):
        return graph
    editor = Editor(graph)
    fit(editor, floats)
    return editor.finish()


def fit(editor: Editor, floats: Graph) -> None:
    """The same within an editor, on the graph as it was read."""
    graph = editor.graph
    known = {tensor.name: tensor for tensor in floats.tensors if tensor.is_constant}
    for op in overflowing(graph):
        weights, bias = (
            constant(floats, known[names.float_name(graph.tensors[index].name)]) for index in op.inputs[1:3]
        )
        _requantize(editor, op, weights, bias)


def overflowing(graph: Graph) -> tuple[Op, ...]:
    """The ops of an int8 model with a bias that leaves no room for the products."""
    return tuple(op for op in graph.ops if _overflows(graph, op))


def _overflows(graph: Graph, op: Op) -> bool:
    bias = bias_of(graph, op)
    if op.opcode == "TRANSPOSE_CONV" or bias is None or bias.dtype != "int32" or not bias.is_constant:
        return False
    return bool(np.abs(constant(graph, bias).astype(np.int64)).max() > LARGEST_BIAS)


def _requantize(editor: Editor, op: Op, weights: np.ndarray, bias: np.ndarray) -> None:
    """Stores weights and bias anew, with scales at which the bias fits."""
    source, kernel, offset = (editor.tensors[index] for index in op.inputs[:3])
    assert source.quant and kernel.quant and offset.quant
    step, scale = source.quant.scale[0], np.asarray(kernel.quant.scale, np.float64)
    needed = np.abs(bias.astype(np.float64).ravel()) / (step * LARGEST_BIAS)
    scale = np.maximum(scale, needed if scale.size > 1 else np.max(needed)).astype(np.float32)
    shape = [1] * weights.ndim
    shape[kernel.quant.axis] = scale.size
    steps = np.rint(weights / scale.astype(np.float64).reshape(shape))
    products = scale.astype(np.float64) * step
    kept = np.clip(steps, -WEIGHT_LIMIT, WEIGHT_LIMIT).astype(np.int8)
    editor.set_constant(kernel.index, kept, _scaled(kernel.quant, scale))
    shifted = np.rint(bias.ravel() / products).astype(np.int32)
    editor.set_constant(offset.index, shifted, _scaled(offset.quant, products.astype(np.float32)))


def _scaled(quant: QuantParams, scale: np.ndarray) -> QuantParams:
    return QuantParams(tuple(scale.tolist()), quant.zero_point, quant.axis)
