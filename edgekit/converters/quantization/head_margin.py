"""Room for what real images score, where ranges come from synthetic ones.

Synthetic images look like no class, so no class scores high on them: with a real user's classifier of flowers their
scores ended at 12, those of photographs at 46. What an image may score follows from the last weights: features x
that are R away from their mean m score at most w·m + b + R‖w‖ for a class of weights w, where x - m points along w
(Cauchy and Schwarz). R is the largest distance of 19 in 20 images: the largest of all may be one odd image's. No image
is all of one class, so that this end is too far as the one that was seen is too near; the range ends at their geometric
mean, which is off by the same factor either way.

Simulated on features of three backbones, on which its percentile was chosen (44 heads of 5 to 1000 classes, over-
fitted and regularised), scores saturated on 0.5 % of images: on 4.8 % without the margin, on 1.0 % with ranges of
real images. In agreement it cost a point on average, and up to twelve where a few features are far larger than the
rest, as in a hard B0. Measured on a backbone on which nothing was chosen (Lite1, whole conversions; flowers, leaves and
X-rays, each over-fitted and regularised): agreement 96.9 % without, 97.9 % with it; its ImageNet head 99.0 % either
way; heads of random weights, whose scores lie close together, 3 points less. Real images remain better.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from edgekit.calibration import Bounds, Observations, Sample
from edgekit.calibration.ranges import min_max
from edgekit.converters.quantization.scores import outputs_of
from edgekit.tflite.graph import Graph, Op
from edgekit.tflite.model import Model
from edgekit.tflite.ops import facts
from edgekit.tflite.patterns import computed_by
from edgekit.tflite.reader import constant
from edgekit.tflite.scores import score_tensor

# Part of the images whose features count as usual.
_MOST = 0.95

#: What the fused or separate activation behind a layer leaves of its ends.
_CUTS: dict[str, Bounds] = {"RELU": (0.0, np.inf), "RELU6": (0.0, 6.0), "RELU_N1_TO_1": (-1.0, 1.0)}


@dataclass(frozen=True)
class _Layer:
    """A dense layer of the head: its op, its weights (classes, features) and bias (classes,), in float64."""

    op: Op
    weights: np.ndarray
    bias: np.ndarray


def head_margins(model: Model, observations: Observations, images: Sequence[Sample]) -> dict[str, Bounds]:
    """Tensor name → the least that its range should hold; {} where the model does not end in dense layers.

    Args:
      model: the float model.
      observations: of its tensors on these images.
      images: synthetic ones.
    """
    graph = model.graph
    layers = list(reversed([*_head(graph)]))
    if not layers:
        return {}
    features = layers[0].op.inputs[0]
    values = np.stack(list(outputs_of(model, features, list(images))))
    if values.shape[1] != layers[0].weights.shape[1]:  # several rows at once
        return {}
    mean = values.mean(axis=0)
    radius = float(np.quantile(np.linalg.norm(values - mean, axis=1), _MOST))
    margins: dict[str, Bounds] = {}
    for layer in layers:
        middle = layer.weights @ mean + layer.bias
        reach = radius * np.linalg.norm(layer.weights, axis=1)
        ends = float((middle - reach).min()), float((middle + reach).max())
        margins.update(_margins(graph, layer.op, ends, observations))
        # Activations behind a layer bring no two points further apart than they were.
        radius *= float(np.linalg.norm(layer.weights, 2))
        mean = observations.tensors[graph.tensors[layer.op.outputs[0]].name].means
    return margins


def _head(graph: Graph) -> Iterator[_Layer]:
    """The dense layers that the scores come from, the last first, with nothing but activations between them."""
    op = computed_by(graph, score_tensor(graph).index)
    while op is not None and op.opcode == "FULLY_CONNECTED":
        weights, *bias = graph.op_inputs(op)[1:]
        if not all(tensor.is_constant and tensor.dtype == "float32" for tensor in (weights, *bias)):
            return
        matrix = constant(graph, weights).astype(np.float64)
        added = constant(graph, bias[0]).astype(np.float64).ravel() if bias else np.zeros(len(matrix))
        yield _Layer(op, matrix, added)
        op = computed_by(graph, op.inputs[0])
        while op is not None and op.opcode in _CUTS:
            op = computed_by(graph, op.inputs[0])


def _margins(graph: Graph, op: Op, ends: Bounds, observations: Observations) -> dict[str, Bounds]:
    """The margins of what a layer computes and of what hands it on or activates it, with the activations' cuts."""
    margins: dict[str, Bounds] = {}
    step: Op | None = op
    while step is not None:
        cut = _CUTS.get(step.opcode) or _CUTS.get(str(dict(step.options).get("fused_activation_function")))
        if cut:
            ends = min(max(ends[0], cut[0]), cut[1]), min(max(ends[1], cut[0]), cut[1])
        name = graph.tensors[step.outputs[0]].name
        seen = min_max(observations.tensors[name])
        margins[name] = _between(seen[0], ends[0]), _between(seen[1], ends[1])
        readers = graph.consumers(step.outputs[0])
        handed = len(readers) == 1 and (readers[0].opcode in _CUTS or facts(readers[0]).same_elements)
        step = readers[0] if handed else None
    return margins


def _between(seen: float, bound: float) -> float:
    """The geometric mean of an end that was seen and one that may be reached; the first where they differ in sign."""
    beyond = np.sign(seen) == np.sign(bound) and abs(bound) > abs(seen)
    return float(np.copysign(np.sqrt(seen * bound), seen)) if beyond else seen
