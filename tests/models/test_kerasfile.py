import importlib.util
import warnings
from dataclasses import replace

import numpy as np
import pytest

from edgekit.converters.sources.open import load_source
from edgekit.errors import MissingDependencyError, UnsupportedModelError
from edgekit.models.architecture import member
from edgekit.models.family import FAMILY
from edgekit.models.kerasfile import h5_bytes, keras_bytes, snake_case
from edgekit.models.network import Network
from tests.models.test_architecture import predictions, random_weights

TINY = ("b0", "lite0", "edgetpu-m", "v2-b0")
CASES = [("h5", "keras"), ("h5", "tf_keras"), ("keras", "keras")]
WRITERS = {"h5": h5_bytes, "keras": keras_bytes}


def tiny(name):
    return random_weights(member(replace(FAMILY[name], width=0.25, depth=0.3, size=40), 5))


@pytest.fixture
def images():
    return np.random.default_rng(2).uniform(0, 255, (2, 40, 40, 3)).astype(np.float32)


@pytest.mark.parametrize("name", TINY)
@pytest.mark.parametrize(("suffix", "library"), CASES)
def test_files_open_in_keras_and_answer_alike(tmp_path, images, name, suffix, library):
    keras = pytest.importorskip(library)
    network, path = tiny(name), tmp_path / f"m.{suffix}"
    path.write_bytes(WRITERS[suffix](network))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # such as: the inputs are not as expected
        model = keras.models.load_model(path)
        found = model.predict_on_batch(images)
    np.testing.assert_allclose(found, predictions(network, images), atol=1e-5)
    assert model.input_shape == (None, 40, 40, 3)


@pytest.mark.parametrize("suffix", WRITERS)
def test_files_are_read_back_as_they_were(tmp_path, images, suffix):
    network, path = tiny("b0"), tmp_path / f"m.{suffix}"
    path.write_bytes(WRITERS[suffix](network))
    source = load_source(path)
    assert np.array_equal(source.predict(images), predictions(network, images))
    assert source.rescales and source.architecture == "EfficientNetB0"


@pytest.mark.parametrize("suffix", WRITERS)
def test_the_same_network_is_the_same_bytes(suffix):
    assert WRITERS[suffix](tiny("lite0")) == WRITERS[suffix](tiny("lite0"))


@pytest.mark.skipif(importlib.util.find_spec("tf_keras") is None, reason="tf-keras is not installed")
def test_weights_of_keras_applications_load_by_name(tmp_path, images):
    import tf_keras

    theirs = tf_keras.applications.EfficientNetB0(weights=None, classes=5)
    for layer in theirs.layers:
        if layer.name.endswith("_bn"):
            random = np.random.default_rng(len(layer.name))
            layer.set_weights([random.uniform(0.5, 1.5, w.shape) for w in layer.get_weights()])
    theirs.save_weights(tmp_path / "weights.h5")
    (tmp_path / "ours.h5").write_bytes(h5_bytes(member(FAMILY["b0"], 5)))
    ours = tf_keras.models.load_model(tmp_path / "ours.h5")
    ours.load_weights(tmp_path / "weights.h5", by_name=True)
    large = np.random.default_rng(3).uniform(0, 255, (1, 224, 224, 3)).astype(np.float32)
    expected = theirs.predict_on_batch(large)
    assert np.ptp(expected) > 1e-3
    np.testing.assert_allclose(ours.predict_on_batch(large), expected, atol=1e-5)  # sums in another order


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_model_with_a_model_inside_is_refused_by_name(suffix):
    inner = {"class_name": "Functional", "config": {"name": "backbone", "layers": []}}
    outer = Network({"class_name": "Sequential", "config": {"name": "outer", "layers": [inner]}}, {})
    with pytest.raises(UnsupportedModelError, match="'backbone'"):
        WRITERS[suffix](outer)


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_missing_h5py_names_the_extra(monkeypatch, suffix):
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(MissingDependencyError, match=r"\[convert\]"):
        WRITERS[suffix](Network({"class_name": "Sequential", "config": {"name": "m", "layers": []}}, {}))


@pytest.mark.parametrize(
    ("kind", "name"),
    [("Conv2D", "conv2d"), ("ReLU", "re_lu"), ("PReLU", "p_re_lu"), ("BatchNormalization", "batch_normalization")],
)
def test_groups_are_named_as_keras_names_them(kind, name):
    assert snake_case(kind) == name
