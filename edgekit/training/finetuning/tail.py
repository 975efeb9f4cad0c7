"""A classifier in two for fine-tuning: the front, which stays as it is, and the tail, whose weights are trained.

The cut is where few numbers pass, so that what the front makes of an image can be kept on disk. Batch normalizations
are frozen: they were folded into the weights when the base was exported.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from edgekit.converters.export.as_keras import KerasGraph, as_keras
from edgekit.converters.export.keras_writer import graph_weights
from edgekit.errors import UnsupportedModelError
from edgekit.tflite import Graph
from edgekit.tflite.editor import Editor
from edgekit.tflite.graph import Op
from edgekit.tflite.model import Model
from edgekit.tflite.part import extract, ops_between
from edgekit.tflite.patterns import score_head

#: Share of the multiply-adds that the tail has, at least and at most. On Lite0 this is its last three stages.
_LEAST, _MOST = 1 / 2, 3 / 4
_WITH_WEIGHTS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")

#: Weights by layer, in Keras' order.
Weights = Mapping[str, tuple[np.ndarray, ...]]


@dataclass(frozen=True)
class Tail:
    """A classifier, cut.

    Attributes:
      model: the whole of it.
      front: the graph from the image to the tensors at the cut.
      shapes: of these tensors, without the batch.
      keras: the tail as a Keras model, from the tensors at the cut to the scores before softmax.
      share: of the classifier's multiply-adds that are the tail's, 0–1.
    """

    model: Model
    front: Graph
    shapes: tuple[tuple[int, ...], ...]
    keras: KerasGraph
    share: float

    @property
    def width(self) -> int:
        """How many numbers pass the cut."""
        return sum(map(prod, self.shapes))

    @property
    def weights(self) -> Weights:
        """Those that training starts from."""
        return self.keras.network.weights


def tail_of(model: Model) -> Tail:
    """Cuts a classifier.

    Raises:
      UnsupportedModelError: the tail has an op that Keras has no layer for.
    """
    graph = model.graph
    scores = score_head(graph).scores
    cut, share = _cut(graph, ops_between(graph, graph.inputs, [scores]))
    try:
        keras = as_keras(graph, cut, [scores])
    except UnsupportedModelError as error:
        raise UnsupportedModelError(
            f"The base cannot be fine-tuned: {error.message}", "Leave --finetune away, or give another --base."
        ) from error
    shapes = tuple(graph.tensors[index].shape[1:] for index in cut)
    return Tail(model, extract(graph, graph.inputs, cut), shapes, keras, share)


def with_weights(tail: Tail, weights: Weights) -> Model:
    """The classifier with these weights in its tail."""
    graph, editor = tail.model.graph, Editor(tail.model.graph)
    for name, kernel in tail.keras.kernels.items():
        for position, value in enumerate(weights[name], 1):
            tensor = graph.tensors[kernel.op.inputs[position]]
            value = graph_weights(value, kernel.kind, tensor.shape) if position == 1 else value.reshape(tensor.shape)
            # Not in place: converters let layers share a constant where their numbers happened to be the same.
            editor.set_constant_input(kernel.op, position, tensor.name, value.astype(np.float32))
    editor.drop_unused()
    return Model(editor.finish(), tail.model.spec, tail.model.output, tail.model.labels)


def _cut(graph: Graph, ops: Sequence[Op]) -> tuple[list[int], float]:
    """(the tensors that pass the best place to cut, share of the multiply-adds behind it)."""
    work = np.array([_macs(graph, op) for op in ops], np.float64)
    behind = work[::-1].cumsum()[::-1] / max(work.sum(), 1)
    computed, found = set(graph.inputs), list[tuple[float, int, int, list[int]]]()
    for place, op in enumerate(ops):
        if behind[place] > 0:
            passing = sorted(computed & {index for later in ops[place:] for index in later.inputs})
            away = max(_LEAST - behind[place], behind[place] - _MOST, 0.0)
            numbers = sum(graph.tensors[index].elements for index in passing)
            found.append((away, numbers, -place, passing))
        computed |= set(op.outputs)
    _, _, place, passing = min(found)
    return passing, float(behind[-place])


def _macs(graph: Graph, op: Op) -> int:
    """Multiply-adds of an op."""
    if op.opcode not in _WITH_WEIGHTS:
        return 0
    weights, output = graph.tensors[op.inputs[1]], graph.tensors[op.outputs[0]]
    return weights.elements * prod(output.shape[1:-1])
