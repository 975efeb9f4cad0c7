"""A classifier in two: the backbone that makes features of an image, and the head that makes classes of features.

Features are what the classifier's last layer reads, and the means of narrow feature maps before it: what tells a leaf's
disease or a flower's kind apart may be gone where a backbone ends that was trained to tell dogs from cars.
Cross-validated on flowers, with them 95 of 1,000 images were named wrongly in place of 114; on leaves 17, not 31.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from edgekit.errors import UnsupportedModelError
from edgekit.preprocess import InputSpec
from edgekit.tflite import Graph, names
from edgekit.tflite.editor import Editor
from edgekit.tflite.graph import Tensor
from edgekit.tflite.model import Model
from edgekit.tflite.part import extract, ops_between
from edgekit.tflite.patterns import computed_by, score_head
from edgekit.training.reading import digest

#: Feature maps are taken from so many of the last resolutions: what comes before tells edges and colours.
_RESOLUTIONS = 2
_CONVOLUTION = {"padding": "VALID", "strideW": 1, "strideH": 1, "dilationWFactor": 1, "dilationHFactor": 1}


@dataclass(frozen=True)
class Backbone:
    """A classifier up to its features.

    Attributes:
      graph: float, one image in, one tensor of features out for each depth, the last layer's first.
      spec: the preprocessing that belongs to it.
      widths: how many features each depth has.
      digest: of graph and preprocessing: what features depend on, apart from the image.
    """

    graph: Graph
    spec: InputSpec
    widths: tuple[int, ...]
    digest: str

    @property
    def width(self) -> int:
        """How many features there are in all."""
        return sum(self.widths)


def backbone(model: Model) -> Backbone:
    """The model without its head. Raises UnsupportedModelError as `features_of`."""
    editor = Editor(model.graph)
    features = _pooled(editor)
    editor.set_outputs(features)
    whole = editor.finish()
    part = extract(whole, whole.inputs, features)
    known = digest(part.content + repr(model.spec.to_json()).encode())
    return Backbone(part, model.spec, tuple(whole.tensors[index].elements for index in features), known)


def with_head(model: Model, weights: np.ndarray, bias: np.ndarray, labels: tuple[str, ...]) -> Model:
    """The model with another head: a dense layer on the features of each depth, their sum, and a softmax.

    Args:
      weights: float32 (classes, features), in the order of the backbone's outputs.
      bias: float32 (classes,).
      labels: names of the classes.
    """
    editor = Editor(model.graph)
    kept = {op.index for op in ops_between(model.graph, model.graph.inputs, [features_of(model.graph)])}
    features = _pooled(editor)
    editor.remove(op for op in model.graph.ops if op.index not in kept)
    scores = _dense(editor, features, weights, bias)
    output = editor.add_tensor(names.head("probabilities", 0), (1, len(bias)))
    editor.insert_after(editor.producer(scores), "SOFTMAX", [scores], [output], {"beta": 1.0})
    editor.set_outputs([output])
    editor.remove_dead()
    editor.drop_description()
    editor.drop_unused()
    return replace(model, graph=editor.finish(), output="probabilities", labels=labels)


def _dense(editor: Editor, features: list[int], weights: np.ndarray, bias: np.ndarray) -> int:
    """A dense layer on the features; of several depths the sum of one for each, and its tensor (1, classes).

    One layer on all depths would have to give their int8 forms one scale. The layers are written as convolutions of one
    position: that the Edge TPU takes sums is known of four dimensions alone.
    """
    if len(features) == 1:
        return _layer(editor, "FULLY_CONNECTED", (features[0], 0), weights, bias)
    starts, total = np.cumsum([0, *(editor.tensors[index].elements for index in features)]).tolist(), -1
    for number, index in enumerate(features):
        part = np.ascontiguousarray(weights[:, starts[number] : starts[number + 1]])[:, np.newaxis, np.newaxis]
        offset = np.zeros_like(bias) if number else bias
        source = _unflattened(editor, index) or _reshaped(editor, index, 4, number)
        scores = _layer(editor, "CONV_2D", (source, number), part, offset)
        if number:
            added = editor.add_tensor(names.head("sum", number), editor.tensors[scores].shape)
            editor.insert_after(editor.ops[-1], "ADD", [total, scores], [added])
            scores = added
        total = scores
    return _reshaped(editor, total, 2, len(features))


def _layer(editor: Editor, opcode: str, source: tuple[int, int], weights: np.ndarray, bias: np.ndarray) -> int:
    """The scores that a layer of weights, put last, computes of (a tensor, its number)."""
    index, number = source
    constants = [
        editor.add_constant(names.head("weights", number), weights),
        editor.add_constant(names.head("bias", number), bias),
    ]
    shape = (*(1,) * (weights.ndim - 1), len(bias))
    scores = editor.add_tensor(names.head("scores", number), shape)
    options = _CONVOLUTION if opcode == "CONV_2D" else {}
    editor.insert_after(editor.ops[-1], opcode, [index, *constants], [scores], options)
    return scores


def _unflattened(editor: Editor, index: int) -> int | None:
    """Pooled features before they lost their axes of one position; None where that is not how they were made."""
    if len(editor.tensors[index].shape) == 4:
        return index
    op = editor.producer(index)
    shape = editor.tensors[op.inputs[0]].shape if op is not None else ()
    if op is None or len(shape) != 4:
        return None
    if op.opcode == "RESHAPE" and shape[:3] == (1, 1, 1):
        return op.inputs[0]
    if op.opcode != "MEAN":
        return None
    whole = editor.add_tensor(names.head("pooled", 0), (1, 1, 1, shape[3]))
    editor.insert_after(op, "MEAN", op.inputs, [whole], {"keepDims": True})
    return whole


def _reshaped(editor: Editor, index: int, rank: int, number: int) -> int:
    """The numbers of a tensor along the last of so many axes."""
    tensor = editor.tensors[index]
    if len(tensor.shape) == rank:
        return index
    shape = (*(1,) * (rank - 1), tensor.elements)
    told = editor.add_constant(names.head("shape", number), np.array(shape, np.int32))
    found = editor.add_tensor(names.head("reshaped", number), shape)
    editor.insert_after(editor.ops[-1], "RESHAPE", [index, told], [found], {"newShape": shape})
    return found


def _pooled(editor: Editor) -> list[int]:
    """The tensors of features: the last layer's, then means of narrow maps, whose ops are added."""
    features = [features_of(editor.graph)]
    for number, tensor in enumerate(narrow_maps(editor.graph, features[0]), 1):
        axes = editor.add_constant(names.head("axes", number), np.array([1, 2], np.int32))
        pooled = editor.add_tensor(names.head("pooled", number), (1, 1, 1, tensor.shape[-1]))
        before = editor.producer(tensor.index)
        editor.insert_after(before, "MEAN", [tensor.index, axes], [pooled], {"keepDims": True})
        features.append(pooled)
    return features


def features_of(graph: Graph) -> int:
    """The tensor that a classifier's last layer of weights reads; of a model without one its output.

    Raises:
      UnsupportedModelError: that tensor is no list of features.
    """
    index = score_head(graph).scores
    op = computed_by(graph, index)
    while (
        op is not None and op.opcode == "ADD"
    ):  # of a head that was trained here, the last layer's features come first
        op = computed_by(graph, op.inputs[0])
    if op is not None and op.opcode in ("FULLY_CONNECTED", "CONV_2D"):
        index = op.inputs[0]
    tensor = graph.tensors[index]
    if tensor.dtype != "float32" or tensor.elements != tensor.shape[-1] or tensor.elements < 2:
        raise UnsupportedModelError(
            f"The base has no list of features before its classes, but {tensor.dtype} {list(tensor.shape)}.",
            "Give a float image classifier that ends with global pooling and a dense layer.",
        )
    return index


def narrow_maps(graph: Graph, features: int) -> list[Tensor]:
    """The feature maps of the last resolutions that everything passes through and that are widened next.

    In networks of inverted bottlenecks these are the ends of stages; of neighbours of one shape the last map is taken.
    """
    ends: list[Tensor] = []
    image = graph.tensors[graph.inputs[0]].shape  # of its shape is the image itself, scaled
    for tensor in _passages(graph, features):
        if len(tensor.shape) == 4 and tensor.shape[1] * tensor.shape[2] > 1 and tensor.shape != image:
            ends = [*(ends[:-1] if ends and ends[-1].shape == tensor.shape else ends), tensor]
    sizes = list(dict.fromkeys(tensor.shape[1:3] for tensor in ends))[-_RESOLUTIONS:]
    pairs = pairwise([*ends, graph.tensors[features]])
    return [one for one, following in pairs if one.shape[-1] < following.shape[-1] and one.shape[1:3] in sizes]


def _passages(graph: Graph, features: int) -> Iterator[Tensor]:
    """The tensors on every path from the image to the features, in the order of their ops."""
    ops = ops_between(graph, graph.inputs, [features])
    last_read = {index: place for place, op in enumerate(ops) for index in op.inputs}
    alive = set(graph.inputs)
    for place, op in enumerate(ops):
        alive = {index for index in (*alive, *op.outputs) if last_read.get(index, -1) > place}
        if alive == {op.outputs[0]}:
            yield graph.tensors[op.outputs[0]]
