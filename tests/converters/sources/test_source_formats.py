"""SavedModel folders and `.tflite` files."""

import shutil
import warnings

import numpy as np
import pytest

from edgekit.converters.sources.open import load_source
from edgekit.errors import EdgekitError, ModelFormatError, UnsafeModelError, UnsupportedModelError
from edgekit.preprocess import InputSpec
from edgekit.tflite import read_graph
from edgekit.tflite.metadata import Metadata, write_metadata
from edgekit.tflite.summary import quantization
from tests.support.tiny_keras import SIZE, classifier

IMAGES = np.random.default_rng(5).random((3, SIZE, SIZE, 3), dtype=np.float32) * 255


@pytest.fixture(scope="module")
def tf(keras2):
    return pytest.importorskip("tensorflow")


@pytest.fixture(scope="module")
def exported(tmp_path_factory, keras2, keras3):
    """Keras → (folder of its SavedModel, the model)."""
    folder = tmp_path_factory.mktemp("saved_models")
    models = {name: classifier(keras) for name, keras in (("keras2", keras2), ("keras3", keras3))}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        models["keras2"].save(str(folder / "keras2"))
        models["keras3"].export(str(folder / "keras3"), verbose=False)
    return {name: (folder / name, model) for name, model in models.items()}


def converted(tf, model, **settings):
    """A Keras 2 model as `.tflite` bytes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        converter = tf.lite.TFLiteConverter.from_keras_model(model)
        for name, value in settings.items():
            setattr(converter, name, value)
        return converter.convert()


@pytest.fixture(scope="module")
def float_tflite(tf, keras2):
    """(bytes of a float `.tflite` with an open batch, its answers to IMAGES)."""
    model = classifier(keras2)
    return converted(tf, model), np.asarray(model(IMAGES))


@pytest.mark.parametrize("name", ["keras2", "keras3"])
def test_savedmodels_of_both_kerases(exported, name):
    folder, model = exported[name]
    source = load_source(folder)
    assert (source.format, source.spec.shape, source.classes) == ("savedmodel", (SIZE, SIZE, 3), 3)
    assert (source.output, source.rescales) == ("probabilities", False)
    assert source.framework.startswith("tensorflow 2.")
    np.testing.assert_allclose(source.predict(IMAGES), np.asarray(model(IMAGES)), atol=1e-5)


@pytest.mark.parametrize("name", ["keras2", "keras3"])
def test_the_first_norm_of_a_savedmodel_is_that_of_its_layers(exported, name):
    folder, model = exported[name]
    norm = load_source(folder).first_norm
    layer = model.get_layer("first_norm")
    np.testing.assert_allclose(norm.mean, layer.moving_mean.numpy())
    np.testing.assert_allclose(norm.variance, layer.moving_variance.numpy())
    seen = np.asarray(model.layers[0](IMAGES))
    mean, variance = norm.moments(IMAGES)
    np.testing.assert_allclose(mean, seen.mean(axis=(0, 1, 2)), rtol=1e-3, atol=1e-2)
    np.testing.assert_allclose(variance, seen.var(axis=(0, 1, 2)), rtol=1e-3)


def save_module(tf, folder, function, *specs, **kwargs):
    """A SavedModel without any Keras in it."""

    class Module(tf.Module):
        @tf.function(input_signature=specs)
        def serve(self, *arguments):
            return function(*arguments)

    module = Module()
    module.weight = tf.Variable(tf.ones((3, 2)))
    signatures = {} if kwargs.get("unsigned") else {"serving_default": module.serve}
    tf.saved_model.save(module, str(folder), signatures=signatures)
    return folder


def image(tf, *shape, dtype="float32"):
    return tf.TensorSpec(shape, dtype, name="image")


def test_a_plain_savedmodel_with_scaling_inside(tf, tmp_path):
    def mean_colour(images):
        scaled = (images - 127.5) / 127.5
        return tf.reduce_mean(tf.nn.conv2d(scaled, tf.ones((1, 1, 3, 2)), 1, "SAME"), axis=(1, 2))

    source = load_source(save_module(tf, tmp_path / "m", mean_colour, image(tf, None, 8, 8, 3)))
    assert (source.rescales, source.first_norm, source.output) == (True, None, "logits")
    np.testing.assert_allclose(source.predict(np.full((1, 8, 8, 3), 255, np.float32)), [[3, 3]], rtol=1e-5)


def test_savedmodels_that_are_refused(tf, tmp_path):
    def scores(images):
        return tf.cast(tf.reduce_mean(images, axis=(1, 2)), tf.float32)

    def writes(images):
        with tf.control_dependencies([tf.io.write_file("/nowhere/x", "x")]):
            return scores(images)

    one = image(tf, None, 8, 8, 3)
    cases = {
        "unsigned": (scores, [one], {"unsigned": True}, UnsupportedModelError, "no signature"),
        "batch": (scores, [image(tf, 32, 8, 8, 3)], {}, UnsupportedModelError, "batches of 32"),
        "size": (scores, [image(tf, None, None, None, 3)], {}, UnsupportedModelError, "--size"),
        "two": (lambda a, b: scores(a), [one, tf.TensorSpec((None, 4), name="age")], {}, UnsupportedModelError, "age"),
        "map": (lambda a: a, [one], {}, UnsupportedModelError, "segmentation"),
        "pair": (
            lambda a: {"x": scores(a), "y": scores(a)},
            [one],
            {},
            UnsupportedModelError,
            "2 outputs (x",
        ),
        "code": (writes, [one], {}, UnsafeModelError, "WriteFile"),
        "table": (lambda a: a, [tf.TensorSpec((None, 4), name="row")], {}, UnsupportedModelError, "no image"),
        "unranked": (scores, [tf.TensorSpec(None, name="any")], {}, UnsupportedModelError, "shape"),
    }
    for name, (function, specs, options, kind, word) in cases.items():
        folder = save_module(tf, tmp_path / name, function, *specs, **options)
        with pytest.raises(kind) as caught:
            load_source(folder)
        assert word in str(caught.value), name


def test_damaged_savedmodels(exported, tmp_path):
    for name, damage in (
        ("graph", lambda folder: (folder / "saved_model.pb").write_bytes(b"\x08\x01\x12")),
        ("empty", lambda folder: (folder / "saved_model.pb").write_bytes(b"")),
        (
            "half",
            lambda folder: (folder / "saved_model.pb").write_bytes((folder / "saved_model.pb").read_bytes()[:900]),
        ),
        ("variables", lambda folder: shutil.rmtree(folder / "variables")),
    ):
        shutil.copytree(exported["keras2"][0], tmp_path / name)
        damage(tmp_path / name)
        with pytest.raises(ModelFormatError, match=name):
            load_source(tmp_path / name)


def test_a_float_tflite(float_tflite, tmp_path):
    content, expected = float_tflite
    (tmp_path / "m.tflite").write_bytes(content)
    source = load_source(tmp_path / "m.tflite")
    assert (source.format, source.classes, source.output) == ("tflite", 3, "probabilities")
    assert (source.format, source.content, source.rescales) == ("tflite", content, False)
    np.testing.assert_allclose(source.predict(IMAGES), expected, atol=1e-5)


def test_float16_weights_are_float(tf, keras2, tmp_path):
    model = classifier(keras2)
    half = tf.lite.Optimize.DEFAULT
    content = converted(tf, model, optimizations=[half], target_spec=_float16_target(tf))
    (tmp_path / "m.tflite").write_bytes(content)
    np.testing.assert_allclose(load_source(tmp_path / "m.tflite").predict(IMAGES), np.asarray(model(IMAGES)), atol=0.01)


def _float16_target(tf):
    target = tf.lite.TargetSpec()
    target.supported_types = [tf.float16]
    return target


@pytest.mark.parametrize("batch", [1, 8])
def test_a_tflite_with_a_fixed_batch(tf, keras2, tmp_path, batch):
    model = classifier(keras2, batch=batch)
    (tmp_path / "m.tflite").write_bytes(converted(tf, model))
    source = load_source(tmp_path / "m.tflite")
    expected = np.asarray(model(np.concatenate([IMAGES] * 3)[:8]))[:3] if batch == 8 else None
    answers = source.predict(IMAGES)
    assert answers.shape == (3, 3)
    assert expected is None or np.allclose(answers, expected, atol=1e-5)


@pytest.mark.parametrize("visible", [True, False])
def test_scaling_inside_a_tflite_is_seen_even_when_folded(tf, keras2, tmp_path, visible):
    before = [keras2.layers.Rescaling(1 / 127.5, offset=-1.0 if visible else 0.0)]
    model = classifier(keras2, *before)
    (tmp_path / "m.tflite").write_bytes(converted(tf, model))
    assert load_source(tmp_path / "m.tflite").rescales


def test_a_tflite_that_computes_in_integers_is_refused(tf, keras2, tmp_path):
    model = classifier(keras2, keras2.layers.Conv2D(64, 3))

    def samples():
        yield [IMAGES[:1]]

    settings = {"optimizations": [tf.lite.Optimize.DEFAULT], "representative_dataset": samples}
    (tmp_path / "full.tflite").write_bytes(converted(tf, model, **settings))
    with pytest.raises(UnsupportedModelError) as caught:
        load_source(tmp_path / "full.tflite")
    assert "int8 inside" in caught.value.message and "float" in caught.value.hint


@pytest.mark.parametrize(("kind", "off"), [("int8", 0.03), ("float16", 1e-3)])
def test_a_tflite_of_small_weights_is_a_float_model_and_says_so(kind, off, tf, keras2, tmp_path):
    model = classifier(keras2, keras2.layers.Conv2D(64, 3), keras2.layers.Conv2D(16, 3))
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if kind == "float16":
        converter.target_spec.supported_types = [tf.float16]
    (tmp_path / "m.tflite").write_bytes(converter.convert())
    assert quantization(read_graph(tmp_path / "m.tflite")).kind == "weights"
    source = load_source(tmp_path / "m.tflite")
    assert any(note.startswith(f"Its weights are {kind}, its ops compute in float") for note in source.notes)
    np.testing.assert_allclose(source.predict(IMAGES), np.asarray(model(IMAGES)), atol=off)
    assert quantization(read_graph(source.content)).kind == "none"


def test_metadata_of_a_tflite_is_used(float_tflite, tmp_path):
    spec = InputSpec(SIZE, SIZE, mean=(127.5,) * 3, std=(127.5,) * 3)
    described = write_metadata(float_tflite[0], Metadata(labels=("a", "b", "c"), input=spec))
    (tmp_path / "m.tflite").write_bytes(described)
    source = load_source(tmp_path / "m.tflite")
    assert source.labels == ("a", "b", "c")
    assert (source.stated.mean, source.stated.std) == (spec.mean, spec.std)


def test_truncated_tflites(float_tflite, tmp_path):
    content = float_tflite[0]
    for size in (0, 4, 8, 31, 200, len(content) // 2, len(content) - 40):
        (tmp_path / "m.tflite").write_bytes(content[:size])
        with pytest.raises(EdgekitError):
            load_source(tmp_path / "m.tflite")


@pytest.mark.shared
def test_a_compiled_file_is_told_apart(shared):
    compiled = next((shared / "edgetpu/pairs").rglob("*edgetpu*.tflite"), None)
    if compiled is None:
        pytest.skip("no compiled file among the shared data")
    with pytest.raises(UnsupportedModelError, match="compiled for the Edge TPU"):
        load_source(compiled)
