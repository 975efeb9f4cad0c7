"""A classifier's head: how its scores come from its last feature map."""

from dataclasses import dataclass

import numpy as np

from edgekit.errors import ModelError
from edgekit.tflite.graph import Graph, Op, Tensor
from edgekit.tflite.ops import weights_of
from edgekit.tflite.part import ops_between
from edgekit.tflite.patterns import computed_by, fused, score_head
from edgekit.tflite.quant import real_values
from edgekit.tflite.reader import constant

#: A head has no more ops than this: what follows the patches of a transformer is no head, but the model.
_MOST_OPS = 32


@dataclass(frozen=True)
class Part:
    """What one feature map does to the scores.

    Attributes:
      features: the tensor (1, height, width, channels).
      weights: float64 (classes, height or 1, width or 1, channels): by how much a score grows with each feature, where
        that is the same for all images: the scores are sums. Else None.
    """

    features: int
    weights: np.ndarray | None


@dataclass(frozen=True)
class Head:
    """The end of a classifier.

    Attributes:
      scores: the tensor that the classes are decided by.
      parts: the feature maps whose terms, and a bias, are the scores; of several all have weights, a single one may
        decide the scores in another way. () where there are none.
    """

    scores: int
    parts: tuple[Part, ...]

    @property
    def sums(self) -> bool:
        """Whether scores are sums over positions."""
        return bool(self.parts) and all(part.weights is not None for part in self.parts)


def find_head(graph: Graph) -> Head:
    """The head of a classifier, float or quantized."""
    scores = score_head(graph).scores
    return Head(scores, _depths(graph, scores) or _only(graph, scores))


def _only(graph: Graph, scores: int) -> tuple[Part, ...]:
    """The last feature map, where it alone decides the scores."""
    features = _last_map(graph, scores)
    return () if features is None else (Part(features, _weights(graph, features, scores)),)


def _depths(graph: Graph, scores: int) -> tuple[Part, ...]:
    """The parts of scores that are a sum of layers, each on the means of a map of its own; () for others."""
    waiting, found = [scores], list[Part]()
    while waiting:
        op = computed_by(graph, waiting.pop())
        if op is not None and op.opcode == "ADD" and not fused(op) and len(waiting) + len(found) < _MOST_OPS:
            waiting += op.inputs
            continue
        matrix = None if op is None else _matrix(graph, op)
        pool = None if op is None or matrix is None else computed_by(graph, op.inputs[0])
        if matrix is None or pool is None or not _is_mean(graph, pool):
            return ()
        height, width = graph.tensors[pool.inputs[0]].shape[1:3]
        found.append(Part(pool.inputs[0], matrix[:, np.newaxis, np.newaxis, :] / (height * width)))
    return tuple(found) if len(found) > 1 else ()


def _last_map(graph: Graph, scores: int) -> int | None:
    """The last feature map that is all that the scores need."""
    last = graph.producer(scores)
    for op in reversed(graph.ops[: last.index] if last else ()):
        for index in op.outputs:
            if _is_map(graph.tensors[index]) and _decides(graph, index, scores):
                return index
    return None


def _is_map(tensor: Tensor) -> bool:
    return len(tensor.shape) == 4 and tensor.shape[0] == 1 and tensor.shape[1] * tensor.shape[2] > 1


def _decides(graph: Graph, features: int, scores: int) -> bool:
    try:
        return len(ops_between(graph, [features], [scores])) <= _MOST_OPS
    except ModelError:  # there is another way from the image to the scores
        return False


def _weights(graph: Graph, features: int, scores: int) -> np.ndarray | None:
    """Weights of a head that pools, or takes the positions in a row, and has one layer of weights or none."""
    _, height, width, channels = graph.tensors[features].shape
    layer, below = computed_by(graph, scores), scores
    matrix = None if layer is None else _matrix(graph, layer)
    if layer is not None and matrix is not None:
        below = layer.inputs[0]
    if matrix is None:
        matrix = np.eye(channels)
    if _same_values(graph, below, features):
        return matrix.reshape(-1, height, width, channels) if matrix.shape[1] == height * width * channels else None
    pool = computed_by(graph, below)
    if pool is None or not _is_mean(graph, pool) or not _same_values(graph, pool.inputs[0], features):
        return None
    return matrix[:, np.newaxis, np.newaxis, :] / (height * width)


def _matrix(graph: Graph, op: Op) -> np.ndarray | None:
    """(outputs, inputs) of a layer that takes all of its input at once, its weights constant, no activation behind."""
    tensor = weights_of(graph, op)
    if tensor is None or fused(op) or op.opcode not in ("FULLY_CONNECTED", "CONV_2D"):
        return None
    before = graph.producer(tensor.index)
    if before is not None and before.opcode == "DEQUANTIZE":  # float16 weights
        tensor = graph.tensors[before.inputs[0]]
    if not tensor.is_constant or (op.opcode == "CONV_2D" and not _covers_all(graph, op, tensor)):
        return None
    values = real_values(constant(graph, tensor), tensor)
    return values.reshape(len(values), -1).astype(np.float64)


def _covers_all(graph: Graph, op: Op, weights: Tensor) -> bool:
    """Whether a convolution sees all positions at once."""
    whole = weights.shape[1:3] == graph.tensors[op.inputs[0]].shape[1:3]
    return whole and (op.option("padding") == "VALID" or weights.shape[1:3] == (1, 1))


def _same_values(graph: Graph, tensor: int, features: int) -> bool:
    """Whether a tensor holds a feature map's values in the map's order."""
    if tensor == features:
        return True
    size, op = graph.tensors[features].elements, computed_by(graph, tensor)
    return op is not None and op is computed_by(graph, features) and graph.tensors[tensor].elements == size


def _is_mean(graph: Graph, op: Op) -> bool:
    """Whether it averages each channel over all positions, and does nothing else."""
    given = graph.tensors[op.inputs[0]].shape
    if len(given) != 4 or fused(op):
        return False
    if op.opcode == "AVERAGE_POOL_2D":
        whole = (op.option("filter_height"), op.option("filter_width")) == given[1:3]
        return whole and graph.tensors[op.outputs[0]].shape[1:3] == (1, 1)
    axes = graph.tensors[op.inputs[1]] if op.opcode == "MEAN" else None
    return axes is not None and axes.is_constant and {int(a) % 4 for a in constant(graph, axes).ravel()} == {1, 2}
