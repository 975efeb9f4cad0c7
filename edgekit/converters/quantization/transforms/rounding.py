"""Taking back what the rounding of the weights does, as far as that needs no training.

A channel's rounded weights differ from its true ones by errors that add up where the inputs share a sign or resemble
each other. Two remedies cost nothing at run time:

- *Depthwise weights* meet neighbouring pixels, which are much alike: their errors are chosen to cancel within a kernel,
  some weights being rounded to the other side.
- *Biases*, which int8 layers hold in 32 bits, take up what then remains on average, error · mean input (bias
  correction: M. Nagel et al., «Data-free quantization through weight equalization and bias correction», ICCV 2019,
  section 4.2, with observed means in the place of inferred ones).
"""

from functools import lru_cache

import numpy as np

from edgekit.calibration.observe import Observations
from edgekit.converters.quantization.overflow import LARGEST_BIAS
from edgekit.tflite import names
from edgekit.tflite.graph import Graph, Op
from edgekit.tflite.ops import bias_of
from edgekit.tflite.patch import patched
from edgekit.tflite.quant import WEIGHT_LIMIT, dequantize
from edgekit.tflite.reader import constant

#: Correlation of neighbouring values in a feature map. The rounding hardly depends on it: 0.5 does as well.
CORRELATION = 0.9
#: The layers whose weights this knows to relate to the channels of their input.
_LAYERS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")


def correct_rounding(graph: Graph, floats: Graph, observations: Observations) -> Graph:
    """The int8 model with depthwise weights whose errors cancel, and with every channel's mean as in the float model.

    Padding is not accounted for: the mean input is taken to be the same below all of a kernel's weights.

    Args:
      graph: the int8 model.
      floats: the float model it was made from, with tensors of the same names.
      observations: of the float model.
    """
    constants: dict[int, np.ndarray] = {}
    for op in (op for op in graph.ops if op.opcode in _LAYERS and _has_own_bias(graph, op)):
        layers = _readers(floats, names.float_name(graph.tensors[op.inputs[1]].name))
        means = observations.tensors.get(floats.tensors[layers[0].inputs[0]].name) if len(layers) == 1 else None
        if means is None:
            continue  # weights that several layers share have no one mean input
        weights = constant(floats, floats.tensors[layers[0].inputs[1]])
        kernel, steps = op.inputs[1], _rounded(graph, op, weights)
        quant = graph.tensors[kernel].quant
        assert quant is not None
        constants[kernel] = steps
        real = dequantize(steps, quant.scale, quant.zero_point, quant.axis)
        shift = mean_shift(op.opcode, weights, real, means.means)
        if shift is not None:
            constants[op.inputs[2]] = _corrected_bias(graph, op.inputs[2], shift)
    return patched(graph, constants=constants)


def cancelled(kernel: np.ndarray) -> np.ndarray:
    """Depthwise weights rounded so that their errors add up to little on neighbouring values that are alike.

    Of weights that lie between two steps, the one whose other step lowers the expected power of the channel's error
    most is changed, as long as there is one.

    Args:
      kernel: float (height, width, channels), in steps.

    Returns:
      float64 whole numbers of the same shape, each at most a step away from its weight.
    """
    return _cancelled(np.ascontiguousarray(kernel, np.float64).tobytes(), kernel.shape)


# A search asks for the same kernels with every candidate.
@lru_cache(maxsize=128)
def _cancelled(content: bytes, shape: tuple[int, ...]) -> np.ndarray:
    kernel = np.frombuffer(content, np.float64).reshape(shape)
    places = np.argwhere(np.ones(kernel.shape[:2]))
    distances = np.sqrt(np.square(places[:, None] - places).sum(axis=-1))
    alike = CORRELATION**distances
    real = kernel.reshape(len(places), -1).T.astype(np.float64)
    steps, channels = np.rint(real), np.arange(len(real))
    for _ in places:
        errors = steps - real
        other = np.where(errors > 0, -1.0, 1.0)
        change = 2 * other * (errors @ alike) + 1  # of the power, errors · alike · errors
        change[(np.abs(steps + other) > WEIGHT_LIMIT) | (np.abs(errors + other) > 1)] = 0
        best = change.argmin(axis=1)
        lower = change[channels, best] < 0
        if not lower.any():
            break
        steps[channels[lower], best[lower]] += other[channels[lower], best[lower]]
    return np.asarray(steps.T.reshape(kernel.shape))


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
    return [op for op in graph.ops if op.opcode in _LAYERS and graph.tensors[op.inputs[1]].name == weights]


def _has_own_bias(graph: Graph, op: Op) -> bool:
    bias = bias_of(graph, op)
    return bias is not None and bias.dtype == "int32" and len(graph.consumers(bias.index)) == 1


def _rounded(graph: Graph, op: Op, weights: np.ndarray) -> np.ndarray:
    """The layer's weights in steps, int8 (…) of their shape; those of depthwise layers are rounded anew."""
    tensor = graph.tensors[op.inputs[1]]
    if op.opcode != "DEPTHWISE_CONV_2D" or tensor.shape[1:3] == (1, 1):
        return constant(graph, tensor)
    assert tensor.quant is not None
    return cancelled(weights[0] / np.array(tensor.quant.scale))[None].astype(np.int8)


def _corrected_bias(graph: Graph, index: int, shift: np.ndarray) -> np.ndarray:
    """The bias in steps, int32 (out,), less what rounding the weights adds to each channel's mean."""
    bias = graph.tensors[index]
    assert bias.quant is not None
    corrected = constant(graph, bias) - shift / np.array(bias.quant.scale)
    steps: np.ndarray = np.rint(np.clip(corrected, -LARGEST_BIAS, LARGEST_BIAS)).astype(np.int32)
    return steps
