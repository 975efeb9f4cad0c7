"""Whole architectures of keras.applications with random weights, and files of the package `efficientnet`."""

import json

import h5py
import numpy as np
import pytest

from edgekit.converters.export.direct.open import open_directly
from edgekit.converters.sources.sniff import sniff
from tests.support.keras_exports import randomized
from tests.support.tiny_keras import save

NAMES = (
    "DenseNet121 EfficientNetB0 EfficientNetV2B0 MobileNet MobileNetV2 MobileNetV3Small NASNetMobile ResNet50V2".split()
)


def built(keras, name):
    """An architecture without the last softmax, so that differences show."""
    size = 224 if name == "NASNetMobile" else 64
    return getattr(keras.applications, name)(
        weights=None, classes=7, input_shape=(size, size, 3), classifier_activation=None
    )


def compare(model, folder, suffix):
    agree(save(randomized(model, spread=0.1), folder / f"model{suffix}"), *answers(model))


def answers(model):
    """An image, and what Keras makes of it."""
    images = np.random.default_rng(1).uniform(0, 255, (1, *model.input_shape[1:])).astype(np.float32)
    return images, np.asarray(model(images, training=False))


def agree(path, images, expected):
    answered = open_directly(path, sniff(path), trust=False, size=None).predict(images)
    assert np.abs(answered - expected).max() <= 2e-5 * np.abs(expected).max()


@pytest.fixture(scope="module")
def known():
    """(Keras, architecture) → the model and its answers."""
    return {}


@pytest.mark.parametrize("name", NAMES)
def test_an_architecture_computes_what_it_does_in_keras(name, way, known, tmp_path):
    keras, suffix = way
    key = (keras.__name__, name)
    if key not in known:  # building one takes longer than all the rest; Keras 3 writes it in two forms
        model = randomized(built(keras, name), spread=0.1)
        known[key] = model, answers(model)
    model, told = known[key]
    agree(save(model, tmp_path / f"model{suffix}"), *told)


@pytest.mark.parametrize("name", ["RegNetX002", "RegNetY002"])
def test_an_architecture_of_keras_2_alone(name, keras2, tmp_path):
    compare(built(keras2, name), tmp_path, ".h5")


def test_layers_that_single_architectures_bring(way, tmp_path):
    """ConvNeXt's block and InceptionResNet's residual, from the layers of keras.applications themselves."""
    keras, suffix = way
    if suffix == ".keras":
        from keras.src.applications.convnext import LayerScale, StochasticDepth
        from keras.src.applications.inception_resnet_v2 import CustomScaleLayer
    elif hasattr(keras, "ops"):
        pytest.skip("Keras 3 cannot save these layers of its own twice under one name")
    else:
        from tf_keras.src.applications.convnext import LayerScale, StochasticDepth
        from tf_keras.src.applications.inception_resnet_v2 import CustomScaleLayer
    k, given = keras.layers, keras.Input((16, 16, 3))
    x = k.Conv2D(8, 3)(given)
    branch = k.LayerNormalization(epsilon=1e-6)(k.DepthwiseConv2D(7, padding="same")(x))
    branch = k.Dense(8)(k.Activation("gelu")(k.Dense(32)(branch)))
    x = x + StochasticDepth(0.1)(LayerScale(0.5, 8)(branch))
    x = CustomScaleLayer(scale=0.17)([x, k.Conv2D(8, 1)(x)])
    compare(keras.Model(given, k.Dense(4)(k.GlobalAveragePooling2D()(x))), tmp_path, suffix)


def test_files_of_the_package_efficientnet(keras2, tmp_path):
    """Its `FixedDropout` is known by its name, its `swish` by its own; none of its code is there to run."""
    model = built(keras2, "EfficientNetB0")
    path = save(randomized(model, spread=0.1), tmp_path / "b0.h5")
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        for layer in config["config"]["layers"]:
            if layer["class_name"] == "Dropout":
                layer["class_name"] = "FixedDropout"
        text = json.dumps(config)
        assert "FixedDropout" in text
        file.attrs["model_config"] = text
    images = np.random.default_rng(1).uniform(0, 255, (1, 64, 64, 3)).astype(np.float32)
    answered = open_directly(path, sniff(path), trust=False, size=None).predict(images)
    expected = model(images).numpy()
    assert np.abs(answered - expected).max() <= 2e-5 * np.abs(expected).max()
