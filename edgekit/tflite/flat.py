"""Flatbuffers whose schema is known only by field numbers: read with every offset checked, and packed.

A flatbuffer is a tree of tables; a table's fields are numbered from 0 in the order of the schema, and
a field that is not there has its default. That is all a reader needs, so the two formats that have no
schema package of their own (TFLite Metadata, the Edge TPU's executables) are read with this class and
a list of field numbers. Layout: https://flatbuffers.dev/internals.

    package = Table.root(content, b"DWN1")
    version = package.number(0, "int32")
    parts = [part.text(1) for part in package.tables(3)]

A damaged buffer raises ModelFormatError; nothing outside of it is ever read. `pack` is the way back:

    content = pack({0: np.int32(6), 3: [{1: "conv"}, {1: "head"}]}, b"DWN1")
"""

import struct
from typing import Mapping, Optional, Sequence, Tuple, Union

import flatbuffers
import numpy as np

from edgekit.errors import ModelFormatError

#: What a flatbuffer is read from.
Buffer = Union[bytes, memoryview]

#: Scalar type of a schema → its `struct` code, little-endian.
_CODES = {
    "bool": "<?",
    "int8": "<b",
    "uint8": "<B",
    "int16": "<h",
    "uint16": "<H",
    "int32": "<i",
    "uint32": "<I",
    "int64": "<q",
    "uint64": "<Q",
    "float32": "<f",
    "float64": "<d",
}


class Table:
    """One table of a flatbuffer; `field` is always the field's number in the schema, from 0."""

    def __init__(self, buffer: Buffer, position: int) -> None:
        """The table at `position` (in bytes); use `Table.root` for a buffer's first one."""
        self._buffer = memoryview(buffer)
        self._position = position
        self._vtable = position - self._read("int32", position)
        self._fields = (self._read("uint16", self._vtable) - 4) // 2
        if self._fields < 0:
            raise ModelFormatError("A part of the file is damaged: one of its tables has no list of fields.")

    @classmethod
    def root(cls, buffer: Buffer, identifier: Optional[bytes] = None) -> "Table":
        """The root table of a buffer, whose four-byte file identifier is checked where one is given."""
        if identifier is not None and bytes(buffer[4:8]) != identifier:
            raise ModelFormatError(f"A part of the file is damaged: its mark {identifier.decode()} is missing.")
        if len(buffer) < 8:
            raise ModelFormatError("A part of the file is damaged: it is too short.")
        return cls(buffer, struct.unpack_from("<I", buffer)[0])

    def has(self, field: int) -> bool:
        """Whether the field is stored, and not left at its default."""
        return self._at(field) is not None

    def number(self, field: int, kind: str, default: float = 0) -> float:
        """A scalar or enum; `kind` is its type in the schema, such as "uint8" or "float32"."""
        at = self._at(field)
        return default if at is None else self._read(kind, at)

    def numbers(self, field: int, kind: str) -> "np.ndarray[tuple[int], np.dtype[np.generic]]":
        """A vector of scalars as a read-only array; empty where the field is left out."""
        dtype = np.dtype("?" if kind == "bool" else kind).newbyteorder("<")
        return np.frombuffer(self._vector(self._at(field), dtype.itemsize), dtype)

    def blob(self, field: int) -> bytes:
        """A vector of bytes, or a string undecoded; b"" where the field is left out."""
        return bytes(self._vector(self._at(field), 1))

    def blobs(self, field: int) -> Tuple[bytes, ...]:
        """A vector of strings, undecoded."""
        return tuple(bytes(self._vector(at, 1)) for at in self._elements(field))

    def text(self, field: int) -> str:
        """A string; "" where the field is left out."""
        return self.blob(field).decode("utf-8", "replace")

    def table(self, field: int) -> Optional["Table"]:
        """A table (or the value of a union, one field after its type); None where it is left out."""
        at = self._at(field)
        return None if at is None else Table(self._buffer, self._target(at))

    def tables(self, field: int) -> Tuple["Table", ...]:
        """A vector of tables."""
        return tuple(Table(self._buffer, self._target(at)) for at in self._elements(field))

    def position(self, field: int) -> int:
        """Where in the buffer a field's value is. Raises ModelFormatError where it is left out."""
        at = self._at(field)
        if at is None:
            raise ModelFormatError(f"A part of the file is damaged: field {field} of a table is missing.")
        return at

    def target(self, field: int) -> int:
        """Where in the buffer the table or vector is that a field refers to; a vector starts with its length."""
        return self._target(self.position(field))

    def _at(self, field: int) -> Optional[int]:
        """Position of a field's value, from the table's list of offsets; None where it is left out."""
        if field >= self._fields:
            return None
        offset = self._read("uint16", self._vtable + 4 + 2 * field)
        return self._position + offset if offset else None

    def _target(self, at: int) -> int:
        return at + int(self._read("uint32", at))

    def _elements(self, field: int) -> range:
        """Positions of the offsets that a vector of strings or tables consists of."""
        at = self._at(field)
        size = len(self._vector(at, 4))
        start = 0 if at is None else self._target(at) + 4
        return range(start, start + size, 4)

    def _vector(self, at: Optional[int], item: int) -> memoryview:
        if at is None:
            return self._buffer[:0]
        start = self._target(at)
        size = int(self._read("uint32", start)) * item
        if start + 4 + size > len(self._buffer):
            raise ModelFormatError(f"A part of the file is damaged: a list of {size} bytes ends outside of it.")
        return self._buffer[start + 4 : start + 4 + size]

    def _read(self, kind: str, position: int) -> int:
        code = _CODES[kind]
        if not 0 <= position <= len(self._buffer) - struct.calcsize(code):
            raise ModelFormatError("A part of the file is damaged: it points outside of itself.")
        value: int = struct.unpack_from(code, self._buffer, position)[0]
        return value


#: What a field refers to is packed from: a text, a table, a vector of texts or tables, an array of numbers.
Referred = Union[str, np.ndarray, Mapping[int, "Value"], Sequence["Referred"]]
#: What a field is packed from; a numpy scalar stands in the table itself.
Value = Union[np.generic, Referred]


def pack(table: Mapping[int, Value], identifier: bytes) -> bytes:
    """A table of field number → value as a flatbuffer; the same table gives the same bytes.

    The dtype of numbers (`np.uint8(2)`, a float32 array) is their type in the schema; 0 is the default
    of every scalar and is left out, as flatbuffers do.
    """
    builder = flatbuffers.Builder(1024)
    builder.Finish(_packed(builder, table), identifier)
    return bytes(builder.Output())


def _packed(builder: flatbuffers.Builder, value: Referred) -> int:
    """Writes a value that is referred to by its offset, children first, and returns that offset."""
    if isinstance(value, str):
        return int(builder.CreateString(value))
    if isinstance(value, np.ndarray):
        return int(builder.CreateNumpyVector(value))
    if isinstance(value, Mapping):
        fields = {field: v if isinstance(v, np.generic) else _packed(builder, v) for field, v in value.items()}
        return _packed_table(builder, fields)
    items = [_packed(builder, item) for item in value]
    width = flatbuffers.number_types.UOffsetTFlags.bytewidth
    builder.StartVector(width, len(items), width)
    for item in reversed(items):
        builder.PrependUOffsetTRelative(item)
    return int(builder.EndVector())


def _packed_table(builder: flatbuffers.Builder, fields: Mapping[int, Union[int, np.generic]]) -> int:
    builder.StartObject(max(fields, default=-1) + 1)
    for field, value in fields.items():
        if isinstance(value, np.generic):
            flags = getattr(flatbuffers.number_types, value.dtype.name.capitalize() + "Flags")
            builder.PrependSlot(flags, field, value.item(), 0)
        else:
            builder.PrependUOffsetTRelativeSlot(field, value, 0)
    return int(builder.EndObject())
