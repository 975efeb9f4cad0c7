"""Weight imprinting (H. Qi, M. Brown, D. Lowe: Low-shot learning with imprinted weights, CVPR 2018).

The weights of a class are the mean of its images' embeddings, scaled to length 1. The last layer then
answers with the cosine between an image's embedding and each class; a constant factor and a softmax
make probabilities of the cosines.
"""

from dataclasses import dataclass
from typing import Dict, List, Optional

import numpy as np

from edgekit.errors import DeviceError, ModelError
from edgekit.pycoral.learn import layers
from edgekit.pycoral.learn.head import Head, cut, read_classifier
from edgekit.tflite.graph import Graph, QuantParams
from edgekit.tflite.metadata import read_metadata
from edgekit.tflite.quant import LIMITS

#: Factor on the cosines of a model that brings none. Cosines of neighbouring classes differ by a few
#: hundredths, which a softmax would not see; H. Wang et al. (CosFace, CVPR 2018) take 30 for small sets.
FACTOR = 30.0


@dataclass(frozen=True)
class _Class:
    """A class: the sum of its embeddings, and whether imprinting made it, so that more may be added."""

    weights: np.ndarray
    trainable: bool


class ImprintingEngine:
    """Puts a last layer of imprinted classes on a classifier.

        engine = ImprintingEngine("lite0_int8.tflite")
        extractor = make_interpreter(engine.serialize_extractor_model())
        ...                                      # set_input, invoke, for each image of class 0:
        engine.train(classify.get_scores(extractor), class_id=0)
        open("mine.tflite", "wb").write(engine.serialize_model())

    Of a model made for imprinting (L2_NORMALIZATION before the last layer) the embedding, the weights'
    quantization and the factor are the model's own, as in pycoral. Of any other classifier the layer's
    input, normalized, is the embedding.
    """

    def __init__(self, model_path: str, keep_classes: bool = False) -> None:
        """Opens a model.

        Args:
          model_path: a `.tflite` classifier.
          keep_classes: whether its classes stay, and new ones come behind them. Where the model was not made
            for imprinting they become cosine classes too: their weights scaled to length 1, without bias.

        Raises:
          ValueError: the file cannot be read, or it is no classifier.
          MissingDependencyError: ai-edge-litert is not installed.
        """
        try:
            graph, head = read_classifier(model_path)
            self._extractor = _extractor(graph, head)
            self._metadata = read_metadata(graph)
        except (DeviceError, ModelError) as error:
            raise ValueError(str(error)) from None
        self._quant = head.quant if head.normalized else None
        self._factor = head.factor if head.normalized and head.factor > 0 else FACTOR
        self._dim = head.weights.shape[1]
        self._classes = _existing(head, _parse_sums(graph.description)) if keep_classes else []

    @property
    def embedding_dim(self) -> int:
        """Number of values in an embedding."""
        return int(self._dim)

    @property
    def num_classes(self) -> int:
        """Number of classes so far, kept ones included."""
        return len(self._classes)

    def serialize_extractor_model(self) -> bytes:
        """The embedding extractor as a `.tflite` file; its output has length 1."""
        return self._extractor

    def serialize_model(self) -> bytes:
        """The model with the classes so far as a `.tflite` file, in the type that it computes in.

        Raises:
          RuntimeError: "Model is not trained."
        """
        if not self._classes:
            raise RuntimeError("Model is not trained.")
        lengths = [float(np.linalg.norm(found.weights)) for found in self._classes]
        weights = np.stack([found.weights / (length or 1.0) for found, length in zip(self._classes, lengths)])
        work = layers.begin(self._extractor)
        if work.end.shape != (1, 1, 1, self._dim):
            layers.reshape(work, (1, 1, 1, self._dim))
        layers.cosines(work, weights, _holding(self._quant, weights, work.end.dtype))
        layers.multiply(work, self._factor)
        layers.reshape(work, (1, len(weights)))
        layers.softmax(work)
        sums = {i: length for i, (found, length) in enumerate(zip(self._classes, lengths)) if found.trainable}
        work.editor.set_description("".join(f"{i} {length:f}\n" for i, length in sums.items()))
        return layers.finish(work, self._metadata)

    def train(self, embedding: np.ndarray, class_id: int) -> None:
        """Adds an image to a class.

        Args:
          embedding: (embedding_dim,), as the extractor answers it, dequantized.
          class_id: a class that imprinting made, or `num_classes` for a new one.

        Raises:
          RuntimeError: the embedding is of another shape or no number, or the class cannot be trained.
        """
        weights = np.asarray(embedding, np.float32)
        if weights.shape != (self._dim,):
            raise RuntimeError("Invalid weights array shape.")
        if not np.all(np.isfinite(weights)):
            raise RuntimeError("The embedding has values that are no numbers.")
        if class_id > self.num_classes:
            raise RuntimeError("The class index of a new category is too large!")
        if class_id < 0:
            raise RuntimeError("The class index is negative.")
        if class_id == self.num_classes:
            self._classes.append(_Class(weights, True))
            return
        if not self._classes[class_id].trainable:
            raise RuntimeError("Cannot change the base model classes not trained with imprinting method!")
        self._classes[class_id] = _Class(self._classes[class_id].weights + weights, True)


def _extractor(graph: Graph, head: Head) -> bytes:
    work = layers.begin(cut(graph, head))
    if not head.normalized:
        if work.end.shape[-1] != head.weights.shape[1]:
            layers.reshape(work, (1, head.weights.shape[1]))
        layers.normalize(work)
    return layers.finish(work)


def _existing(head: Head, sums: Dict[int, float]) -> List[_Class]:
    """The model's classes; of those that imprinting made, the sums of their embeddings again."""
    return [_Class(weights * np.float32(sums.get(i, 1.0)), i in sums) for i, weights in enumerate(head.weights)]


def _parse_sums(description: str) -> Dict[int, float]:
    """Class → length of the sum of its embeddings, as pycoral keeps it in the description: "0 5.4\\n1 6.5\\n"."""
    try:
        pairs = [line.split() for line in description.splitlines()]
        return {int(number): float(length) for number, length in pairs}
    except ValueError:  # any other text: no class was imprinted
        return {}


def _holding(quant: Optional[QuantParams], weights: np.ndarray, dtype: str) -> Optional[QuantParams]:
    """The model's own quantization of weights, as pycoral takes it, unless it would cut some off."""
    if dtype not in layers.MIDDLE or quant is None or quant.per_channel:
        return layers.weights_quant(weights, dtype)
    low, high = ((limit - quant.zero_point[0]) * quant.scale[0] for limit in LIMITS[dtype])
    half = quant.scale[0] / 2
    return (
        quant if low - half <= weights.min() and weights.max() <= high + half else layers.weights_quant(weights, dtype)
    )
