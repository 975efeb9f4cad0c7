import hashlib
import json

import pytest

from edgekit.devices.describing import Changes, set_metadata
from edgekit.devices.opening import open_model
from edgekit.devices.twin import find_twin
from edgekit.errors import DataError, ModelFormatError, UnsupportedModelError, UsageError
from edgekit.preprocess import InputSpec
from edgekit.tflite import flat, read_graph
from edgekit.tflite.editor import Editor
from edgekit.tflite.metadata import Metadata, read_metadata, write_metadata
from tests.support.build import GraphBuilder, colour_classifier
from tests.support.pairs import twin, write_pair, write_segments

FULL = Metadata(
    name="colours",
    description="Which colour?",
    labels=("red", "green", "blue"),
    input=InputSpec(8, 8).with_convention("lite"),
    output="probabilities",
    provenance={"tool": "edgekit"},
    version="2",
    author="Ada",
    license="MIT",
)


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "m.tflite"
    path.write_bytes(write_metadata(colour_classifier("float32"), FULL))
    return path


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (Changes(name="n", description=""), {"name": "n", "description": ""}),
        (Changes(author="Bo", license="", version="3"), {"author": "Bo", "license": "", "version": "3"}),
        (Changes(output="logits"), {"output": "logits"}),
        (Changes(preprocess="imagenet"), {"input": InputSpec(8, 8).with_convention("imagenet")}),
        (
            Changes(resize="crop:0.875", interpolation="bilinear"),
            {"input": InputSpec(8, 8, resize="crop", crop=0.875, interpolation="bilinear").with_convention("lite")},
        ),
    ],
)
def test_what_is_named_changes_and_all_else_stays(model, changes, expected):
    before = read_graph(model)
    found = set_metadata(model, changes)
    after = read_metadata(model)
    assert after == found.metadata
    assert {name: value for name, value in vars(after).items() if value != getattr(FULL, name)} == expected
    assert (before.tensors, before.ops) == (read_graph(model).tensors, read_graph(model).ops)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("labels.txt", "rot\ngrün\nblau\n"),
        ("numbered.txt", "2 blau\n0 rot\n1 grün\n"),
        ("labels.json", '{"0": "rot", "1": "grün", "2": "blau"}'),
        ("map.pbtxt", "item { id: 0 name: 'rot' } item { id: 1 name: 'grün' } item { id: 2 name: 'blau' }"),
        ("labels.csv", "rot,0\ngrün,1\nblau,2\n"),
    ],
)
def test_labels_from_the_files_that_tools_write(model, name, text):
    (model.parent / name).write_text(text, encoding="utf-8")
    set_metadata(model, Changes(labels=model.parent / name))
    assert read_metadata(model).labels == ("rot", "grün", "blau")


def test_a_model_that_said_nothing_is_described(tmp_path):
    path = tmp_path / "m.tflite"
    path.write_bytes(colour_classifier("uint8"))
    set_metadata(path, Changes(name="n"))
    assert read_metadata(path) == Metadata(name="n")


@pytest.mark.parametrize("named", ["net.tflite", "net_edgetpu.tflite"])
@pytest.mark.parametrize("with_digest", [True, False])
def test_a_compiled_file_and_its_twin_are_kept_in_step(tmp_path, named, with_digest):
    compiled = write_pair(tmp_path)
    if with_digest:
        digest = hashlib.sha256((tmp_path / "net.tflite").read_bytes()).hexdigest()
        compiled = write_pair(tmp_path, digest=digest)
    found = set_metadata(tmp_path / named, Changes(name="new", author="Ada"))
    assert set(found.written) == {tmp_path / "net.tflite", compiled} and found.notes == ()
    for path in found.written:
        assert (read_metadata(path).name, read_metadata(path).author) == ("new", "Ada")
        assert read_metadata(path).labels == ("red", "green", "blue")
    assert find_twin(compiled, read_graph(compiled)).path == tmp_path / "net.tflite"
    assert open_model(compiled, device="cpu").metadata.name == "new"
    assert read_metadata(compiled).provenance["edgetpu"]["cpu_twin_sha256"] == (
        hashlib.sha256((tmp_path / "net.tflite").read_bytes()).hexdigest()
    )


def test_segments_are_kept_in_step(tmp_path):
    (tmp_path / "net.tflite").write_bytes(twin())
    segments = write_segments(tmp_path)
    set_metadata(tmp_path / "net.tflite", Changes(name="new"))
    assert [read_metadata(path).name for path in segments] == ["new"] * 2


def test_a_compiled_file_of_another_model_is_left_alone_and_named(tmp_path):
    compiled = write_pair(tmp_path, digest="0" * 64)
    before = compiled.read_bytes()
    found = set_metadata(tmp_path / "net.tflite", Changes(name="new"))
    assert compiled.read_bytes() == before
    (note,) = found.notes
    assert "net_edgetpu.tflite was left alone" in note


def test_a_compiled_file_without_its_twin_is_described_alone(tmp_path):
    compiled = write_pair(tmp_path)
    (tmp_path / "net.tflite").unlink()
    found = set_metadata(compiled, Changes(name="new"))
    assert found.written == (compiled,) and "No CPU twin" in found.notes[0]
    assert read_metadata(compiled).name == "new"


def test_the_manifest_knows_the_new_content(model):
    manifest = {
        "model": model.name,
        "sha256": hashlib.sha256(model.read_bytes()).hexdigest(),
        "bytes": 1,
        "tool": "Größe",
    }
    model.with_suffix(".json").write_text(json.dumps(manifest))
    set_metadata(model, Changes(resize="crop"))
    written = model.with_suffix(".json").read_text("utf-8")
    assert "Größe" in written  # as it was, for people who read it
    read = json.loads(written)
    assert read["sha256"] == hashlib.sha256(model.read_bytes()).hexdigest()
    assert (read["bytes"], read["tool"], read["input"]["resize"]) == (len(model.read_bytes()), "Größe", "crop")


@pytest.mark.parametrize("text", ['{"sha256": "of another file"}', "[1, 2]", "no JSON", "[" * 100_000])
def test_a_json_file_that_is_no_manifest_of_the_model_stays(model, text):
    model.with_suffix(".json").write_text(text)
    set_metadata(model, Changes(name="new"))
    assert model.with_suffix(".json").read_text() == text


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        (Changes(), UsageError, "nothing to change"),
        (Changes(preprocess="odd"), UsageError, "not understood"),
        (Changes(resize="squash"), UsageError, "no way 'squash' to resize"),
        (Changes(interpolation="odd"), UsageError, "no interpolation 'odd'"),
        (Changes(output="odd"), UsageError, "one of probabilities"),
        (Changes(labels="none.txt"), DataError, "No labels can be read"),
    ],
)
def test_what_is_not_understood_changes_nothing(model, changes, error, words):
    before = model.read_bytes()
    with pytest.raises(error, match=words):
        set_metadata(model, changes)
    assert model.read_bytes() == before


def test_labels_that_do_not_fit_change_nothing(model):
    (model.parent / "two.txt").write_text("a\nb\n")
    before = model.read_bytes()
    with pytest.raises(DataError, match="2 classes, the model has 3"):
        set_metadata(model, Changes(labels=model.parent / "two.txt"))
    assert model.read_bytes() == before


def test_a_model_whose_metadata_describe_other_things_is_refused(tmp_path):
    graph = GraphBuilder()
    x = graph.input((1, 8, 8, 3))
    path = tmp_path / "map.tflite"
    editor = Editor(read_graph(graph.finish([graph.op("LOGISTIC", [x], (1, 8, 8, 3))])))
    editor.set_metadata("TFLITE_METADATA", flat.pack({0: "theirs"}, b"M001"))
    path.write_bytes(editor.content())
    with pytest.raises(UnsupportedModelError, match="not an image classifier"):
        set_metadata(path, Changes(name="n"))


def test_a_model_that_is_no_classifier_may_have_texts_and_no_labels(tmp_path):
    graph = GraphBuilder()
    x = graph.input((1, 8, 8, 3))
    path = tmp_path / "map.tflite"
    path.write_bytes(graph.finish([graph.op("RELU", [x], (1, 8, 8, 3))]))
    assert set_metadata(path, Changes(name="n", license="MIT")).metadata.name == "n"
    assert (read_metadata(path).license, read_metadata(path).labels) == ("MIT", ())
    assert set_metadata(path, Changes(preprocess="raw")).metadata.input == InputSpec(8, 8)
    for changes in (Changes(labels=tmp_path / "l.txt"), Changes(output="logits")):
        with pytest.raises(UnsupportedModelError, match="its output is a map"):
            set_metadata(path, changes)


def test_a_file_that_is_no_model(tmp_path):
    (tmp_path / "m.tflite").write_bytes(b"no model")
    with pytest.raises(ModelFormatError):
        set_metadata(tmp_path / "m.tflite", Changes(name="n"))


def test_mediapipe_opens_what_was_set(tmp_path):
    mediapipe = pytest.importorskip("mediapipe", reason="the extra mediapipe is not installed")
    import numpy as np
    from mediapipe.tasks.python import BaseOptions, vision

    path = tmp_path / "m.tflite"
    path.write_bytes(colour_classifier("float32"))
    (tmp_path / "names.txt").write_text("rot\ngrün\nblau\n", encoding="utf-8")
    set_metadata(path, Changes(labels=tmp_path / "names.txt", preprocess="-1..1", author="Ada", license="MIT"))
    options = vision.ImageClassifierOptions(base_options=BaseOptions(model_asset_path=str(path)), max_results=1)
    green = np.zeros((8, 8, 3), np.uint8)
    green[..., 1] = 255
    with vision.ImageClassifier.create_from_options(options) as classifier:
        answer = classifier.classify(mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=green))
    assert answer.classifications[0].categories[0].category_name == "grün"


@pytest.mark.parametrize("resize", [None, "crop"])
def test_preprocessing_for_a_model_that_says_nothing_is_as_it_is_given(tmp_path, resize):
    path = tmp_path / "net.tflite"
    path.write_bytes(colour_classifier("float32"))
    set_metadata(path, Changes(preprocess="0..1", resize=resize))
    spec = read_metadata(path).input
    assert (spec.mean, spec.std, spec.shape) == ((0.0,) * 3, (255.0,) * 3, (8, 8, 3))
