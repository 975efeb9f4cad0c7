"""The last layer fitted anew to the features that it gets in int8.

What rounding does to the features is not only chance: ranges that clip pull them together, and channels are off in one
direction. The last layer can take that back. So the scores' errors on the calibration images are regressed on the int8
features, and what comes out is added to its weights and bias, which have the same number of steps as before.

There are fewer images than features, so the change is held small (ridge regression, A. Hoerl and R. Kennard,
Technometrics 12, 1970). How small, and whether to change anything, is decided by what each image's scores become where
it is left out of the fit, which needs no second one (D. Allen's PRESS, Technometrics 16, 1974). On 600 other images
the noise of a hard B0's scores fell by 1.5 dB, of an easy one's by 1.0, of Lite0's by 0.1.
"""

from dataclasses import dataclass

import numpy as np

from edgekit.converters.quantization.overflow import LARGEST_BIAS
from edgekit.converters.quantization.scores import mean_sqnr
from edgekit.tflite import names
from edgekit.tflite.graph import Graph, Op
from edgekit.tflite.ops import bias_of
from edgekit.tflite.patch import patched
from edgekit.tflite.patterns import computed_by
from edgekit.tflite.quant import WEIGHT_LIMIT
from edgekit.tflite.reader import constant
from edgekit.tflite.scores import score_tensor

#: How much a change of the weights costs, in mean variances of the features: from the least restraint to the most.
RESTRAINTS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
_DENSE = ("FULLY_CONNECTED", "CONV_2D")
#: With fewer images nothing is fitted.
FEWEST = 16


@dataclass(frozen=True)
class Head:
    """The last layer as it is to be.

    Attributes:
      weights: float64 (classes, features).
      features: float64 (features,): their mean in int8 …
      scores: float64 (classes,): … and what the mean scores shall be with it.
      gain_db: by how much the scores' SQNR rises on images that are left out of the fit.
    """

    weights: np.ndarray
    features: np.ndarray
    scores: np.ndarray
    gain_db: float


@dataclass(frozen=True)
class Layer:
    """A dense layer that ends a model: its op, its weights (classes, features) and bias (classes,), in float64."""

    op: Op
    weights: np.ndarray
    bias: np.ndarray


def last_layer(graph: Graph, floats: Graph) -> Layer | None:
    """The dense layer of an int8 model that computes its scores, with the numbers it has in the float model.

    A convolution of 1×1 is one. None where there is none with weights and a bias of its own, and no activation behind.
    """
    op = computed_by(graph, score_tensor(graph).index)
    if op is None or op.opcode not in _DENSE or dict(op.options)["fused_activation_function"] != "NONE":
        return None
    bias, kernel = bias_of(graph, op), graph.tensors[op.inputs[1]]
    if bias is None or bias.dtype != "int32" or kernel.dtype != "int8":
        return None
    if any(len(graph.consumers(tensor.index)) != 1 for tensor in (bias, kernel)):
        return None
    known = {tensor.name: tensor for tensor in floats.tensors if tensor.is_constant}
    weights, offset = (constant(floats, known[names.float_name(each.name)]) for each in (kernel, bias))
    return Layer(op, weights.reshape(len(weights), -1).astype(np.float64), offset.astype(np.float64).ravel())


def fit(layer: Layer, features: np.ndarray, expected: np.ndarray) -> Head | None:
    """The layer with which its scores come nearest to those expected; None where that does not help other images.

    Args:
      layer: from `last_layer`.
      features: float64 (images, features): what it gets in the int8 model.
      expected: float64 (images, classes): the float model's scores of the same images.
    """
    count = len(features)
    if count < FEWEST or features.shape[1] != layer.weights.shape[1]:
        return None
    middle = features.mean(axis=0)
    spread, missing = features - middle, expected - features @ layer.weights.T - layer.bias
    offset = missing.mean(axis=0)
    powers, axes = np.linalg.eigh(spread @ spread.T)
    before = mean_sqnr(expected, expected - missing)
    best, restraint = max((_left_out(powers, axes, expected, missing, each), each) for each in RESTRAINTS)
    if best <= before:
        return None
    inverse = (axes / (powers + restraint * powers.mean())) @ axes.T
    weights = layer.weights + (inverse @ (missing - offset)).T @ spread
    return Head(weights, middle, expected.mean(axis=0), best - before)


def _left_out(
    powers: np.ndarray, axes: np.ndarray, expected: np.ndarray, missing: np.ndarray, restraint: float
) -> float:
    """The mean SQNR of the scores, in dB, each image's with a layer that was fitted to all others."""
    fitted = (axes * (powers / (powers + restraint * powers.mean()))) @ axes.T
    own = np.diag(fitted) + 1 / len(fitted)
    centred = missing - missing.mean(axis=0)
    left = (centred - fitted @ centred) / np.maximum(1 - own, 1e-6)[:, None]
    return mean_sqnr(expected, expected - left)


def with_head(graph: Graph, floats: Graph, head: Head) -> Graph:
    """The int8 model with its last layer's weights and bias as fitted, in the steps that they have."""
    layer = last_layer(graph, floats)
    assert layer is not None
    kernel, bias = (graph.tensors[index] for index in layer.op.inputs[1:3])
    assert kernel.quant is not None and bias.quant is not None
    scale = np.array(kernel.quant.scale).reshape(-1, 1)
    steps = np.clip(np.rint(head.weights / scale), -WEIGHT_LIMIT, WEIGHT_LIMIT)
    offset = (head.scores - steps * scale @ head.features) / np.array(bias.quant.scale)
    biases = np.rint(np.clip(offset, -LARGEST_BIAS, LARGEST_BIAS)).astype(np.int32)
    return patched(graph, constants={kernel.index: steps.astype(np.int8).reshape(kernel.shape), bias.index: biases})
