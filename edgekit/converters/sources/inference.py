"""A model's inference as one traced TensorFlow function, which both prediction and export use."""

from collections.abc import Callable
from typing import Any

import numpy as np

from edgekit.preprocess import InputSpec


def traced(call: Callable[[Any], Any], spec: InputSpec) -> Any:
    """A `tf.function` of float32 tensors (1, height, width, channels), traced once, when it is first needed."""
    import tensorflow as tf

    signature = [tf.TensorSpec((1, *spec.shape), tf.float32, name="image")]
    return tf.function(call, input_signature=signature, autograph=False)


def predictor(function: Any) -> Callable[[np.ndarray], np.ndarray]:
    """A function from arrays (n, height, width, channels) to float32 arrays (n, classes)."""
    import tensorflow as tf

    def predict(images: np.ndarray) -> np.ndarray:
        answers = [function(tf.constant(image[np.newaxis], tf.float32)).numpy() for image in images]
        return np.concatenate(answers).astype(np.float32)

    return predict
