"""What a fine-tuning asks of Keras and TensorFlow: the tail as a model, AdamW, one compiled step."""

import tempfile
from collections.abc import Callable, Sequence
from importlib import import_module
from math import prod
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Protocol

import numpy as np

from edgekit.converters.sources.calm import calm_tensorflow
from edgekit.converters.sources.protocols import Tensor, Variable
from edgekit.errors import MissingDependencyError
from edgekit.install import not_importable
from edgekit.models.kerasfile import keras_bytes
from edgekit.training.finetuning.tail import Tail

if TYPE_CHECKING:
    import tensorflow as tf

#: (rows, smoothed labels (batch, classes), weights (batch,)), float32 → the loss, after a step against it.
Step = Callable[[np.ndarray, np.ndarray, np.ndarray], Tensor]
#: float32 rows → scores before softmax.
Scores = Callable[[np.ndarray], Tensor]


class Trainable(Protocol):
    """A Keras model whose weights are trained."""

    weights: Sequence[Variable]
    trainable_variables: Sequence[Variable]

    def get_layer(self, name: str) -> "Layer":
        """A layer by its name."""

    def __call__(self, inputs: object, training: bool) -> "tf.Tensor":
        """Scores."""


class Layer(Protocol):
    """A layer of one."""

    def get_weights(self) -> Sequence[np.ndarray]:
        """Its weights, in Keras' order."""


class Number(Protocol):
    """A variable that holds one number."""

    def assign(self, value: np.float32) -> object:
        """Gives it another value."""


class Optimizer(Protocol):
    """AdamW."""

    learning_rate: "Number"
    variables: Sequence[Variable]

    def apply(self, grads: object, trainable_variables: object) -> None:
        """One step."""


def import_keras() -> ModuleType:
    """Keras 3 on TensorFlow. Raises MissingDependencyError where there is none, or Keras uses something else."""
    calm_tensorflow()
    try:
        keras = import_module("keras")
        import_module("tensorflow")
    except ImportError as error:
        raise not_importable("Fine-tuning", "TensorFlow", "tensorflow", error) from error
    if keras.config.backend() != "tensorflow":
        raise MissingDependencyError(
            f"Keras is set to its {keras.config.backend()} backend; fine-tuning needs TensorFlow's.",
            "Unset KERAS_BACKEND, or set it to tensorflow, for this command.",
        )
    return keras


def load_tail(tail: Tail) -> Trainable:
    """The tail as Keras loads it."""
    with tempfile.TemporaryDirectory(prefix="edgekit-") as folder:
        path = Path(folder, "tail.keras")
        path.write_bytes(keras_bytes(tail.keras.network))
        model: Trainable = import_keras().models.load_model(str(path), compile=False)
    return model


def adamw(model: Trainable, rate: float, decay: float) -> Optimizer:
    """AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101) for a model's weights; biases do not decay."""
    optimizer = import_keras().optimizers.AdamW(rate, weight_decay=decay, clipnorm=1.0)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    optimizer.build(model.trainable_variables)
    built: Optimizer = optimizer
    return built


def compiled(model: Trainable, optimizer: Optimizer, shapes: tuple[tuple[int, ...], ...]) -> tuple[Step, Scores]:
    """One step, and the scores, of rows that hold tensors of these shapes one after the other."""
    import tensorflow as tf

    sizes = [prod(shape) for shape in shapes]
    rows_spec = tf.TensorSpec((None, sum(sizes)), tf.float32)
    others = (tf.TensorSpec((None, None), tf.float32), tf.TensorSpec((None,), tf.float32))

    def scores(rows: tf.Tensor) -> tf.Tensor:
        parts = [tf.reshape(part, (-1, *shape)) for part, shape in zip(tf.split(rows, sizes, axis=1), shapes)]
        found = model(parts if len(parts) > 1 else parts[0], training=False)
        return tf.reshape(found, (tf.shape(rows)[0], -1))

    def step(rows: tf.Tensor, targets: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(weights * tf.nn.softmax_cross_entropy_with_logits(targets, scores(rows)))
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss

    return (
        tf.function(step, input_signature=[rows_spec, *others]),
        tf.function(scores, input_signature=[rows_spec]),
    )
