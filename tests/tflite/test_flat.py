import struct

import numpy as np
import pytest

from edgekit.errors import ModelFormatError
from edgekit.tflite.expose import exposed
from edgekit.tflite.flat import Table, pack
from edgekit.tflite.reader import read_graph
from tests.support.build import GraphBuilder, colour_classifier

# Field numbers of TFLite's schema: Model 0 version, 2 subgraphs, 3 description, 4 buffers;
# SubGraph 0 tensors, 1 inputs; Tensor 0 shape, 3 name, 4 quantization; Buffer 0 data.


def test_reads_scalars_texts_vectors_and_tables():
    model = Table.root(colour_classifier("uint8"), b"TFL3")
    assert model.number(0, "uint32") == 3
    assert model.text(3) == "edgekit test"
    (subgraph,) = model.tables(2)
    first = subgraph.tables(0)[0]
    assert first.text(3) == "input"
    assert first.numbers(0, "int32").tolist() == [1, 8, 8, 3]
    assert first.table(4).numbers(2, "float32").tolist() == [1.0]
    assert first.blob(3) == b"input"


def test_fields_left_out_have_their_defaults():
    model = Table.root(colour_classifier("uint8"), b"TFL3")
    absent = 40
    assert not model.has(absent) and model.has(0)
    assert model.number(absent, "int32", default=7) == 7
    assert model.text(absent) == "" and model.blob(absent) == b"" and model.blobs(absent) == ()
    assert model.table(absent) is None and model.tables(absent) == ()
    assert model.numbers(absent, "float32").size == 0


def test_vectors_of_strings():
    import flatbuffers

    builder = flatbuffers.Builder(0)
    texts = [builder.CreateString(text) for text in ("cat", "", "Hündchen")]
    builder.StartVector(4, 3, 4)
    for text in reversed(texts):
        builder.PrependUOffsetTRelative(text)
    vector = builder.EndVector()
    builder.StartObject(1)
    builder.PrependUOffsetTRelativeSlot(0, vector, 0)
    builder.Finish(builder.EndObject())
    assert Table.root(bytes(builder.Output())).blobs(0) == (b"cat", b"", "Hündchen".encode())


def test_a_wrong_identifier_is_refused():
    with pytest.raises(ModelFormatError, match="M001"):
        Table.root(colour_classifier("uint8"), b"M001")


@pytest.mark.parametrize("content", [b"", b"\0" * 7, b"\xff" * 40, struct.pack("<I", 36) + b"\0" * 36])
def test_buffers_that_are_none_are_refused(content):
    with pytest.raises(ModelFormatError):
        Table.root(content)


def _walk(table, depth):
    """Reads a table in every way, as a schema gone wrong might."""
    for field in range(8):
        for read in (table.blob, table.blobs, table.tables, table.table, lambda f: table.numbers(f, "int64")):
            try:
                value = read(field)
            except ModelFormatError:
                continue
            if depth and isinstance(value, tuple):
                for item in value[:3]:
                    if isinstance(item, Table):
                        _walk(item, depth - 1)


def test_damage_and_misreading_raise_nothing_but_a_format_error():
    content = colour_classifier("uint8")
    random = np.random.default_rng(1)
    for _ in range(60):
        damaged = bytearray(content)
        for position in random.integers(0, len(content), 8):
            damaged[position] = random.integers(256)
        try:
            _walk(Table.root(bytes(damaged[: random.integers(8, len(content))])), 1)
        except ModelFormatError:
            continue


def test_the_builder_refuses_options_the_schema_does_not_have():
    graph = GraphBuilder()
    x = graph.input((1, 4), "float32")
    with pytest.raises(AssertionError, match="SoftmaxOptions"):
        graph.op("SOFTMAX", [x], (1, 4), options={"gamma": 1})


def test_a_number_may_be_the_first_or_the_last_of_a_buffer_and_not_beyond():
    """Field 0 is 4 bytes at the end of the buffer, or one byte less is there."""
    whole = pack({0: np.int32(-7)}, b"TEST")
    table = Table.root(whole)
    end = table.position(0) + 4
    assert Table.root(whole[:end]).number(0, "int32") == -7
    with pytest.raises(ModelFormatError, match="outside of itself"):
        Table.root(whole[: end - 1]).number(0, "int32")
    # A table at 0 whose list of fields lies at 4: what it reads first is the buffer's first number.
    first = np.array([-4], "<i4").tobytes() + np.array([6, 8, 4], "<u2").tobytes() + b"\x05\0"
    assert Table(first, 0).number(0, "uint16") == 6


def test_a_list_may_end_where_the_file_ends_and_not_behind_it():
    content = exposed(read_graph(colour_classifier("uint8")), [1, 0]).content
    assert Table.root(content).tables(2)[0].numbers(2, "int32").tolist() == [1, 0]
    with pytest.raises(ModelFormatError, match="ends outside of it"):
        Table.root(content[:-1]).tables(2)[0].numbers(2, "int32")
