import os
import shlex
from dataclasses import replace

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from edgekit.errors import ModelFormatError
from edgekit.files import MAX_MODEL_BYTES
from edgekit.tflite.checks import check_graph
from edgekit.tflite.graph import QuantParams
from edgekit.tflite.reader import constant, read_graph
from tests.support.build import GraphBuilder, colour_classifier


def _convolution():
    graph = GraphBuilder()
    x = graph.input((1, 8, 8, 3), "int8", quant=(0.5, 3), signature=(-1, 8, 8, 3))
    weights = np.arange(2 * 3 * 3 * 3, dtype=np.int8).reshape(2, 3, 3, 3)
    w = graph.constant(weights, quant=([0.1, 0.2], [0, 0], 0), name="weights")
    b = graph.constant(np.array([7, -9], np.int32), quant=([0.05, 0.1], [0, 0], 0))
    options = {"padding": 1, "strideH": 2, "strideW": 2, "dilationHFactor": 1, "dilationWFactor": 1}
    options["fusedActivationFunction"] = 3
    y = graph.op("CONV_2D", [x, w, b], (1, 3, 3, 2), "int8", quant=(0.25, -4), options=options, version=3)
    return graph.finish([y]), weights


def test_reads_tensors_ops_and_options():
    content, weights = _convolution()
    graph = read_graph(content)
    assert graph.size == len(content) and graph.subgraphs == 1 and graph.description == "edgekit test"
    assert graph.inputs == (0,) and graph.outputs == (3,)
    assert graph.tensors[0].signature == (-1, 8, 8, 3) and graph.tensors[0].is_dynamic
    assert graph.tensors[0].quant == QuantParams((0.5,), (3,))
    assert graph.tensors[1].quant.scale == pytest.approx((0.1, 0.2)) and graph.tensors[1].quant.per_channel
    assert graph.tensors[1].is_constant and not graph.tensors[3].is_constant
    (op,) = graph.ops
    assert (op.opcode, op.version, op.inputs, op.outputs) == ("CONV_2D", 3, (0, 1, 2), (3,))
    assert op.option("padding") == "VALID" and op.option("fused_activation_function") == "RELU6"
    assert op.option("stride_h") == 2 and op.option("no such", "default") == "default"
    assert graph.producer(3) is op and graph.producer(0) is None and graph.consumers(1) == (op,)
    assert np.array_equal(constant(graph, graph.tensors[1]), weights)
    assert constant(graph, graph.tensors[2]).tolist() == [7, -9]


def test_constants_are_read_only_and_only_of_constants():
    graph = read_graph(_convolution()[0])
    with pytest.raises(ValueError, match="read-only"):
        constant(graph, graph.tensors[1])[0] = 1
    with pytest.raises(ModelFormatError, match="holds no constant"):
        constant(graph, graph.tensors[0])


def test_graphs_are_values():
    assert read_graph(_convolution()[0]) == read_graph(_convolution()[0])
    assert hash(read_graph(_convolution()[0])) == hash(read_graph(_convolution()[0]))
    assert replace(read_graph(_convolution()[0]), content=b"") == read_graph(_convolution()[0])


def test_custom_ops_keep_name_and_options():
    graph = GraphBuilder()
    x = graph.input((1, 4), "uint8")
    y = graph.tensor((1, 4), "uint8")
    graph.raw_op("CUSTOM:edgetpu-custom-op", [x], [y], options=b"\1\2\3")
    read = read_graph(graph.finish([y]))
    assert read.ops[0].opcode == "CUSTOM" and read.ops[0].custom_options == b"\1\2\3"
    assert read.op_counts() == {"edgetpu-custom-op": 1}


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(ModelFormatError, match="no file"):
        read_graph(tmp_path / "none.tflite")
    with pytest.raises(ModelFormatError, match="folder"):
        read_graph(tmp_path)


def test_an_endless_device_and_a_pipe_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.tflite")
    for path in ("/dev/zero", tmp_path / "pipe.tflite"):
        with pytest.raises(ModelFormatError, match="not a regular file"):
            read_graph(path)


def test_a_large_file_of_another_kind_is_refused_by_its_first_bytes(tmp_path):
    (tmp_path / "m.tflite").touch()
    os.truncate(tmp_path / "m.tflite", MAX_MODEL_BYTES)
    with pytest.raises(ModelFormatError, match="the mark TFL3 is missing"):
        read_graph(tmp_path / "m.tflite")
    os.truncate(tmp_path / "m.tflite", MAX_MODEL_BYTES + 1)
    with pytest.raises(ModelFormatError, match="larger than 2048 MiB"):
        read_graph(tmp_path / "m.tflite")


def test_a_model_that_is_not_converted_yet_gets_the_command_that_does_it(tmp_path):
    (tmp_path / "my b0.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + b"\0" * 100)
    (tmp_path / "b0.keras").write_bytes(b"PK\3\4" + b"\0" * 100)
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "saved_model.pb").touch()
    for name in ("my b0.h5", "b0.keras", "saved"):
        with pytest.raises(ModelFormatError) as caught:
            read_graph(tmp_path / name)
        assert caught.value.hint == f"Convert it first: edgekit convert {shlex.quote(str(tmp_path / name))} --int8"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty or truncated"),
        (b"\x1c\0\0\0TFL3", "empty or truncated"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "Git-LFS pointer"),
        (b"\x89HDF\r\n\x1a\n" + b"\0" * 800, "not a .tflite"),
        (b"PK\3\4" + b"\0" * 800, "not a .tflite"),
        (b"<!DOCTYPE html><html>404: this is not the model you are looking for</html>", "not a .tflite"),
        (b"\xff\xff\xff\x7fTFL3" + b"\0" * 800, "damaged"),
        (b"\x10\0\0\0TFL3" + b"\0" * 800, "no graph"),
    ],
)
def test_what_is_no_model_is_refused(tmp_path, content, reason):
    path = tmp_path / "m.tflite"
    path.write_bytes(content)
    with pytest.raises(ModelFormatError, match=reason):
        read_graph(path)


def test_every_truncation_is_refused_or_reads_the_same():
    content = colour_classifier("uint8")
    whole = read_graph(content)
    for length in range(0, len(content), 3):
        try:
            graph = read_graph(content[:length])
        except ModelFormatError as error:
            assert "\0" not in error.message
            continue
        assert graph.tensors == whole.tensors


def test_damage_of_any_byte_is_a_format_error_or_harmless():
    content, _ = _convolution()
    random = np.random.default_rng(2)
    for _ in range(1500):
        damaged = bytearray(content)
        for position in random.integers(0, len(content), random.integers(1, 6)):
            damaged[position] = random.integers(256)
        try:
            read_graph(bytes(damaged))
        except ModelFormatError as error:
            assert len(error.message) < 300


@pytest.mark.shared
def test_every_real_model_passes_all_checks(shared):
    import zipfile

    with zipfile.ZipFile(shared / "edgetpu" / "graphs.zip") as archive:
        for name in (name for name in archive.namelist() if name.endswith(".tflite")):
            check_graph(read_graph(archive.read(name)))
    for path in set(shared.glob("**/*.tflite")) - set((shared / "faults").glob("**/*.tflite")):
        check_graph(read_graph(path))


@pytest.mark.parametrize(("buffer", "sound"), [(1, True), (2, False), (1 << 20, False)])
def test_a_tensors_buffer_is_one_of_the_files(buffer, sound):
    graph = GraphBuilder()
    graph.constant(np.zeros(4, np.float32))
    graph.graph.tensors[0].buffer = buffer
    content = graph.finish([])
    if sound:
        assert read_graph(content).tensors[0].constant_bytes == 16
    else:
        with pytest.raises(ModelFormatError, match=f"names buffer {buffer} of 2"):
            read_graph(content)


@pytest.mark.parametrize(("code", "sound"), [(0, True), (1, False)])
def test_an_ops_code_is_one_of_the_files(code, sound):
    graph = GraphBuilder()
    y = graph.op("TANH", [graph.input((1, 4))], (1, 4))
    graph.graph.operators[0].opcodeIndex = code
    content = graph.finish([y])
    if sound:
        assert read_graph(content).ops[0].opcode == "TANH"
    else:
        with pytest.raises(ModelFormatError, match="names operator code 1 of 1"):
            read_graph(content)


@pytest.mark.parametrize(("end", "sound"), [(1, True), (2, False), (-1, False)])
def test_inputs_and_outputs_are_tensors_of_the_graph(end, sound):
    graph = GraphBuilder()
    graph.op("TANH", [graph.input((1, 4))], (1, 4))
    content = graph.finish([end])
    if sound:
        assert read_graph(content).outputs == (1,)
    else:
        with pytest.raises(ModelFormatError, match=f"inputs and outputs names tensor {end} of 2"):
            read_graph(content)


@pytest.mark.parametrize(("read", "sound"), [(-1, True), (-2, False), (1, True), (2, False)])
def test_an_op_reads_tensors_of_the_graph_or_leaves_an_input_out(read, sound):
    graph = GraphBuilder()
    y = graph.op("TANH", [graph.input((1, 4)), read], (1, 4))
    content = graph.finish([y])
    if sound:
        assert read_graph(content).ops[0].inputs == (0, read)
    else:
        with pytest.raises(ModelFormatError, match=f"names tensor {read} of 2"):
            read_graph(content)


@pytest.mark.parametrize(("rank", "sound"), [(16, True), (17, False)])
def test_a_tensor_has_at_most_16_dimensions(rank, sound):
    graph = GraphBuilder()
    content = graph.finish([graph.input((1,) * rank)])
    if sound:
        assert len(read_graph(content).tensors[0].shape) == rank
    else:
        with pytest.raises(ModelFormatError, match="claims 17 dimensions"):
            read_graph(content)


def _outside(size, *, start=None):
    """A model whose weights, 16 bytes, are said to lie behind the flatbuffer."""
    graph = GraphBuilder()
    graph.constant(np.zeros(4, np.float32))
    buffer = graph.model.buffers[1]
    buffer.data, buffer.offset, buffer.size = None, 1 << 20, size
    place = len(graph.finish([])) if start is None else start
    buffer.offset = place
    return graph.finish([]), place


@pytest.mark.parametrize(("behind", "sound"), [(16, True), (17, True), (15, False)])
def test_weights_behind_the_flatbuffer_end_within_the_file(behind, sound):
    content, place = _outside(16)
    assert len(content) == place
    content += np.arange(4, dtype=np.float32).tobytes()[:behind] + bytes(max(0, behind - 16))
    if sound:
        graph = read_graph(content)
        assert constant(graph, graph.tensors[0]).tolist() == [0, 1, 2, 3]
    else:
        with pytest.raises(ModelFormatError, match=f"weights end at byte {place + 16} of {place + 15}"):
            read_graph(content)


@pytest.mark.parametrize("start", [0, 1])
def test_an_offset_of_0_or_1_means_that_there_are_no_weights(start):
    graph = read_graph(_outside(16, start=start)[0])
    assert not graph.tensors[0].is_constant


def test_weights_within_and_behind_the_flatbuffer_at_once_are_refused():
    graph = GraphBuilder()
    graph.constant(np.zeros(4, np.float32))
    graph.model.buffers[1].offset = 20
    with pytest.raises(ModelFormatError, match="within and behind the tables at once"):
        read_graph(graph.finish([]))


def test_a_name_that_is_no_text_is_refused():
    graph = GraphBuilder()
    y = graph.op("TANH", [graph.input((1, 4))], (1, 4))
    graph.graph.tensors[y].name = "Ausgänge".encode("latin-1")
    with pytest.raises(ModelFormatError, match="the name of tensor 1 is no UTF-8 text"):
        read_graph(graph.finish([y]))


def test_op_codes_beyond_127_are_read_from_the_wider_field():
    graph = GraphBuilder()
    y = graph.op("GELU", [graph.input((1, 4))], (1, 4), options={"approximate": True})
    op = read_graph(graph.finish([y])).ops[0]
    assert (op.opcode, op.option("approximate")) == ("GELU", True)


def test_op_codes_of_old_files_are_read_from_the_narrow_field():
    graph = GraphBuilder()
    y = graph.op("TANH", [graph.input((1, 4))], (1, 4))
    graph.model.operatorCodes[0].builtinCode = 0
    assert read_graph(graph.finish([y])).ops[0].opcode == "TANH"


def test_tensor_types_have_the_names_of_numpy():
    graph = GraphBuilder()
    for dtype in ("float16", "int64", "complex64", "bool"):
        graph.constant(np.ones(2, dtype))
    read = read_graph(graph.finish([]))
    assert [t.dtype for t in read.tensors] == ["float16", "int64", "complex64", "bool"]
    assert [constant(read, t).tolist() for t in read.tensors] == [[1, 1], [1, 1], [1, 1], [True, True]]


def test_zero_points_left_out_are_zero():
    graph = GraphBuilder()
    graph.constant(np.ones((2, 3), np.int8), quant=([0.1, 0.2], [0, 0], 1))
    graph.graph.tensors[0].quantization.zeroPoint = None
    quant = read_graph(graph.finish([])).tensors[0].quant
    assert (quant.zero_point, quant.axis) == ((0, 0), 1)


def test_the_smallest_file_is_not_refused_for_its_size():
    """33 bytes are those of a root table with a version alone; one less is told as truncated."""
    head = b"\x1c\0\0\0TFL3"
    with pytest.raises(ModelFormatError, match=r"truncated \(32 bytes\)"):
        read_graph(head + bytes(24))
    with pytest.raises(ModelFormatError, match=r"no graph|damaged"):
        read_graph(head + bytes(25))


def test_metadata_and_the_number_of_graphs_are_read():
    graph = GraphBuilder()
    entry = schema.MetadataT()
    entry.name, entry.buffer = "notes", 1
    graph.model.metadata.append(entry)
    graph.constant(np.zeros(4, np.float32))
    graph.model.subgraphs.append(graph.graph)
    read = read_graph(graph.finish([]))
    assert (read.metadata, read.subgraphs) == ((("notes", 1),), 2)


def test_a_negative_op_code_index_is_refused():
    """Stored as an unsigned number, -1 is the largest of all."""
    graph = GraphBuilder()
    y = graph.op("TANH", [graph.input((1, 4))], (1, 4))
    graph.graph.operators[0].opcodeIndex = (1 << 32) - 1
    with pytest.raises(ModelFormatError, match="names operator code 4294967295 of 1"):
        read_graph(graph.finish([y]))


def test_an_option_of_an_unknown_number_is_read_as_its_name():
    graph = GraphBuilder()
    x = graph.input((1, 2, 2, 3), "float32")
    content = graph.finish([graph.op("ADD", [x, x], (1, 2, 2, 3), options={"fusedActivationFunction": 99})])
    assert read_graph(content).ops[0].option("fused_activation_function", "") == "99"
