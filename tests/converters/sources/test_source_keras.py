import json
import shutil
import zipfile

import h5py
import numpy as np
import pytest

from edgekit.converters.sources.keras.loader import load_keras
from edgekit.converters.sources.open import load_source
from edgekit.converters.sources.sniff import KERAS_ZIP
from tests.support.tiny_keras import SIZE, classifier, save

FORMATS = ("keras2.h5", "keras2.keras", "keras3.h5", "keras3.keras")


def edited_h5(path, target, edit):
    """A copy of an `.h5` whose configuration went through `edit` (text → text)."""
    shutil.copyfile(path, target)
    with h5py.File(target, "r+") as file:
        file.attrs["model_config"] = edit(file.attrs["model_config"])
    return target


def edited_zip(path, target, edit):
    """The same for a `.keras`."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, edit(content.decode()) if name == "config.json" else content)
    return target


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_answers_as_the_model_that_was_saved(saved, name):
    cases, images = saved
    path, expected = cases[name]
    source = load_source(path)
    assert source.format == name[:6]
    assert source.spec.shape == (SIZE, SIZE, 3)
    assert (source.classes, source.output) == (3, "probabilities")
    assert source.framework.startswith("keras 3" if "3" in name else "keras 2")
    np.testing.assert_allclose(source.predict(images), expected, atol=1e-5)


def test_suffixes_may_lie(saved, tmp_path):
    cases, images = saved
    for name, lie in (("keras2.h5", "a.keras"), ("keras3.keras", "b.h5"), ("keras2.keras", "c.model")):
        shutil.copyfile(cases[name][0], tmp_path / lie)
        np.testing.assert_allclose(load_source(tmp_path / lie).predict(images), cases[name][1], atol=1e-5)


def test_call_is_traceable_with_a_batch_of_one(saved):
    import tensorflow as tf

    cases, images = saved
    path, expected = cases["keras3.keras"]
    source = load_keras(path, KERAS_ZIP, trust=False, size=None)
    traced = tf.function(source.call).get_concrete_function(tf.TensorSpec((1, SIZE, SIZE, 3), tf.float32))
    np.testing.assert_allclose(traced(tf.constant(images[:1])).numpy(), expected[:1], atol=1e-5)


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
@pytest.mark.parametrize("version", ["keras2", "keras3"])
def test_augmentation_and_fixed_batches_fall_away(request, tmp_path, version, suffix):
    keras = request.getfixturevalue(version)
    augment = keras.Sequential([keras.layers.RandomFlip("horizontal"), keras.layers.RandomRotation(0.2)])
    model = classifier(keras, augment, keras.layers.Rescaling(1 / 255))
    path = save(model, tmp_path / f"m{suffix}")
    edit = edited_h5 if suffix == ".h5" else edited_zip
    shape = f"[null, {SIZE}, {SIZE}, 3]"

    def from_another_version(text):
        assert '"fill_mode"' in text and shape in text
        return text.replace('"fill_mode"', '"an_argument_of_tomorrow"').replace(shape, shape.replace("null", "32"))

    source = load_source(edit(path, tmp_path / f"edited{suffix}", from_another_version))
    images = np.random.default_rng(1).random((3, SIZE, SIZE, 3), dtype=np.float32) * 255
    np.testing.assert_allclose(source.predict(images), np.asarray(model(images, training=False)), atol=1e-5)
    assert any("RandomFlip, RandomRotation" in note for note in source.notes)
    assert any("batches of 32" in note for note in source.notes)


def test_augmentation_that_changes_images_at_inference_stays(keras3, tmp_path):
    model = classifier(keras3, keras3.layers.CenterCrop(16, 16), keras3.layers.AutoContrast())
    source = load_source(save(model, tmp_path / "m.keras"))
    images = np.random.default_rng(1).random((2, SIZE, SIZE, 3), dtype=np.float32) * 100
    np.testing.assert_allclose(source.predict(images), np.asarray(model(images, training=False)), atol=1e-5)


def test_models_within_models(keras2, keras3, tmp_path):
    for keras in (keras2, keras3):
        inner = classifier(keras, classes=5, activation=None)
        model = keras.Sequential([keras.Input((SIZE, SIZE, 3)), inner, keras.layers.Dense(2, activation="softmax")])
        path = save(model, tmp_path / f"{keras.__name__}.h5")
        source = load_source(path)
        images = np.ones((1, SIZE, SIZE, 3), np.float32)
        np.testing.assert_allclose(source.predict(images), np.asarray(model(images)), atol=1e-5)
        assert source.first_norm.name == "first_norm"


def test_a_keras_archive_of_2_14_with_its_old_group_names(saved, tmp_path):
    cases, images = saved
    path, expected = cases["keras2.keras"]
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "x")
    with h5py.File(tmp_path / "x/model.weights.h5", "r+") as weights:
        weights.move("layers", "_layer_checkpoint_dependencies")
    with zipfile.ZipFile(tmp_path / "old.keras", "w") as archive:
        for file in sorted((tmp_path / "x").iterdir()):
            archive.write(file, file.name)
    np.testing.assert_allclose(load_source(tmp_path / "old.keras").predict(images), expected, atol=1e-5)


def test_modules_of_keras_2_15(keras2, tmp_path):
    given = keras2.Input((SIZE, SIZE, 3))
    scaled = given / 127.5 - 1.0
    model = keras2.Model(given, classifier(keras2)(scaled))
    path = save(model, tmp_path / "m.keras")
    old = edited_zip(path, tmp_path / "old.keras", lambda text: text.replace("tf_keras.src.", "keras.src."))
    source = load_source(old)
    images = np.random.default_rng(1).random((2, SIZE, SIZE, 3), dtype=np.float32) * 255
    np.testing.assert_allclose(source.predict(images), np.asarray(model(images)), atol=1e-5)
    assert source.rescales


def test_the_other_keras_is_tried_where_the_version_is_wrong(saved, tmp_path):
    cases, images = saved
    path, expected = cases["keras3.h5"]
    shutil.copyfile(path, tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5", "r+") as file:
        file.attrs["keras_version"] = "2.9.0"
    np.testing.assert_allclose(load_source(tmp_path / "m.h5").predict(images), expected, atol=1e-5)


def test_mixed_precision_is_turned_off(keras3, tmp_path):
    policy = keras3.config.dtype_policy()
    keras3.config.set_dtype_policy("mixed_float16")
    try:
        path = save(classifier(keras3), tmp_path / "m.keras")
    finally:
        keras3.config.set_dtype_policy(policy)
    source = load_source(path)
    assert source.predict(np.ones((1, SIZE, SIZE, 3), np.float32)).dtype == np.float32
    assert any("mixed_float16" in note for note in source.notes)


def test_an_activation_stored_as_a_function_is_kerass_own(saved, tmp_path):
    cases, _ = saved
    function = json.dumps(
        {"module": "builtins", "class_name": "function", "config": "relu6", "registered_name": "function"}
    )
    path = edited_zip(
        cases["keras3.keras"][0],
        tmp_path / "m.keras",
        lambda text: text.replace('"activation": "softmax"', f'"activation": {function}'),
    )
    source = load_source(path)
    assert source.output == "logits"
    assert any("relu6" in note for note in source.notes)


@pytest.mark.parametrize(
    ("classes", "activation", "output", "told"),
    [
        (3, "softmax", "probabilities", None),
        (3, None, "logits", None),
        (3, "sigmoid", "probabilities", "need not sum to 1"),
        (1, "sigmoid", "probabilities", "second of two classes"),
    ],
)
def test_what_the_output_means(keras3, tmp_path, classes, activation, output, told):
    path = save(classifier(keras3, classes=classes, activation=activation), tmp_path / "m.keras")
    source = load_source(path)
    assert (source.classes, source.output) == (classes, output)
    assert (told is None and not source.notes) or told in source.notes[0]


def test_an_open_image_size_wants_size(keras3, tmp_path):
    path = save(classifier(keras3, shape=(None, None, 3)), tmp_path / "m.keras")
    assert load_source(path, size=48).spec.shape == (48, 48, 3)
    assert load_source(path, size=(40, 48)).spec.shape == (40, 48, 3)


def test_grey_images(keras3, tmp_path):
    spec = load_source(save(classifier(keras3, shape=(28, 28, 1)), tmp_path / "m.keras")).spec
    assert spec.shape == (28, 28, 1)
    assert len(spec.mean) == 1


@pytest.mark.parametrize(
    ("file", "text", "labels"),
    [
        ("labels.txt", "0 Cat\n1 Dog\n2 Panda bear\n", ("Cat", "Dog", "Panda bear")),
        ("m.labels.txt", "cat\r\ndog\r\npanda\r\n", ("cat", "dog", "panda")),
        ("class_names.txt", "\ufeffKatze\nHund\nBär", ("Katze", "Hund", "Bär")),
        ("labels.txt", "7 of hearts\n8 of hearts\n9 of hearts\n", ("7 of hearts", "8 of hearts", "9 of hearts")),
    ],
)
def test_labels_beside_the_model(saved, tmp_path, file, text, labels):
    shutil.copyfile(saved[0]["keras3.keras"][0], tmp_path / "m.keras")
    (tmp_path / file).write_text(text, encoding="utf-8")
    assert load_source(tmp_path / "m.keras").labels == labels


@pytest.mark.parametrize("content", [b"cat\ndog\n", b"\xff\xfe\x00\x01"])
def test_labels_that_do_not_fit_are_left_alone(saved, tmp_path, content):
    shutil.copyfile(saved[0]["keras3.keras"][0], tmp_path / "m.keras")
    (tmp_path / "labels.txt").write_bytes(content)
    source = load_source(tmp_path / "m.keras")
    assert source.labels == ()
    assert "labels.txt" in source.notes[0]


def test_the_file_is_left_as_it_was(saved):
    path = saved[0]["keras2.h5"][0]
    before = path.read_bytes()
    load_source(path)
    assert path.read_bytes() == before


def test_known_architectures_by_name_and_by_structure(keras3):
    from edgekit.converters.sources.keras.architectures import recognize
    from edgekit.converters.sources.keras.layers import leaves, model_names
    from edgekit.converters.sources.keras.loader import leaf

    nameless = keras3.applications.EfficientNetB0(weights=None, input_shape=(64, 64, 3), classes=4, name="mine")
    named = keras3.applications.MobileNetV3Small(weights=None, input_shape=(64, 64, 3), include_top=False)
    assert recognize(model_names(nameless), [leaf(layer) for layer in leaves(nameless)]) == "EfficientNetB0"
    assert recognize(model_names(named), []) == "MobileNetV3Small"
    assert recognize(["efficientnet_lite2"], []) == "EfficientNetLite2"
    assert recognize(["resnet50v2"], []) == "ResNet50V2"
    assert recognize(["sequential"], []) is None


@pytest.mark.shared
def test_files_of_real_users_open(shared):
    folder = shared / "user-models"
    expected = {
        "cat-dog/keras_model.h5": ("keras2", 2, False),
        "potato/model.h5": ("keras2", 3, True),
        "potato/model.keras": ("keras2", 3, True),
        "potato/PotatoModel.tflite": ("tflite", 3, True),
        "animals/model.h5": ("keras2", 3, True),
        "animals/model.keras": ("keras3", 3, True),
        "tomato/model.keras": ("keras3", 5, True),
        "mosquitoes/model.keras": ("keras2", 2, False),
        "mosquitoes/mosquitoes_model.keras": ("keras2", 2, False),
    }
    for name, (kind, classes, rescales) in expected.items():
        source = load_source(folder / name)
        assert (source.format, source.classes, source.rescales) == (kind, classes, rescales), name
    assert load_source(folder / "cat-dog/keras_model.h5").labels == ("Cat", "Dog")
