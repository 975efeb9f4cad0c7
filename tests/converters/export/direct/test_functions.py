"""Functions called between layers: of TensorFlow in Keras 2, operations in Keras 3."""

import numpy as np
import pytest

from edgekit.converters.export.direct.layer import UnknownLayerError
from edgekit.converters.export.direct.open import open_directly
from edgekit.converters.sources.sniff import sniff
from tests.support.keras_exports import check, randomized
from tests.support.tiny_keras import save

SHAPE = (6, 8, 3)

#: Name of the case → a function of (x, tf) for Keras 2 and one of (x, keras.ops) for Keras 3.
CASES = {
    "arithmetic with numbers": (lambda x, f: 1.0 - (x * 2.0 + 1.0) / 3.0,) * 2,
    "a number first": (lambda x, f: 2.0 * x,) * 2,
    "division of a number": (lambda x, f: 1.0 / (x * x + 1.0),) * 2,
    "negative": (lambda x, f: -x,) * 2,
    "power": (lambda x, f: x**2,) * 2,
    "tensors": (lambda x, f: x * x - x,) * 2,
    "numbers per channel": (
        lambda x, f: f.math.divide(x, [1.0, 2.0, 3.0, 4.0]),
        lambda x, f: f.divide(x, np.float32([1.0, 2.0, 3.0, 4.0])),
    ),
    "maximum": (lambda x, f: f.math.maximum(x, 0.5), lambda x, f: f.maximum(x, 0.5)),
    "minimum": (lambda x, f: f.math.minimum(x, 0.5), lambda x, f: f.minimum(x, 0.5)),
    "clip": (lambda x, f: f.clip_by_value(x, -0.5, 0.5), lambda x, f: f.clip(x, -0.5, 0.5)),
    "clip as relu6": (lambda x, f: f.clip_by_value(x, 0.0, 6.0), lambda x, f: f.clip(x, 0, 6)),
    "square, square root": (lambda x, f: f.math.sqrt(f.math.square(x)), lambda x, f: f.sqrt(f.square(x))),
    "exp": (lambda x, f: f.math.exp(x), lambda x, f: f.exp(x)),
    "abs": (lambda x, f: f.math.abs(x), lambda x, f: f.abs(x)),
    "squared difference": (lambda x, f: f.math.squared_difference(x, 1.0), None),
    "bias": (lambda x, f: f.nn.bias_add(x, [1.0, 2.0, 3.0, 4.0]), None),
    "relu": (lambda x, f: f.nn.relu(x), lambda x, f: f.relu(x)),
    "relu6": (lambda x, f: f.nn.relu6(x), lambda x, f: f.relu6(x)),
    "leaky relu": (lambda x, f: f.nn.leaky_relu(x, 0.3), lambda x, f: f.leaky_relu(x, 0.3)),
    "elu": (lambda x, f: f.nn.elu(x), lambda x, f: f.elu(x)),
    "sigmoid": (lambda x, f: f.math.sigmoid(x), lambda x, f: f.sigmoid(x)),
    "swish": (lambda x, f: f.nn.swish(x), lambda x, f: f.silu(x)),
    "tanh": (lambda x, f: f.math.tanh(x), lambda x, f: f.tanh(x)),
    "gelu": (lambda x, f: f.nn.gelu(x), lambda x, f: f.gelu(x)),
    "gelu, the other": (lambda x, f: f.nn.gelu(x, approximate=True), lambda x, f: f.gelu(x, approximate=False)),
    "hard sigmoid": (None, lambda x, f: f.hard_sigmoid(x)),
    "hard swish": (None, lambda x, f: f.hard_silu(x)),
    "softmax": (lambda x, f: f.nn.softmax(x), lambda x, f: f.softmax(x)),
    "log softmax": (lambda x, f: f.nn.log_softmax(x), lambda x, f: f.log_softmax(x)),
    "mean": (lambda x, f: f.reduce_mean(x, axis=[1, 2]), lambda x, f: f.mean(x, axis=(1, 2))),
    "mean kept": (
        lambda x, f: f.reduce_mean(x, [1, 2], keepdims=True),
        lambda x, f: f.mean(x, axis=(1, 2), keepdims=True),
    ),
    "sum": (lambda x, f: f.reduce_sum(x, -1), lambda x, f: f.sum(x, axis=-1)),
    "max": (lambda x, f: f.reduce_max(x, [1, 2]), lambda x, f: f.max(x, axis=(1, 2))),
    "min": (lambda x, f: f.reduce_min(x, 1), lambda x, f: f.min(x, axis=1)),
    "reshape": (lambda x, f: f.reshape(x, (-1, 6, 32)), lambda x, f: f.reshape(x, (-1, 6, 32))),
    "expand, squeeze": (
        lambda x, f: f.squeeze(f.expand_dims(x, -1), -1),
        lambda x, f: f.squeeze(f.expand_dims(x, 1), 1),
    ),
    "transpose": (lambda x, f: f.transpose(x, [0, 2, 1, 3]), lambda x, f: f.transpose(x, (0, 2, 1, 3))),
    "concat": (lambda x, f: f.concat([x, x * 2.0], -1), lambda x, f: f.concatenate([x, x * 2.0], axis=-1)),
    "pad": (
        lambda x, f: f.pad(x, [[0, 0], [1, 2], [0, 1], [0, 0]]),
        lambda x, f: f.pad(x, ((0, 0), (1, 2), (0, 1), (0, 0))),
    ),
    "backwards": (lambda x, f: f.reverse(x, [-1]), lambda x, f: f.flip(x, axis=-1)),
    "cast": (lambda x, f: f.cast(x, "float32"), lambda x, f: f.cast(x, "float32")),
    "channels turned by slicing": (lambda x, f: x[..., ::-1],) * 2,
    "a range": (lambda x, f: x[:, 1:-1, :5],) * 2,
    "a place": (lambda x, f: x[:, 0, -1],) * 2,
    "resize": (lambda x, f: f.image.resize(x, (9, 7)), lambda x, f: f.image.resize(x, (9, 7))),
    "resize nearest": (
        lambda x, f: f.image.resize(x, (9, 7), method="nearest"),
        lambda x, f: f.image.resize(x, (9, 7), interpolation="nearest"),
    ),
}


def library(keras):
    if hasattr(keras, "ops"):
        return keras.ops
    import tensorflow

    return tensorflow


def classifier(keras, between):
    """A classifier that calls functions between its first convolution and its head."""
    k, given = keras.layers, keras.Input(SHAPE)
    x = between(k.Conv2D(4, 3, padding="same")(given), library(keras))
    x = k.Flatten()(x) if len(x.shape) > 2 else x
    return randomized(keras.Model(given, k.Dense(3)(x)))


@pytest.mark.parametrize("case", CASES)
def test_a_function_computes_what_it_does_in_keras(case, way, tmp_path):
    keras, suffix = way
    between = CASES[case][1 if hasattr(keras, "ops") else 0]
    if between is None:
        pytest.skip("this Keras has no such function")
    check(classifier(keras, between), tmp_path, suffix)


UNKNOWN = {
    "every second": (lambda x, f: x[:, ::2],) * 2,
    "the batch among the axes": (lambda x, f: f.reduce_mean(x, 0, True), lambda x, f: f.mean(x, 0, True)),
    "rows of several images": (lambda x, f: f.reshape(x, (-1, 32)), lambda x, f: f.reshape(x, (-1, 32))),
    "no row": (lambda x, f: f.math.cumsum(x, 1), lambda x, f: f.cumsum(x, 1)),
    "softmax over rows": (lambda x, f: f.nn.softmax(x, 1), lambda x, f: f.softmax(x, 1)),
    "another type": (lambda x, f: f.cast(f.cast(x, "int32"), "float32"),) * 2,
}


@pytest.mark.parametrize("case", UNKNOWN)
def test_what_no_row_knows_is_left_to_keras(case, way, tmp_path):
    keras, suffix = way
    path = save(classifier(keras, UNKNOWN[case][1 if hasattr(keras, "ops") else 0]), tmp_path / f"m{suffix}")
    with pytest.raises(UnknownLayerError, match="not known here"):
        open_directly(path, sniff(path), trust=False, size=None)


def test_a_channel_turn_and_means_inside_are_one_graph(keras2, tmp_path):
    """resnet50.preprocess_input, as users call it inside their models."""
    k, given = keras2.layers, keras2.Input((16, 16, 3))
    x = keras2.applications.resnet50.preprocess_input(given)
    model = keras2.Model(given, k.Dense(3)(k.GlobalAveragePooling2D()(k.Conv2D(4, 3)(x))))
    path = save(randomized(model), tmp_path / "m.h5")
    source = open_directly(path, sniff(path), trust=False, size=None)
    images = np.random.default_rng(0).uniform(0, 255, (2, 16, 16, 3)).astype(np.float32)
    np.testing.assert_allclose(source.predict(images), model(images).numpy(), rtol=1e-4, atol=1e-2)
