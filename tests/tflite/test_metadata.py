import io
import json
import zipfile

import numpy as np
import pytest

from edgekit.errors import ModelFormatError, UsageError
from edgekit.preprocess import CONVENTIONS, InputSpec
from edgekit.tflite import flat
from edgekit.tflite.graph import QuantParams, Tensor
from edgekit.tflite.metadata import Metadata, pixel_input, read_metadata, write_metadata
from edgekit.tflite.reader import read_graph
from tests.support.build import GraphBuilder, colour_classifier

FULL = Metadata(
    name="colours",
    description="Which colour is it?",
    labels=("red", "grün", "blue"),
    input=InputSpec(8, 8, resize="crop", crop=0.875, interpolation="bicubic").with_convention("lite"),
    output="probabilities",
    provenance={"recipe": "int8", "verdict": {"agreement": 0.98, "interval": [0.97, 0.99]}, "source": None},
)


def test_reads_back_what_it_wrote():
    assert read_metadata(write_metadata(colour_classifier("uint8"), FULL)) == FULL


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("dtype", ["float32", "uint8", "int8"])
def test_every_convention_survives(convention, dtype):
    metadata = Metadata(input=InputSpec(8, 8).with_convention(convention), output="logits")
    assert read_metadata(write_metadata(colour_classifier(dtype), metadata)) == metadata


def test_empty_metadata_survives():
    assert read_metadata(write_metadata(colour_classifier("uint8"), Metadata())) == Metadata()


def test_a_model_that_says_nothing_has_none():
    assert read_metadata(colour_classifier("uint8")) is None


def test_reads_from_path_bytes_and_graph(tmp_path):
    content = write_metadata(colour_classifier("uint8"), FULL)
    path = tmp_path / "m.tflite"
    path.write_bytes(content)
    assert read_metadata(content) == read_metadata(path) == read_metadata(str(path)) == read_metadata(read_graph(path))


def test_the_same_input_gives_the_same_bytes():
    content = colour_classifier("uint8")
    assert write_metadata(content, FULL) == write_metadata(content, FULL)


def test_writing_twice_replaces_and_leaves_no_trace():
    content = colour_classifier("uint8")
    first = write_metadata(content, Metadata(name="first", labels=("a", "b", "c")))
    assert write_metadata(first, FULL) == write_metadata(content, FULL)


def test_the_model_itself_stays_what_it_was():
    content = colour_classifier("int8", mean=127, std=128)
    before, after = read_graph(content), read_graph(write_metadata(content, FULL))
    assert (before.tensors, before.ops, before.inputs, before.outputs) == (
        after.tensors,
        after.ops,
        after.inputs,
        after.outputs,
    )


def test_other_metadata_entries_stay():
    graph = GraphBuilder()
    x = graph.input((1, 4), "float32")
    y = graph.op("SOFTMAX", [x], (1, 4), options={"beta": 1.0})
    from ai_edge_litert import schema_py_generated as schema

    entry, buffer = schema.MetadataT(), schema.BufferT()
    buffer.data = np.frombuffer(b"1.5.0", np.uint8)
    graph.model.buffers.append(buffer)
    entry.name, entry.buffer = "min_runtime_version", len(graph.model.buffers) - 1
    graph.model.metadata.append(entry)
    written = write_metadata(graph.finish([y]), FULL)
    entries = dict(read_graph(written).metadata)
    assert set(entries) == {"min_runtime_version", "TFLITE_METADATA"}
    stored = flat.Table.root(written).tables(4)[entries["min_runtime_version"]].blob(0)
    assert stored == b"1.5.0"


def test_the_attached_files_are_stored_with_a_fixed_date():
    content = write_metadata(colour_classifier("uint8"), FULL)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        assert {entry.filename for entry in archive.infolist()} == {"labels.txt", "edgekit.json"}
        assert all(entry.compress_type == zipfile.ZIP_STORED for entry in archive.infolist())
        assert all(entry.date_time == (1980, 1, 1, 0, 0, 0) for entry in archive.infolist())
        assert archive.read("labels.txt").decode() == "red\ngrün\nblue\n"
        assert json.loads(archive.read("edgekit.json").decode())["provenance"] == FULL.provenance


def test_labels_with_line_breaks_are_refused():
    with pytest.raises(UsageError, match="line break"):
        Metadata(labels=("a\nb",))


def test_an_unknown_output_is_refused():
    with pytest.raises(UsageError, match="scores"):
        Metadata(output="scores")


@pytest.mark.parametrize("value", [object(), float("nan"), {1, 2}, b"bytes"])
def test_provenance_that_is_no_json_is_refused(value):
    with pytest.raises(UsageError, match="JSON"):
        write_metadata(colour_classifier("uint8"), Metadata(provenance={"value": value}))


def test_writing_into_something_else_is_refused():
    with pytest.raises(ModelFormatError):
        write_metadata(b"not a model at all, but long enough to look", FULL)


# What other tools read: the standard record, by the field numbers of TensorFlow's metadata_schema.fbs.


def _standard(metadata, dtype="float32"):
    """(model, its input, its output) of the standard record that is written."""
    content = write_metadata(colour_classifier(dtype), metadata)
    index = dict(read_graph(content).metadata)["TFLITE_METADATA"]
    model = flat.Table.root(flat.Table.root(content).tables(4)[index].blob(0), b"M001")
    (graph,) = model.tables(3)
    (image,), (scores,) = graph.tables(2), graph.tables(3)
    return model, image, scores


def test_other_tools_read_names_and_files():
    model, image, scores = _standard(FULL)
    assert (model.text(0), model.text(1), model.text(7)) == ("colours", "Which colour is it?", "1.0.0")
    assert [file.text(0) for file in model.tables(6)] == ["edgekit.json"] and model.tables(6)[0].text(1)
    assert (image.text(0), scores.text(0)) == ("image", "probability")
    assert image.text(1) == "Image of 8 x 8 pixels, RGB."
    (labels,) = scores.tables(6)
    assert (labels.text(0), labels.text(1), labels.number(2, "int8")) == ("labels.txt", "Names of the classes.", 2)


@pytest.mark.parametrize(("channels", "colours"), [(3, 1), (1, 2)])
def test_other_tools_read_the_images_size_and_colours(channels, colours):
    spec = InputSpec(6, 8, channels, (0,) * channels, (1,) * channels)
    content = _standard(Metadata(input=spec))[1].table(3)
    assert content.number(0, "uint8") == 2  # ImageProperties
    assert content.table(1).number(0, "int8") == colours
    size = content.table(1).table(1)
    assert (size.number(0, "uint32"), size.number(1, "uint32")) == (8, 6)  # width, height


@pytest.mark.parametrize(
    ("dtype", "low", "high"), [("float32", -127 / 128, 1.0), ("uint8", 0.0, 255.0), ("int8", 0.0, 255.0)]
)
def test_other_tools_read_the_normalization(dtype, low, high):
    image = _standard(FULL, dtype)[1]
    (unit,) = image.tables(4)
    assert unit.number(0, "uint8") == 1  # NormalizationOptions
    mean, std = (unit.table(1).numbers(field, "float32").tolist() for field in (0, 1))
    assert (mean, std) == ([127.0], [128.0])
    highest, lowest = (image.table(5).numbers(field, "float32").tolist() for field in (0, 1))
    assert (lowest, highest) == ([low], [high])


def test_other_tools_read_one_mean_per_channel_where_they_differ():
    spec = InputSpec(8, 8).with_convention("imagenet")
    options = _standard(Metadata(input=spec))[1].tables(4)[0].table(1)
    assert options.numbers(0, "float32").tolist() == pytest.approx(spec.mean)
    assert options.numbers(1, "float32").tolist() == pytest.approx(spec.std)


def test_other_tools_find_no_normalization_of_bgr():
    image = _standard(Metadata(input=InputSpec(8, 8).with_convention("caffe")))[1]
    assert image.tables(4) == () and image.table(5) is None
    assert not image.table(3).table(1).has(0)
    assert image.text(1).endswith("BGR.")


@pytest.mark.parametrize(
    ("output", "name", "bounds"),
    [("probabilities", "probability", True), (None, "probability", True), ("logits", "logit", False)],
)
def test_other_tools_read_what_the_scores_are(output, name, bounds):
    scores = _standard(Metadata(output=output))[2]
    assert scores.text(0) == name and scores.table(3).number(0, "uint8") == 1  # FeatureProperties
    assert scores.tables(6) == ()
    assert (scores.table(5) is not None) == bounds
    if bounds:
        highest, lowest = (scores.table(5).numbers(field, "float32").tolist() for field in (0, 1))
        assert (lowest, highest) == ([0.0], [1.0])


# Files as other tools write them.


def _foreign(content, *, mean=(127.5,), std=(127.5,), labels=b"a\r\nb\r\nc", kind=2, units=True):
    """The standard record alone, as Model Maker and MediaPipe write it: no edgekit.json."""
    from edgekit.tflite import attached
    from edgekit.tflite.editor import Editor

    unit = {0: np.uint8(1), 1: {0: np.array(mean, np.float32), 1: np.array(std, np.float32)}}
    file = {0: "names.txt", 2: np.int8(kind)}
    graph = {2: [{4: [unit] if units else []}], 3: [{6: [file]}]}
    editor = Editor(read_graph(content))
    record = flat.pack({0: "theirs", 1: "Of another tool", 3: [graph], 7: "1.0.0"}, b"M001")
    editor.set_metadata("TFLITE_METADATA", record)
    return attached.with_files(editor.content(), {"names.txt": labels})


def test_reads_labels_and_normalization_of_others():
    found = read_metadata(_foreign(colour_classifier("float32")))
    assert found.name == "theirs" and found.labels == ("a", "b", "c") and found.output is None
    assert found.input == InputSpec(8, 8).with_convention("-1..1")


@pytest.mark.parametrize(
    "labels",
    [b"1 b\n0 a\n2 c", b"{'task': 'classify', 'names': {0: 'a', 1: 'b', 2: 'c'}}", b'["a", "b", "c"]'],
)
def test_numbered_names_and_documents_of_others_are_read_as_the_names_they_hold(labels):
    assert read_metadata(_foreign(colour_classifier("float32"), labels=labels)).labels == ("a", "b", "c")


def test_own_names_are_read_back_as_they_were_written():
    labels = ("1 b", "0 a", "2 c")
    assert read_metadata(write_metadata(colour_classifier("uint8"), Metadata(labels=labels))).labels == labels


def test_a_uint8_input_of_others_takes_pixels_as_they_are():
    found = read_metadata(_foreign(colour_classifier("uint8", mean=128, std=128), mean=(0,), std=(255,)))
    assert found.input.mean == (128.0,) * 3 and found.input.std == (128.0,) * 3


def test_a_float_input_of_others_without_normalization_is_not_guessed():
    assert read_metadata(_foreign(colour_classifier("float32"), units=False)).input is None


def test_a_record_kept_behind_the_flatbuffer_is_found():
    from edgekit.tflite import tree

    content = write_metadata(colour_classifier("uint8"), Metadata(name="behind"))
    index = dict(read_graph(content).metadata)["TFLITE_METADATA"]
    record = flat.Table.root(content).tables(4)[index].blob(0)
    model = tree.unpack(content)
    model.buffers[index].data, model.buffers[index].offset, model.buffers[index].size = None, 2, len(record)
    # The size of the flatbuffer does not depend on where the record starts.
    model.buffers[index].offset = len(tree.pack(model))
    assert read_metadata(tree.pack(model) + record).name == "behind"


def test_files_of_other_kinds_are_no_labels():
    assert read_metadata(_foreign(colour_classifier("float32"), kind=1)).labels == ()


@pytest.mark.parametrize(
    "change",
    [
        {"std": (0,)},
        {"mean": (1, 2)},
        {"mean": ()},
        {"std": (float("nan"),)},
    ],
)
def test_normalizations_that_cannot_be_are_refused(change):
    with pytest.raises(ModelFormatError, match="metadata is damaged"):
        read_metadata(_foreign(colour_classifier("float32"), **change))


def test_a_missing_archive_leaves_the_labels_unknown():
    content = write_metadata(colour_classifier("uint8"), FULL)
    assert read_metadata(content[: content.rindex(b"PK\x05\x06")]).labels == ()


def _with_record(record):
    from edgekit.tflite import attached, tree

    content = write_metadata(colour_classifier("uint8"), FULL)
    return attached.with_files(tree.pack(tree.unpack(content)), {"edgekit.json": record})


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"{",
        b"[]",
        b"3",
        b"\xff",
        b'{"input": {"height": "x", "width": 2}}',
        b'{"input": 3}',
        b'{"output": "x"}',
        b'{"provenance": 3}',
        b"[" * 100_000,
    ],
)
def test_damaged_records_are_refused(record):
    with pytest.raises(ModelFormatError, match="metadata is damaged"):
        read_metadata(_with_record(record))


def test_an_absurdly_large_attachment_is_refused():
    content = _with_record(b'{"a": 1}')
    stream = io.BytesIO(content)
    with zipfile.ZipFile(stream, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", b"\0" * (65 << 20))
    with pytest.raises(ModelFormatError, match="absurd"):
        read_metadata(stream.getvalue())


def test_damage_of_any_byte_is_a_format_error_or_none():
    content = write_metadata(colour_classifier("uint8"), FULL)
    random = np.random.default_rng(3)
    for _ in range(300):
        damaged = bytearray(content)
        damaged[random.integers(len(content))] ^= 1 << random.integers(8)
        try:
            read_metadata(bytes(damaged))
        except ModelFormatError:
            continue


ONE_255TH = QuantParams((1 / 255,), (0,))


def _tensor(dtype, shape=(1, 8, 8, 3), quant=ONE_255TH):
    return Tensor(0, "x", shape, shape, dtype, quant, 0, 0)


def test_pixel_input_is_what_scale_and_zero_point_mean():
    assert pixel_input(_tensor("uint8")) == InputSpec(8, 8).with_convention("0..1")
    shifted = pixel_input(_tensor("int8", quant=QuantParams((1 / 128,), (-1,))))
    assert shifted == InputSpec(8, 8).with_convention("lite")
    assert pixel_input(_tensor("uint8", quant=None)) == InputSpec(8, 8)
    assert pixel_input(_tensor("int8", quant=None)).mean == (128.0,) * 3
    assert pixel_input(_tensor("uint8", (1, 1, 1, 3))).shape == (1, 1, 3)
    assert pixel_input(_tensor("uint8", quant=QuantParams((0.5,), (7,)))) == InputSpec(
        8, 8, mean=(7,) * 3, std=(2,) * 3
    )
    assert pixel_input(_tensor("uint8", (1, 8, 8, 1))).channels == 1


@pytest.mark.parametrize(
    "tensor",
    [
        _tensor("float32"),
        _tensor("int16"),
        _tensor("uint8", (1, 10)),
        _tensor("uint8", (1, 3, 8, 8)),
        _tensor("uint8", (2, 8, 8, 3)),
        _tensor("uint8", (1, 0, 8, 3)),
        _tensor("uint8", (1, 1, 8, 8, 3)),
        _tensor("uint8", quant=QuantParams((0.0,), (0,))),
        _tensor("uint8", quant=QuantParams((-1.0,), (0,))),
    ],
)
def test_pixel_input_of_no_8_bit_image_is_unknown(tensor):
    assert pixel_input(tensor) is None


@pytest.mark.shared
def test_reads_a_model_maker_file(shared):
    found = read_metadata(shared / "user-models" / "flowers-model-maker" / "FlowerModel.tflite")
    assert found.labels == ("daisy", "dandelion", "roses", "sunflowers", "tulips")
    assert found.input == InputSpec(224, 224).with_convention("0..1")


def test_mediapipe_reads_labels_and_normalization(tmp_path):
    mediapipe = pytest.importorskip("mediapipe", reason="the extra mediapipe is not installed")
    from mediapipe.tasks.python import BaseOptions, vision

    spec = InputSpec(8, 8).with_convention("-1..1")
    content = write_metadata(colour_classifier("float32"), Metadata(labels=FULL.labels, input=spec))
    path = tmp_path / "m.tflite"
    path.write_bytes(content)
    options = vision.ImageClassifierOptions(base_options=BaseOptions(model_asset_path=str(path)), max_results=1)
    green = np.zeros((8, 8, 3), np.uint8)
    green[..., 1] = 255
    with vision.ImageClassifier.create_from_options(options) as classifier:
        answer = classifier.classify(mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=green))
    best = answer.classifications[0].categories[0]
    assert best.category_name == "grün"
    assert best.score == pytest.approx(np.e / (np.e + 2 / np.e), abs=1e-4)


def test_metadata_of_a_model_without_inputs():
    from edgekit.tflite import tree

    model = tree.unpack(write_metadata(colour_classifier("uint8"), FULL))
    model.subgraphs[0].inputs = np.zeros(0, np.int32)
    with pytest.raises(ModelFormatError, match="metadata is damaged"):
        read_metadata(tree.pack(model))


@pytest.mark.parametrize("place", [6, 10, 16, 20, 24, 28, 38, 42])
def test_a_damaged_archive_is_told(place):
    """Each field of the archive's directory, spoiled: zipfile has an exception of its own for nearly each."""
    content = bytearray(write_metadata(colour_classifier("uint8"), FULL))
    at = content.index(b"PK\x01\x02") + place
    content[at : at + 4] = b"\xff\xfe\xfd\x7c"
    try:
        read_metadata(bytes(content))
    except ModelFormatError as error:
        assert "metadata is damaged" in error.message


@pytest.mark.parametrize(("buffer", "sound"), [(0, True), (1, False), (1 << 20, False)])
def test_a_record_in_a_buffer_that_there_is_not_is_damage(buffer, sound):
    graph = GraphBuilder()
    y = graph.op("RELU", [graph.input((1, 4))], (1, 4))
    from ai_edge_litert.schema_py_generated import MetadataT

    entry = MetadataT()
    entry.name, entry.buffer = "TFLITE_METADATA", buffer
    graph.model.metadata.append(entry)
    with pytest.raises(ModelFormatError) as refusal:
        read_metadata(graph.finish([y]))
    assert (f"names buffer {buffer} of 1" in refusal.value.message) != sound
