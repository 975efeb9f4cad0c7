import random
from pathlib import Path

import pytest

from benchmarks.edgetpu_reader import check_reader
from edgekit.edgetpu.compiler.package import mapped_ops, read_compiled
from edgekit.errors import EdgekitError, ModelFormatError
from edgekit.tflite.ops import is_compiled
from edgekit.tflite.reader import read_graph
from tests.support import recordings
from tests.support.recordings import compiled_model, custom_options, executable, int8_model, package


def test_reads_every_figure_back():
    compiled = read_compiled(compiled_model(tail=True))
    (op,) = compiled.edgetpu_ops
    (pack,) = op.packages
    assert (op.index, op.keys, op.chips) == (0, ("1", "4", "5", "6", "7"), (18,))
    assert (pack.min_runtime, pack.compiler_version, pack.model_identifier) == (14, recordings.VERSION, "model")
    assert (pack.cached_bytes, pack.streamed_bytes, pack.scratch_bytes, pack.instruction_bytes) == (192, 64, 7, 8)
    assert [e.type for e in pack.executables] == ["EXECUTION_ONLY", "PARAMETER_CACHING"]
    (layer,) = pack.inputs
    assert (layer.name, layer.bytes, layer.shape, layer.zero_point, layer.scale) == ("in", 128, (2, 8, 8), 0, 0.5)
    assert pack.outputs == ()
    assert {(e.name, e.chip, e.batch_size, e.caching_token) for e in pack.executables} == {("model", "beagle", 2, 99)}
    assert [op.opcode for op in compiled.cpu_ops] == ["DEQUANTIZE"]
    assert (compiled.min_runtime, compiled.cached_bytes, compiled.streamed_bytes) == (14, 192, 64)


def test_stand_alone_executable_streams_its_parameters():
    content = package(executable(recordings.STAND_ALONE, parameters=bytes(50)), min_runtime=10)
    compiled = read_compiled(compiled_model(options=custom_options(content, chips=())))
    assert (compiled.cached_bytes, compiled.streamed_bytes, compiled.min_runtime) == (0, 50, 10)
    assert compiled.edgetpu_ops[0].chips == ()


def test_further_packages_are_alternatives_not_a_sum():
    content = recordings.typical_package()
    other = package(executable(recordings.STAND_ALONE, parameters=bytes(50)), min_runtime=99)
    compiled = read_compiled(compiled_model(options=custom_options(content, further=[content, other])))
    assert [pack.min_runtime for pack in compiled.edgetpu_ops[0].packages] == [14, 14, 99]
    assert (compiled.cached_bytes, compiled.streamed_bytes, compiled.min_runtime) == (192, 64, 14)


def test_finds_the_twins_mapped_ops():
    twin = read_graph(int8_model(tail=True))
    assert [op.opcode for op in mapped_ops(read_compiled(compiled_model(tail=True)), twin)] == ["MEAN", "SOFTMAX"]


def test_an_ordinary_model_is_refused():
    assert not is_compiled(read_graph(int8_model()))
    with pytest.raises(ModelFormatError, match="is not compiled for the Edge TPU") as raised:
        read_compiled(int8_model())
    assert "edgekit compile" in raised.value.hint


def test_missing_file_is_named(tmp_path):
    with pytest.raises(ModelFormatError, match=r"absent\.tflite"):
        read_compiled(tmp_path / "absent.tflite")


@pytest.mark.parametrize(
    "options",
    [
        b"",
        b"\0",
        b"no flexbuffer at all",
        custom_options(b""),
        custom_options(b"DWN1"),
        custom_options(package()),
        custom_options(package(b"")),
        custom_options(package(executable(7))),
        custom_options(package(executable(-1))),
        custom_options(recordings.typical_package()[:-100]),
        custom_options(recordings.typical_package(), further=[b"garbage"]),
    ],
)
def test_damaged_payload_is_refused_without_showing_it(options):
    with pytest.raises(ModelFormatError, match="damaged") as raised:
        read_compiled(compiled_model(options=options))
    assert "op 0" in raised.value.message
    assert "garbage" not in str(raised.value)


def test_options_without_a_package_are_refused():
    from flatbuffers import flexbuffers

    builder = flexbuffers.Builder()
    builder.MapFromElements({"1": 1, "5": 2})
    with pytest.raises(ModelFormatError, match="holds no package"):
        read_compiled(compiled_model(options=bytes(builder.Finish())))


def damaged(content, rng):
    """The content with a few bytes changed, cut off, or put in."""
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 8))):
        changed[rng.randrange(len(changed))] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
    kind = rng.randrange(8)
    if kind == 0:
        del changed[rng.randrange(len(changed)) :]
    elif kind == 1:
        changed[rng.randrange(len(changed)) : 0] = bytes(rng.randrange(1, 9))
    return bytes(changed)


@pytest.mark.parametrize("seed", range(4))
def test_no_damage_to_options_makes_anything_but_a_model_error(seed):
    rng, options = random.Random(seed), custom_options(recordings.typical_package())
    for _ in range(150):
        try:
            compiled = read_compiled(compiled_model(options=damaged(options, rng)))
        except ModelFormatError:
            continue
        assert compiled.edgetpu_ops[0].packages


def test_no_damage_to_the_file_makes_anything_but_an_expected_error():
    rng, content = random.Random(0), compiled_model()
    for _ in range(300):
        try:
            read_compiled(damaged(content, rng))
        except EdgekitError:
            continue


@pytest.mark.shared
def test_equals_the_recorded_facts_of_real_files(shared):
    compared, _, wrong = check_reader(shared / "edgetpu")
    assert compared >= 23
    assert wrong == []


@pytest.mark.shared
def test_mapped_ops_of_real_pairs_equal_the_record(shared):
    import csv

    mapped = {}
    for row in csv.DictReader((shared / "edgetpu/ops.csv").read_text().splitlines()):
        mapped.setdefault(row["model"], set()).update([int(row["index"])] if row["mapped"] == "1" else [])
    for folder in sorted(Path(shared / "edgetpu/pairs").iterdir()):
        compiled, twin = read_compiled(folder / "model_edgetpu.tflite"), read_graph(folder / "model.tflite")
        assert {op.index for op in mapped_ops(compiled, twin)} == mapped[folder.name], folder.name
