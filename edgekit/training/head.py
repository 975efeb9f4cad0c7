"""A classifier in two: the backbone that makes features of an image, and the head that makes classes of features."""

from dataclasses import dataclass, replace

import numpy as np

from edgekit.errors import UnsupportedModelError
from edgekit.preprocess import InputSpec
from edgekit.tflite import Graph, names
from edgekit.tflite.editor import Editor
from edgekit.tflite.model import Model
from edgekit.tflite.part import extract, ops_between
from edgekit.tflite.patterns import computed_by, score_head
from edgekit.training.reading import digest


@dataclass(frozen=True)
class Backbone:
    """A classifier up to what its last layer reads.

    Attributes:
      graph: float, one image in, one tensor of features out.
      spec: the preprocessing that belongs to it.
      width: how many features.
      digest: of graph and preprocessing: what features depend on, apart from the image.
    """

    graph: Graph
    spec: InputSpec
    width: int
    digest: str


def features_of(graph: Graph) -> int:
    """The tensor that a classifier's last layer of weights reads; of a model without one its output.

    Raises:
      UnsupportedModelError: that tensor is no list of features.
    """
    index = score_head(graph).scores
    op = computed_by(graph, index)
    if op is not None and op.opcode in ("FULLY_CONNECTED", "CONV_2D"):
        index = op.inputs[0]
    tensor = graph.tensors[index]
    if tensor.dtype != "float32" or tensor.elements != tensor.shape[-1] or tensor.elements < 2:
        raise UnsupportedModelError(
            f"The base has no list of features before its classes, but {tensor.dtype} {list(tensor.shape)}.",
            "Give a float image classifier that ends with global pooling and a dense layer.",
        )
    return index


def backbone(model: Model) -> Backbone:
    """The model without its head. Raises UnsupportedModelError as `features_of`."""
    features = features_of(model.graph)
    part = extract(model.graph, model.graph.inputs, [features])
    known = digest(part.content + repr(model.spec.to_json()).encode())
    return Backbone(part, model.spec, model.graph.tensors[features].elements, known)


def with_head(model: Model, weights: np.ndarray, bias: np.ndarray, labels: tuple[str, ...]) -> Model:
    """The model with another head: a dense layer on its features, and a softmax.

    Args:
      weights: float32 (classes, features).
      bias: float32 (classes,).
      labels: names of the classes.
    """
    features, shape = features_of(model.graph), (1, len(bias))
    editor = Editor(model.graph)
    kept = {op.index for op in ops_between(model.graph, model.graph.inputs, [features])}
    editor.remove(op for op in model.graph.ops if op.index not in kept)
    logits, scores = editor.add_tensor(names.HEAD_LOGITS, shape), editor.add_tensor(names.HEAD_PROBABILITIES, shape)
    constants = [editor.add_constant(names.HEAD_WEIGHTS, weights), editor.add_constant(names.HEAD_BIAS, bias)]
    dense = editor.insert_after(editor.producer(features), "FULLY_CONNECTED", [features, *constants], [logits])
    editor.insert_after(dense, "SOFTMAX", [logits], [scores], {"beta": 1.0})
    editor.set_outputs([scores])
    editor.drop_description()
    editor.drop_unused()
    return replace(model, graph=editor.finish(), output="probabilities", labels=labels)
