"""A `.tflite` of a single op, for tests of rules about one op."""

import numpy as np

from tests.support.build import GraphBuilder

#: Quantization of 8-bit tensors: (scale, zero point).
Q = (0.5, 0)


def activation(*shape, dtype="int8"):
    """An input of the model: (shape, dtype, quantization)."""
    return shape, dtype, None if dtype.startswith("float") else Q


def one_op(opcode, *inputs, out=None, options=None, version=1):
    """The file's bytes. `inputs` are activations, numpy arrays (constants), (array, quantization) or None (left out);
    `out` is an activation too, by default the first input's twin."""
    graph = GraphBuilder()
    tensors = [_tensor(graph, value) for value in inputs]
    shape, dtype, quant = out or next(value for value in inputs if isinstance(value, tuple) and len(value) == 3)
    return graph.finish([graph.op(opcode, tensors, shape, dtype, quant=quant, options=options, version=version)])


def _tensor(graph, value):
    if value is None:
        return -1
    if isinstance(value, np.ndarray):
        return graph.constant(value, quant=Q)
    if isinstance(value[0], np.ndarray):
        return graph.constant(value[0], quant=value[1])
    shape, dtype, quant = value
    return graph.input(shape, dtype, quant=quant)
