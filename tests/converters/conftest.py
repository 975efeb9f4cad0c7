"""Tiny trained-looking models of every format, built once for all tests of the converters."""

import warnings

import numpy as np
import pytest

from tests.support.tiny_keras import SIZE, classifier, save


@pytest.fixture(scope="session")
def keras3():
    """The keras module; without it these tests cannot run."""
    return pytest.importorskip("keras")


@pytest.fixture(scope="session")
def keras2():
    """The tf_keras module."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("tf_keras")


@pytest.fixture(scope="session")
def saved(tmp_path_factory, keras2, keras3):
    """name → path of one tiny classifier saved in each Keras format, and its images and answers."""
    folder = tmp_path_factory.mktemp("saved")
    images = np.random.default_rng(5).random((3, SIZE, SIZE, 3), dtype=np.float32) * 255
    cases = {}
    for keras, name, suffix in (
        (keras2, "keras2.h5", ".h5"),
        (keras2, "keras2.keras", ".keras"),
        (keras3, "keras3.h5", ".h5"),
        (keras3, "keras3.keras", ".keras"),
    ):
        keras.utils.set_random_seed(0)
        model = classifier(keras)
        cases[name] = (save(model, folder / name), np.asarray(model(images, training=False)))
        assert suffix == cases[name][0].suffix
    return cases, images
