import pickle

import numpy as np
import pytest

from edgekit.errors import ModelFormatError, UnsafeModelError
from edgekit.models import torchfile
from edgekit.models.torchfile import read_torch_weights
from tests.support import legacy_torch as legacy

SIX = np.arange(6, dtype=np.float32)


@pytest.fixture
def read(tmp_path):
    """Writes bytes as a .pth and reads it."""

    def write_and_read(content):
        path = tmp_path / "weights.pth"
        path.write_bytes(content)
        return read_torch_weights(path)

    return write_and_read


def one_tensor(source=None, *, offset=0, size=(2, 3), stride=(3, 1), keys=("a",), data=None):
    """A file of the one tensor "w" over the six floats of the storage "a"."""
    body = legacy.state({"w": legacy.tensor(source or legacy.storage("a", 6), offset, size, stride)})
    return legacy.assemble(body, list(keys), [legacy.block(SIX)] if data is None else data)


def test_reads_what_torch_writes(read):
    arrays = {
        "conv.weight": np.random.default_rng(0).normal(size=(4, 3, 2, 2)).astype(np.float32),
        "bn.bias": np.float32([1, -2]),
        "bn.num_batches_tracked": np.array(7, np.int64),
    }
    found = read(legacy.legacy_file(arrays))
    assert list(found) == list(arrays)
    for key, array in arrays.items():
        assert found[key].dtype == array.dtype
        assert not found[key].flags.writeable
        np.testing.assert_array_equal(found[key], array)


def test_follows_offsets_and_strides(read):
    np.testing.assert_array_equal(read(one_tensor(offset=1, size=(2, 2), stride=(1, 3)))["w"], [[1, 4], [2, 5]])


def test_two_tensors_may_share_a_storage(read):
    source = legacy.storage("a", 6)
    items = {"x": legacy.tensor(source, 0, (3,), (1,)), "y": legacy.tensor(source, 3, (3,), (1,))}
    found = read(legacy.assemble(legacy.state(items), ["a"], [legacy.block(SIX)]))
    assert (found["x"].tolist(), found["y"].tolist()) == ([0, 1, 2], [3, 4, 5])


def test_a_plain_dictionary_of_tensors_is_read(read):
    body = b"}" + legacy.text("w") + legacy.tensor(legacy.storage("a", 6), 0, (6,), (1,)) + b"s"
    assert read(legacy.assemble(body, ["a"], [legacy.block(SIX)]))["w"].tolist() == SIX.tolist()


def test_an_attribute_named_items_changes_nothing(read):
    w = legacy.tensor(legacy.storage("a", 6), 0, (6,), (1,))
    body = legacy.state({"w": w}, metadata=b"}" + legacy.text("items") + legacy.NONE + b"s")
    assert list(read(legacy.assemble(body, ["a"], [legacy.block(SIX)]))) == ["w"]


def test_a_tensor_cannot_be_changed_after_its_checks(read):
    w = legacy.tensor(legacy.storage("a", 6), 0, (6,), (1,))
    larger = legacy.text("size") + legacy.tuple_of(legacy.number(2**30)) + b"s"
    for change in (b"}" + larger + b"b", legacy.tuple_of(legacy.NONE, b"}" + larger) + b"b"):
        with pytest.raises(ModelFormatError, match="damaged"):
            read(legacy.assemble(legacy.state({"w": w + change}), ["a"], [legacy.block(SIX)]))
    more = b"}" + legacy.text("length") + legacy.number(2**30) + b"sb"
    with pytest.raises(ModelFormatError, match="damaged"):
        read(one_tensor(legacy.storage("a", 6) + more))


@pytest.mark.parametrize(
    "body",
    [
        legacy.call(legacy.name("os", "system"), legacy.text("true")),
        legacy.call(legacy.name("builtins", "eval"), legacy.text("1")),
        legacy.name("torch", "DoubleStorage"),
        legacy.name("collections", "OrderedDict.fromkeys"),
        b"(" + legacy.text("true") + b"ios\nsystem\n",  # INST
        b"(" + legacy.name("os", "system") + legacy.text("true") + b"o",  # OBJ
        legacy.name("collections", "OrderedDict") + b")\x81",  # NEWOBJ
        legacy.text("os") + legacy.text("system") + b"\x93",  # STACK_GLOBAL
        b"\x82\x01",  # EXT1
        b"\x97",  # NEXT_BUFFER
        b"G" + bytes(8),  # BINFLOAT: harmless, but no part of named tensors
    ],
)
def test_a_pickle_that_asks_for_more_is_refused(read, body):
    with pytest.raises(UnsafeModelError, match=r"weights\.pth"):
        read(legacy.assemble(body, [], []))


def test_the_other_pickles_are_checked_too(read, tmp_path):
    bad = legacy.assemble(legacy.state({}), [], [], machine=pathlike_bomb(tmp_path))
    with pytest.raises(UnsafeModelError):
        read(bad)
    assert not (tmp_path / "harm").exists()


def pathlike_bomb(folder):
    class Bomb:
        def __reduce__(self):
            return (open, (str(folder / "harm"), "w"))

    return Bomb()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"size": (2, 4), "stride": (4, 1)}, "shape"),
        ({"size": (7,), "stride": (0,)}, "shape"),
        ({"size": (6,), "stride": (2,)}, "shape"),
        ({"offset": 1}, "shape"),
        ({"offset": -1}, "shape"),
        ({"size": (-2, -3)}, "shape"),
        ({"stride": (-3, 1)}, "shape"),
        ({"size": (0, 3)}, "shape"),
        ({"size": (2,)}, "shape"),
        ({"size": (1, 1, 1, 2, 3), "stride": (6, 6, 6, 3, 1)}, "shape"),
        ({"size": (2**70, 1)}, "shape"),
        ({"size": (1, 6), "stride": (2**62, 1)}, "shape"),
        ({"source": legacy.NONE}, "without storage"),
        ({"source": legacy.storage("a", 0)}, "impossible size"),
        ({"source": legacy.storage("a", -6)}, "impossible size"),
        ({"source": legacy.storage("a", 2**62)}, "impossible size"),
        ({"source": legacy.storage("a", 2**28)}, "truncated"),
        ({"source": legacy.storage("a", 7)}, "truncated"),
        ({"source": legacy.storage("a", 6, view=legacy.tuple_of())}, "unknown kind"),
        ({"source": legacy.NONE + b"Q"}, "damaged"),
        ({"keys": ()}, "list of storages"),
        ({"keys": ("b",)}, "list of storages"),
        ({"keys": (1,)}, "list of storages"),
        ({"keys": ("a", "a")}, "list of storages"),
        ({"data": []}, "truncated"),
        ({"data": [legacy.block(SIX[:5])]}, "truncated"),
        ({"data": [legacy.block(SIX)[:-1]]}, "truncated"),
        ({"data": [legacy.block(SIX), b"more"]}, "longer"),
        ({"data": [bytes(8) + SIX.tobytes()]}, "another number"),
    ],
)
def test_claims_that_do_not_fit_are_refused(read, change, reason):
    with pytest.raises(ModelFormatError, match=reason):
        read(one_tensor(**change))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no PyTorch file"),
        (b"\x89HDF\r\n\x1a\n", "no PyTorch file"),
        (b"PK\x03\x04" + bytes(30), "newer, zipped"),
        (torchfile.HEADER, "damaged"),
        (torchfile.HEADER + b"\xff" * 50, "damaged"),
        (legacy.assemble(legacy.NONE, [], []), "named tensors"),
        (legacy.assemble(legacy.state({"w": legacy.NONE}), [], []), "named tensors"),
        (legacy.assemble(b"}" + legacy.number(1) + legacy.NONE + b"s", [], []), "named tensors"),
        (legacy.assemble(legacy.state({}), [], [], machine={"little_endian": False}), "machine"),
        (legacy.assemble(legacy.state({}), [], [], machine=[]), "machine"),
        (legacy.assemble(legacy.state({}), None, []), "list of storages"),
        (legacy.assemble(b"Nr\xff\xff\xff\x7f", [], []), "pickle is larger"),  # LONG_BINPUT: 64 GiB of memo
        (legacy.assemble(b"N" * 600_000, [], []), "pickle is larger"),
        (legacy.assemble(b"})" + b"\x85" * 400_000 + b"Ns", [], []), "pickle is larger"),  # TUPLE1: a deep key
        (legacy.assemble(b"})" + b"q\x00h\x00\x86" * 60 + b"Ns", [], []), "pickle is larger"),  # a key of 2**60
        (legacy.assemble(b"0" * 3, [], []), "more than name"),
        (legacy.assemble(b"h\x05", [], []), "damaged"),  # what was never put
        (legacy.assemble(b"(" * 3, [], []), "damaged"),
        (legacy.assemble(b"X\xff\xff\xff\xff", [], []), "damaged"),
    ],
)
def test_other_content_is_refused(read, content, reason):
    with pytest.raises((ModelFormatError, UnsafeModelError), match=reason):
        read(content)


def test_one_storage_described_twice_is_refused(read):
    items = {
        "x": legacy.tensor(legacy.storage("a", 6), 0, (6,), (1,)),
        "y": legacy.tensor(legacy.storage("a", 3, "LongStorage"), 0, (3,), (1,)),
    }
    with pytest.raises(ModelFormatError, match="two ways"):
        read(legacy.assemble(legacy.state(items), ["a"], [legacy.block(SIX)]))


def test_every_truncation_is_refused(read):
    whole = one_tensor()
    for length in range(len(whole)):
        with pytest.raises(ModelFormatError):
            read(whole[:length])


def test_no_change_of_one_byte_escapes_the_error_tree(read):
    whole = one_tensor()
    random = np.random.default_rng(1)
    for position in range(len(torchfile.HEADER), len(whole)):
        damaged = bytearray(whole)
        damaged[position] = random.integers(256)
        try:
            read(bytes(damaged))
        except (ModelFormatError, UnsafeModelError) as error:
            assert "Reinstall" in str(error)


def test_too_large_a_file_is_refused_unread(tmp_path):
    path = tmp_path / "huge.pth"
    with path.open("wb") as file:
        file.truncate(torchfile.MAX_BYTES + 1)
    with pytest.raises(ModelFormatError, match="larger than 512 MiB"):
        read_torch_weights(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    for path in (tmp_path / "none.pth", tmp_path):
        with pytest.raises(ModelFormatError, match="cannot be read"):
            read_torch_weights(path)


def test_the_header_is_torchs():
    assert pickle.loads(torchfile.HEADER) == legacy.MAGIC
