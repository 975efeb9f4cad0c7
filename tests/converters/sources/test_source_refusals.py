import contextlib
import json
import os
import shutil
import struct
import threading
import warnings
import zipfile

import h5py
import numpy as np
import pytest

from edgekit.converters.sources.keras import rehearsal
from edgekit.converters.sources.keras.loader import load_keras
from edgekit.converters.sources.open import load_source
from edgekit.converters.sources.sniff import KERAS_ZIP
from edgekit.devices import admission
from edgekit.errors import (
    EdgekitError,
    MissingDependencyError,
    ModelFormatError,
    UnsafeModelError,
    UnsupportedModelError,
    UsageError,
)
from tests.support.build import GraphBuilder
from tests.support.hostile import open_size, picky, split_inside_a_branch
from tests.support.tiny_keras import SIZE, classifier, save


def refused(path, kind, *words, **options):
    """Asserts that a model is refused with an error of `kind` whose text has all the words, and advice."""
    with pytest.raises(EdgekitError) as caught:
        load_source(path, **options)
    error = caught.value
    assert type(error) is kind, error
    for word in words:
        assert word in str(error), error
    assert "Traceback" not in str(error) and len(str(error)) < 700
    return error


@pytest.mark.parametrize(
    ("name", "content", "kind", "word"),
    [
        ("empty.h5", b"", ModelFormatError, "empty"),
        (
            "lfs.keras",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 9\n",
            ModelFormatError,
            "git lfs",
        ),
        ("page.h5", b"\n<!DOCTYPE html><html></html>", ModelFormatError, "web page"),
        ("noise.keras", bytes(range(256)) * 4, ModelFormatError, "no model"),
        ("short.h5", b"\x89HDF\r\n\x1a\n" + b"\0" * 200, ModelFormatError, "damaged"),
        ("short.keras", b"PK\x03\x04" + b"\0" * 200, ModelFormatError, "cut short"),
        ("short.tflite", b"\x1c\0\0\0TFL3" + b"\0" * 8, ModelFormatError, "truncated"),
        ("junk.tflite", b"\x1c\0\0\0TFL3" + bytes(range(200)), ModelFormatError, "damaged"),
        ("net.pt", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", UnsupportedModelError, "PyTorch"),
        ("net.onnx", b"\x08\x07\x12\x07pytorch", UnsupportedModelError, "ONNX"),
        ("frozen.pb", b"\n\x1a\n\x05input\x12\x0bPlaceholder", UnsupportedModelError, "frozen"),
        ("saved_model.pb", b"\x08\x01\x12\x00", UnsupportedModelError, "folder"),
        ("model.json", b'{"class_name": "Sequential"}', UnsupportedModelError, "without weights"),
        ("model.ckpt.index", b"\0\0\x05\x01", UnsupportedModelError, "checkpoint"),
        ("model.ckpt.data-00000-of-00001", b"\0\0\x80?", UnsupportedModelError, "checkpoint"),
        ("w.safetensors", struct.pack("<Q", 2) + b"{}", UnsupportedModelError, "weights"),
    ],
)
def test_files_that_are_no_keras_model(tmp_path, name, content, kind, word):
    (tmp_path / name).write_bytes(content)
    refused(tmp_path / name, kind, name, word)


def test_nothing_there(tmp_path):
    refused(tmp_path / "nowhere.h5", ModelFormatError, "no file")


def test_zip_archives_of_something_else(tmp_path):
    for member, kind, word in (
        ("archive/data.pkl", UnsupportedModelError, "PyTorch"),
        ("best/model.h5", UnsupportedModelError, "Unpack"),
        ("readme.txt", ModelFormatError, "without a Keras model"),
    ):
        with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
            archive.writestr(member, "x")
        refused(tmp_path / "m.keras", kind, word)


def test_folders_that_are_no_savedmodel(tmp_path):
    refused(tmp_path, ModelFormatError, "not a SavedModel")
    (tmp_path / "best.h5").write_bytes(b"x")
    refused(tmp_path, ModelFormatError, "best.h5")
    (tmp_path / "checkpoint").write_text("x")
    refused(tmp_path, UnsupportedModelError, "checkpoint")
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.weights.h5").write_bytes(b"x")
    refused(tmp_path, UnsupportedModelError, "unpacked")


def test_h5_files_without_a_model(tmp_path, keras2, keras3):
    with h5py.File(tmp_path / "empty.h5", "w"):
        pass
    refused(tmp_path / "empty.h5", ModelFormatError, "neither layers nor weights")
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["images"] = np.zeros(3)
    refused(tmp_path / "data.h5", UnsupportedModelError, "no Keras model")
    for keras in (keras2, keras3):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras 3 converts its weights in a way NumPy 2 deprecates
            classifier(keras).save_weights(str(tmp_path / f"{keras.__name__}.weights.h5"))
        refused(tmp_path / f"{keras.__name__}.weights.h5", UnsupportedModelError, "weights only", "model.save")


@pytest.mark.parametrize("name", ["keras2.h5", "keras2.keras", "keras3.h5", "keras3.keras"])
@pytest.mark.parametrize("part", [0.3, 0.7, 0.95])
def test_truncated_files(saved, tmp_path, name, part):
    content = saved[0][name][0].read_bytes()
    (tmp_path / name).write_bytes(content[: int(len(content) * part)])
    refused(tmp_path / name, ModelFormatError, "damaged" if name.endswith("h5") else "cut short", "again")


@pytest.mark.parametrize("name", ["keras2.h5", "keras3.keras"])
def test_flipped_bytes_never_end_in_a_raw_exception(saved, tmp_path, name):
    content = saved[0][name][0].read_bytes()
    noise = np.random.default_rng(3)
    for trial in range(25):
        damaged = bytearray(content)
        for position in noise.integers(0, len(content), 40):
            damaged[position] = int(noise.integers(0, 256))
        path = tmp_path / f"{trial}.bin"
        path.write_bytes(bytes(damaged))
        with contextlib.suppress(EdgekitError):
            load_source(path)


def with_config(saved, target, config):
    """A `.keras` with another configuration (a dictionary, or text)."""
    with zipfile.ZipFile(saved[0]["keras3.keras"][0]) as old, zipfile.ZipFile(target, "w") as new:
        new.writestr("config.json", config if isinstance(config, str) else json.dumps(config))
        new.writestr("metadata.json", old.read("metadata.json"))
        new.writestr("model.weights.h5", old.read("model.weights.h5"))
    return target


@pytest.mark.parametrize(
    "config",
    [
        *("", "{", "[]", "7", "{}", "[" * 100_000, '"\\ud800"', '{"class_name": 7}', '{"class_name": "Sequential"}'),
        '{"class_name": "Sequential", "config": {"layers": 3}}',
        '{"class_name": "Dense", "config": {"units": -1}}',
    ],
)
def test_configurations_that_describe_nothing(saved, tmp_path, config):
    with pytest.raises(EdgekitError):
        load_source(with_config(saved, tmp_path / "m.keras", config))


def config_with(layer):
    """A Sequential configuration of an image input and one more layer."""
    given = {
        "module": "keras.layers",
        "class_name": "InputLayer",
        "config": {"batch_shape": [None, 8, 8, 3], "dtype": "float32", "name": "image"},
        "registered_name": None,
    }
    return {
        "module": "keras",
        "class_name": "Sequential",
        "config": {"name": "s", "layers": [given, layer]},
        "registered_name": None,
    }


def layer_of(kind, **config):
    """A layer of Keras's own."""
    return {"module": "keras.layers", "class_name": kind, "config": config}


def tf_function(name):
    """A Keras 2 layer that calls a function of the TensorFlow namespace."""
    return {"class_name": "TFOpLambda", "config": {"name": "x", "function": name}}


BYTECODE = {"class_name": "__lambda__", "config": {"value": "4wAAAA=="}}
FUNCTION = {"module": "builtins", "class_name": "function", "config": "eval"}
CODE = [
    layer_of("Lambda", name="evil"),
    layer_of("TFSMLayer", filepath="/tmp/x"),
    layer_of("StringLookup", vocabulary="/etc/passwd"),
    layer_of("TimeDistributed", layer=layer_of("Lambda")),
    layer_of("Dense", units=1, activation=BYTECODE),
    layer_of("Dense", units=1, kernel_initializer=FUNCTION),
    tf_function("io.write_file"),
    tf_function("py_function"),
    tf_function("raw_ops.ReadFile"),
    {"class_name": "InstanceMethod", "config": {"attr_name": "numpy"}},
    {"module": "os", "class_name": "system", "config": {}},
]


@pytest.mark.parametrize("layer", CODE)
def test_configurations_that_would_run_code(saved, tmp_path, layer):
    path = with_config(saved, tmp_path / "m.keras", config_with(layer))
    refused(path, UnsafeModelError, "run code", "--trust")


def test_a_real_lambda_runs_only_when_trusted(keras2, keras3, tmp_path):
    for keras, suffix in ((keras2, ".h5"), (keras2, ".keras"), (keras3, ".keras"), (keras3, ".h5")):
        model = classifier(keras, keras.layers.Lambda(lambda x: x / 255.0, output_shape=(SIZE, SIZE, 3)))
        path = save(model, tmp_path / f"m{suffix}")
        refused(path, UnsafeModelError, "Lambda", "--trust")
        images = np.full((1, SIZE, SIZE, 3), 200, np.float32)
        trusted = load_source(path, trust=True)
        np.testing.assert_allclose(trusted.predict(images), np.asarray(model(images)), atol=1e-5)


def test_layers_of_ones_own(keras3, tmp_path):
    class Swirl(keras3.layers.Layer):
        def call(self, inputs):
            return inputs * 2

    path = save(classifier(keras3, Swirl(name="swirl")), tmp_path / "m.keras")
    with pytest.raises(EdgekitError) as caught:
        load_source(path)
    assert "Swirl" in caught.value.message
    assert "model.export" in caught.value.hint


def test_unknown_layers_are_named_with_the_way_out(saved, tmp_path):
    layer = {"module": None, "class_name": "Swirl", "config": {"name": "swirl"}, "registered_name": "Mine>Swirl"}
    refused(with_config(saved, tmp_path / "m.keras", config_with(layer)), UnsupportedModelError, "Swirl", "export")


def test_a_model_neither_keras_can_build_tells_both_reasons(saved, tmp_path):
    layer = {"module": "keras.layers", "class_name": "Conv2D", "config": {"name": "c", "flavour": "vanilla"}}
    error = refused(
        with_config(saved, tmp_path / "m.keras", config_with(layer)), UnsupportedModelError, "neither Keras"
    )
    assert "tf_keras" in error.message and "keras 3" in error.message


def test_weights_that_point_outside_the_file(saved, tmp_path):
    shutil.copyfile(saved[0]["keras2.h5"][0], tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5", "r+") as file:
        file["model_weights"]["stolen"] = h5py.ExternalLink("/etc/secrets.h5", "/x")
    refused(tmp_path / "m.h5", UnsafeModelError, "outside itself")


def test_weights_that_unpack_to_terabytes(saved, tmp_path):
    shutil.copyfile(saved[0]["keras2.h5"][0], tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5", "r+") as file:
        file.create_dataset("model_weights/bomb", shape=(1 << 40,), dtype="f4", chunks=(1 << 16,), compression="gzip")
    refused(tmp_path / "m.h5", ModelFormatError, "GB")


def test_inputs_and_outputs_that_are_no_classifiers(keras3, tmp_path):
    layers = keras3.layers
    given = keras3.Input((SIZE, SIZE, 3), name="image")
    features = layers.GlobalAveragePooling2D()(given)
    other = keras3.Input((4,), name="age")
    both = layers.Concatenate()([features, other])
    cases = {
        "two inputs": (keras3.Model([given, other], layers.Dense(2)(both)), ("2 inputs", "image", "age")),
        "two outputs": (keras3.Model(given, [layers.Dense(2)(features), layers.Dense(3)(features)]), ("2 outputs",)),
        "table": (keras3.Sequential([keras3.Input((4,)), layers.Dense(2)]), ("(?, 4)", "no image")),
        "segmentation": (keras3.Model(given, layers.Conv2D(2, 1)(given)), ("segmentation",)),
        "boxes": (keras3.Model(given, layers.Reshape((-1, 3))(given)), ("boxes",)),
        "two channels": (classifier(keras3, shape=(SIZE, SIZE, 2)), ("2 channels",)),
        "four channels": (classifier(keras3, shape=(SIZE, SIZE, 4)), ("4 channels",)),
        "channels first": (keras3.Sequential([keras3.Input((3, 8, 8)), layers.Flatten(), layers.Dense(2)]), ("first",)),
        "open size": (classifier(keras3, shape=(None, None, 3)), ("--size",)),
    }
    for name, (model, words) in cases.items():
        refused(save(model, tmp_path / f"{name}.keras"), UnsupportedModelError, *words)


def test_sizes_that_do_not_fit(saved):
    path = saved[0]["keras3.keras"][0]
    refused(path, UnsupportedModelError, "32x32 only", size=64)
    for size in (0, -1, 100_000, (32, 0)):
        refused(path, UsageError, "image size", size=size)


def test_keras_on_another_backend_is_told(saved, keras3, monkeypatch):
    monkeypatch.setattr(keras3.config, "backend", lambda: "jax")
    with pytest.raises(EdgekitError, match="KERAS_BACKEND"):
        load_keras(saved[0]["keras3.keras"][0], KERAS_ZIP, trust=False, size=None)


@pytest.mark.shared
def test_files_of_real_users_that_hold_no_model(shared):
    folder = shared / "user-models"
    refused(folder / "bear/model.keras", ModelFormatError, "Git-LFS")
    refused(folder / "tomato/model.h5", ModelFormatError, "empty")
    refused(folder / "flowers-model-maker/FlowerModel.tflite", UnsupportedModelError, "quantized already")


def test_arithmetic_that_keras_3_loses_in_an_h5_is_told(keras3, tmp_path):
    given = keras3.Input((SIZE, SIZE, 3))
    path = save(keras3.Model(given, classifier(keras3)(keras3.ops.cumsum(given / 255.0, axis=1))), tmp_path / "m.h5")
    refused(path, UnsupportedModelError, "TrueDivide", "kept by .keras files")


def dies(file):
    os.abort()


def hangs(file):
    while True:
        pass


@pytest.mark.parametrize("fate", [dies, hangs])
def test_a_file_over_which_the_hdf5_library_dies(saved, monkeypatch, fate):
    monkeypatch.setattr(rehearsal, "read_all", fate)
    monkeypatch.setattr(rehearsal, "PATIENCE_S", 1)
    monkeypatch.setattr(threading, "active_count", lambda: 1)
    for name in ("keras2.h5", "keras3.keras"):
        refused(saved[0][name][0], ModelFormatError, "cannot be read as HDF5")


@pytest.mark.parametrize("fate", ["import os; os.abort()", "while True: pass"])
def test_the_same_in_a_program_with_threads_which_is_not_copied(saved, monkeypatch, tmp_path, fate):
    (tmp_path / "other.py").write_text(fate)
    monkeypatch.setattr(rehearsal, "__file__", str(tmp_path / "other.py"))
    monkeypatch.setattr(rehearsal, "PATIENCE_S", 1)
    monkeypatch.setattr(threading, "active_count", lambda: 2)
    refused(saved[0]["keras2.h5"][0], ModelFormatError, "cannot be read as HDF5")


def test_a_program_with_threads_opens_what_is_sound(saved, monkeypatch):
    monkeypatch.setattr(threading, "active_count", lambda: 2)
    assert load_source(saved[0]["keras2.h5"][0]).classes > 1


def test_all_of_a_file_is_read_before_it_is_trusted(saved, tmp_path):
    shutil.copyfile(saved[0]["keras2.h5"][0], tmp_path / "m.h5")
    rehearsal.read_all(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5", "r+") as file:
        deepest = max(file["model_weights"], key=len)
        group = file["model_weights"][deepest].id
        h5py.h5a.create(group, b"when", h5py.h5t.UNIX_D32LE, h5py.h5s.create(h5py.h5s.SCALAR))
    with pytest.raises(TypeError, match="TypeTimeID"):
        rehearsal.read_all(tmp_path / "m.h5")


def test_something_else_among_the_weights(saved, tmp_path):
    shutil.copyfile(saved[0]["keras2.h5"][0], tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5", "r+") as file:
        file["model_weights/kind"] = np.dtype("f4")
    refused(tmp_path / "m.h5", ModelFormatError, "damaged")


def test_without_h5py(saved, monkeypatch):
    monkeypatch.setattr("edgekit.converters.sources.keras.archive.find_spec", lambda name: None)
    refused(saved[0]["keras2.h5"][0], MissingDependencyError, "h5py", 'pip install "edgekit-coral[convert]"')


def test_a_float_tflite_that_ends_its_process_is_refused(tmp_path):
    path = tmp_path / "evil.tflite"
    path.write_bytes(split_inside_a_branch())
    refused(path, ModelFormatError, "evil.tflite", "ends the process that runs it")


@pytest.mark.parametrize(
    ("option", "value", "word"),
    [("dilation_rate", [1, 0], "dilation"), ("strides", [1, 10**30], "fails on an image of")],
)
@pytest.mark.parametrize("library", ["keras", "tf_keras"])
def test_a_model_that_fails_when_it_runs_is_refused_in_its_own_words(library, option, value, word, tmp_path):
    keras = pytest.importorskip(library)
    path = save(classifier(keras), tmp_path / "m.h5")
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        (conv,) = [layer for layer in config["config"]["layers"] if layer["class_name"] == "Conv2D"]
        conv["config"][option] = value
        file.attrs["model_config"] = json.dumps(config)
    refused(path, UnsupportedModelError, "m.h5", word)


@pytest.mark.parametrize("depth", [120, 900, 50_000])
@pytest.mark.parametrize("kind", ["h5", "keras"])
def test_configurations_nested_without_end_are_refused(depth, kind, tmp_path):
    import keras

    path = save(classifier(keras), tmp_path / f"m.{kind}")
    deep = '{"class_name": "Sequential", "config": ' + "[" * depth + "]" * depth + "}"
    if kind == "h5":
        with h5py.File(path, "r+") as file:
            file.attrs["model_config"] = deep[:60_000]
    else:
        whole = tmp_path / "deep.keras"
        with zipfile.ZipFile(path) as old, zipfile.ZipFile(whole, "w") as new:
            for name in old.namelist():
                new.writestr(name, deep if name == "config.json" else old.read(name))
        path = whole
    refused(path, ModelFormatError, "damaged")


def test_a_float_tflite_that_fails_on_images_is_refused_in_words(tmp_path):
    path = tmp_path / "picky.tflite"
    path.write_bytes(picky())
    refused(path, UnsupportedModelError, "picky.tflite fails on an image", "out of bounds")


def test_a_tflite_of_open_size_is_tried_at_the_size_asked_for(tmp_path, monkeypatch):
    path, tried, first_run = tmp_path / "open.tflite", [], admission._first_run
    path.write_bytes(open_size(2))
    monkeypatch.setattr(admission, "_passed", set())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(admission, "_first_run", lambda *given: tried.append(given[2]) or first_run(*given))
    for size in (16, 16, 24):
        load_source(path, size=size)
    assert tried == [(1, 16, 16, 3), (1, 24, 24, 3)]


def _emptied(file):
    file["model_weights"].attrs["layer_names"] = h5py.Empty("f4")


def _counted(file):
    file["model_weights"].attrs["layer_names"] = np.int32(3)


def _nameless(file):
    first = next(group for group in file["model_weights"].values() if len(group.attrs.get("weight_names", ())))
    first.attrs["weight_names"] = np.zeros(2)


def _flat(file):
    name = next(iter(file["model_weights"]))
    del file["model_weights"][name]
    file["model_weights"][name] = np.zeros(3)


def _flat_root(file):
    del file["model_weights"]
    file["model_weights"] = np.zeros(3)


def _nested_weight(file):
    group = next(group for group in file["model_weights"].values() if len(group.attrs.get("weight_names", ())))
    name = group.attrs["weight_names"][0]
    del group[name]
    group.create_group(name)


@pytest.mark.parametrize("damage", [_emptied, _counted, _nameless, _flat, _flat_root, _nested_weight])
def test_weights_that_are_of_another_kind_than_keras_writes(damage, keras3, tmp_path):
    path = save(classifier(keras3), tmp_path / "m.h5")
    with h5py.File(path, "r+") as file:
        damage(file)
    with pytest.raises((ModelFormatError, UnsupportedModelError)) as caught:
        load_source(path)
    assert caught.value.hint


@pytest.mark.parametrize("name", ["vars", "layers"])
def test_an_archive_whose_groups_are_none(name, keras3, tmp_path):
    path = save(classifier(keras3), tmp_path / "m.keras")
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "in")
    with h5py.File(tmp_path / "in" / "model.weights.h5", "r+") as file:
        places = ["layers"] if name == "layers" else [f"layers/{layer}/vars" for layer in file["layers"]]
        for place in places:
            del file[place]
            file[place] = np.zeros(3)
    with zipfile.ZipFile(path, "w") as archive:
        for member in sorted((tmp_path / "in").iterdir()):
            archive.write(member, member.name)
    with pytest.raises((ModelFormatError, UnsupportedModelError)):
        load_source(path)


def test_a_tflite_whose_output_is_its_input(tmp_path):
    graph = GraphBuilder()
    (tmp_path / "m.tflite").write_bytes(graph.finish([graph.input((1, 1, 1, 3), "float32")]))
    refused(tmp_path / "m.tflite", UnsupportedModelError, "computes nothing")
