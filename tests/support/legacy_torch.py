"""Old-style PyTorch files written by hand, opcode by opcode: whole ones, and ones that no torch would write."""

import pickle
import struct

import numpy as np

MAGIC = 0x1950A86A20F9469CFC6C
MACHINE = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
KINDS = {"float32": "FloatStorage", "int64": "LongStorage"}

NONE, FALSE, STOP = b"N", b"\x89", b"."


def text(value):
    encoded = value.encode()
    return b"X" + struct.pack("<I", len(encoded)) + encoded


def number(value):
    """A 32-bit integer, or any other as LONG1."""
    if -(2**31) <= value < 2**31:
        return b"J" + struct.pack("<i", value)
    encoded = pickle.encode_long(value)
    return b"\x8a" + bytes([len(encoded)]) + encoded


def tuple_of(*items):
    return b"(" + b"".join(items) + b"t"


def name(module, attribute):
    return f"c{module}\n{attribute}\n".encode()


def call(function, *arguments):
    return function + tuple_of(*arguments) + b"R"


def storage(key, count, kind="FloatStorage", view=NONE):
    return tuple_of(text("storage"), name("torch", kind), text(key), text("cpu"), number(count), view) + b"Q"


def tensor(source, offset, size, stride):
    arguments = (source, number(offset), tuple_of(*map(number, size)), tuple_of(*map(number, stride)))
    return call(name("torch._utils", "_rebuild_tensor_v2"), *arguments, FALSE, call(name("collections", "OrderedDict")))


def state(items, metadata=b""):
    """An OrderedDict of name → pickled tensor; `metadata` is an attribute's state for BUILD."""
    pairs = b"".join(text(key) + value for key, value in items.items())
    return call(name("collections", "OrderedDict")) + b"(" + pairs + b"u" + (metadata + b"b" if metadata else b"")


def block(array):
    """A storage as it lies in the file: its count and its elements."""
    return struct.pack("<q", array.size) + array.tobytes()


def assemble(body, keys, data, *, machine=MACHINE):
    """A file of a pickled body, the list of its storages' keys, and their blocks."""
    pickles = [pickle.dumps(MAGIC, 2), pickle.dumps(1001, 2), pickle.dumps(machine, 2)]
    return b"".join([*pickles, b"\x80\x02" + body + STOP, pickle.dumps(keys, 2), *data])


def legacy_file(arrays):
    """What `torch.save` before 1.6 writes for a state dict: name → float32 or int64 array."""
    items, keys, data = {}, [], []
    for index, (key, array) in enumerate(arrays.items()):
        strides = [step // array.itemsize for step in np.ascontiguousarray(array).strides]
        source = storage(f"s{index}", array.size, KINDS[array.dtype.name])
        items[key] = tensor(source, 0, array.shape, strides if array.ndim else [])
        keys.append(f"s{index}")
        data.append(block(array))
    metadata = b"}" + text("_metadata") + call(name("collections", "OrderedDict")) + b"s"
    return assemble(state(items, metadata), keys, data)
