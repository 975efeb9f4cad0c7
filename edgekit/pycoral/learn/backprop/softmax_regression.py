"""Softmax regression on embeddings: the last layer of a classifier, trained by gradient descent."""

import sys
from typing import Mapping, Optional, Sequence, Tuple, Union

import numpy as np

from edgekit.errors import DeviceError, ModelError, UnsupportedModelError
from edgekit.pycoral.learn import layers
from edgekit.pycoral.learn.head import cut, read_classifier, read_model
from edgekit.tflite.metadata import Metadata, read_metadata

#: Class ids, one for each embedding.
Labels = Union[np.ndarray, Sequence[int]]


class SoftmaxRegression:
    """A fully connected layer and a softmax, trained on embeddings.

        extractor = make_interpreter(embedding_extractor("lite0_int8.tflite"))
        ...                                                   # embeddings of all images
        model = SoftmaxRegression(1280, classes)
        model.train_with_sgd(data, num_iter=500, learning_rate=0.01)
        open("mine.tflite", "wb").write(model.serialize_model("lite0_int8.tflite"))

    Random numbers are numpy's (`np.random.seed` makes a training repeatable).
    """

    def __init__(
        self,
        feature_dim: Optional[int] = None,
        num_classes: Optional[int] = None,
        weight_scale: float = 0.01,
        reg: float = 0.0,
    ) -> None:
        """A layer of random weights.

        Args:
          feature_dim: number of values in an embedding.
          num_classes: number of classes.
          weight_scale: standard deviation of the first weights.
          reg: strength of the regularization: the loss is raised by reg / 2 times the sum of squared weights.

        Raises:
          ValueError: there are no features or no classes.
        """
        if not feature_dim or not num_classes or min(feature_dim, num_classes) < 1:
            raise ValueError(f"{feature_dim} features and {num_classes} classes make no layer.")
        self._weights = np.float32(weight_scale) * np.random.randn(feature_dim, num_classes).astype(np.float32)
        self._bias = np.zeros(num_classes, np.float32)
        self._reg = reg
        # The range of logits seen in training becomes that of the int8 layer.
        self._limits = (np.inf, -np.inf)

    def train_with_sgd(
        self,
        data: Mapping[str, np.ndarray],
        num_iter: int,
        learning_rate: float,
        batch_size: int = 100,
        print_every: int = 100,
    ) -> None:
        """Trains by stochastic gradient descent on batches drawn with replacement.

        Args:
          data: "data_train" and "data_val": (images, feature_dim) embeddings; "labels_train" and
            "labels_val": (images,) class ids.
          num_iter: number of batches.
          learning_rate: factor on the gradient.
          batch_size: images in a batch.
          print_every: every so many iterations loss and accuracies go to standard error; 0 for never.

        Raises:
          ValueError: embeddings and labels do not fit each other or this layer.
        """
        features, labels = self._checked(data["data_train"], data["labels_train"])
        held_out = self._checked(data["data_val"], data["labels_val"])
        for i in range(num_iter):
            batch = np.random.randint(len(features), size=batch_size)
            loss = self._step(features[batch], labels[batch], learning_rate)
            if print_every > 0 and i % print_every == 0:
                trained, validated = self.get_accuracy(features, labels), self.get_accuracy(*held_out)
                print(f"Loss: {loss:g}\nTrain Acc: {trained:g}\nValid Acc: {validated:g}", file=sys.stderr)

    def get_accuracy(self, mat_x: np.ndarray, labels: Labels) -> float:
        """The share of embeddings, (images, feature_dim), whose best class is the label; nan of none.

        Raises:
          ValueError: as `train_with_sgd`.
        """
        features, expected = self._checked(mat_x, labels, least=0)
        if not len(features):
            return float("nan")
        return float(np.mean(self._logits(features).argmax(axis=1) == expected))

    def serialize_model(self, in_model_path: str) -> bytes:
        """A model with this layer put behind it, as a `.tflite` file, in the type that the model computes in.

        Args:
          in_model_path: the embedding extractor, or the classifier whose last layer this one replaces.

        Raises:
          ValueError: the file cannot be read, or its embeddings have another size.
          MissingDependencyError: ai-edge-litert is not installed.
        """
        try:
            content, metadata = _embedding_of(in_model_path, len(self._weights))
            work = layers.begin(content)
        except (DeviceError, ModelError) as error:
            raise ValueError(str(error)) from None
        trained = bool(np.all(np.isfinite(self._limits)))
        layers.linear(work, self._weights.T, self._bias, self._limits if trained else (-1.0, 1.0))
        layers.softmax(work)
        return layers.finish(work, metadata)

    def _logits(self, features: np.ndarray) -> np.ndarray:
        logits: np.ndarray = features @ self._weights + self._bias
        return logits

    def _step(self, features: np.ndarray, labels: np.ndarray, learning_rate: float) -> float:
        """One step down the gradient; returns the loss before it."""
        logits = self._logits(features)
        self._limits = (min(self._limits[0], float(logits.min())), max(self._limits[1], float(logits.max())))
        shifted = logits - logits.max(axis=1, keepdims=True)
        logs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        rows = np.arange(len(labels))
        loss = -logs[rows, labels].mean() + self._reg / 2 * np.square(self._weights).sum()
        # Of softmax and cross entropy together, the gradient is the probabilities less the truth.
        gradient = np.exp(logs)
        gradient[rows, labels] -= 1
        gradient /= len(labels)
        rate = np.float32(learning_rate)
        self._weights -= rate * (features.T @ gradient + np.float32(self._reg) * self._weights)
        self._bias -= rate * gradient.sum(axis=0)
        return float(loss)

    def _checked(self, features: np.ndarray, labels: Labels, least: int = 1) -> Tuple[np.ndarray, np.ndarray]:
        """Embeddings as float32 and labels as integers, one for each."""
        rows, numbers = np.asarray(features, np.float32), np.asarray(labels)
        wanted, classes = self._weights.shape
        if rows.ndim != 2 or rows.shape[1] != wanted or len(rows) < least:
            raise ValueError(f"Embeddings are of shape {rows.shape}, expected (images, {wanted}).")
        if numbers.shape != (len(rows),):
            raise ValueError(f"There are labels of shape {numbers.shape} for {len(rows)} embeddings.")
        numbers = numbers.astype(np.int64)
        if len(numbers) and not 0 <= numbers.min() <= numbers.max() < classes:
            raise ValueError(f"Labels go from {numbers.min()} to {numbers.max()}, but there are {classes} classes.")
        return rows, numbers


def _embedding_of(path: str, features: int) -> Tuple[bytes, Optional[Metadata]]:
    """The model up to its embedding of so many features, all of it or less its last layer, and its metadata."""
    graph = read_model(path)
    if len(graph.outputs) == 1 and graph.tensors[graph.outputs[0]].elements == features:
        return graph.content, read_metadata(graph)
    graph, head = read_classifier(path)
    if head.weights.shape[1] != features:
        raise UnsupportedModelError(
            f"The layer was trained on embeddings of {features} values; the model's have {head.weights.shape[1]}."
        )
    return cut(graph, head), read_metadata(graph)
