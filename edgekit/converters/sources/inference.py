"""A model's inference as one traced TensorFlow function, which both prediction and export use."""

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from edgekit.converters.sources.protocols import Call, ConcreteFunction, Traced
from edgekit.errors import UnsupportedModelError
from edgekit.preprocess import InputSpec

# Keras prints its messages in bold.
_HANDING_ON = ("Identity", "Reshape", "Squeeze", "Cast", "StopGradient", "EnsureShape")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def without_channels(call: Call, shape: Sequence[object]) -> Call:
    """The call for images (batch, height, width, 1) of a model whose input may have no axis of channels.

    Args:
      shape: of the model's input, batch first.
    """
    import tensorflow as tf

    return (lambda images: call(tf.squeeze(images, -1))) if len(shape) == 3 else call


def as_row(call: Call, shape: Sequence[object]) -> Call:
    """The call with scores of this shape, batch first, as one row: (1, classes)."""
    import tensorflow as tf

    return call if len(shape) == 2 else (lambda images: tf.reshape(call(images), (1, -1)))


def last_op(function: ConcreteFunction) -> str:
    """Kind of the last op that computes anything in a traced function, such as "Softmax"."""
    op = function.outputs[0].op
    while op.type in _HANDING_ON and op.inputs:
        op = op.inputs[0].op
    return str(op.type)


def traced(call: Call, spec: InputSpec, name: str) -> Traced:
    """A `tf.function` of float32 tensors (1, height, width, channels), traced once.

    Raises UnsupportedModelError, with the file's `name`, where the model cannot be called.
    """
    import tensorflow as tf

    signature = [tf.TensorSpec((1, *spec.shape), tf.float32, name="image")]
    function: Traced = tf.function(call, input_signature=signature, autograph=False)
    with _in_words(name, spec.shape):
        function.get_concrete_function()
    return function


@contextlib.contextmanager
def _in_words(name: str, shape: Sequence[int]) -> Iterator[None]:
    """What a model raises, which is whatever its layers do, as UnsupportedModelError."""
    try:
        yield
    except Exception as error:
        raise UnsupportedModelError(
            f"{name} fails on an image of {'x'.join(map(str, shape))}: {_reason(error)}",
            "Does it predict where it was made? Then export what it computes: `model.export('folder')`.",
        ) from error


def predictor(function: Call, name: str) -> Callable[[np.ndarray], np.ndarray]:
    """A function from arrays (n, height, width, channels) to float32 arrays (n, classes).

    It raises UnsupportedModelError, with the file's `name`, where the model fails.
    """
    import tensorflow as tf

    def predict(images: np.ndarray) -> np.ndarray:
        with _in_words(name, images.shape[1:]):
            answers = [function(tf.constant(image[np.newaxis], tf.float32)).numpy() for image in images]
        return np.concatenate(answers).astype(np.float32)

    return predict


def _reason(error: Exception) -> str:
    """The first sentence of a message that says more than whose call failed."""
    lines = [_COLOUR.sub("", line).strip() for line in str(error).splitlines()]
    told = [line for line in lines if line and not line.startswith(("Exception encountered", "in user code", "File "))]
    return (told[0] if told else type(error).__name__)[:200]
