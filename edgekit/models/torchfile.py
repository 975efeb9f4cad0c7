"""Weights from old PyTorch files (before the zip format of 1.6), read without PyTorch.

Such a file is five pickles one after the other (a magic number, the protocol's number, a description
of the machine that wrote it, the tensors, the list of their storages), followed for each storage by
an int64 count and its raw elements. A pickle is a program: before one runs, each of its opcodes is
looked at, and only the four names that weights need are ever resolved.
"""

import math
import pickle
import pickletools
from collections import OrderedDict
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edgekit.errors import EdgekitError, ModelFormatError, UnsafeModelError

#: More than any EfficientNet needs (B7: 255 MiB); keeps a wrong file from filling the memory.
MAX_BYTES = 512 << 20
#: Ten times as many pickle opcodes as the largest EfficientNet needs.
MAX_OPCODES = 500_000
#: Values in a tuple, those in tuples within it included; what describes one tensor needs about 20.
MAX_TUPLE = 64
#: Convolution kernels are the widest tensors of these models.
MAX_RANK = 4

#: The first two pickles, byte for byte: the magic number and protocol 1001.
HEADER = pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2) + pickle.dumps(1001, protocol=2)

#: What a pickle of named tensors is made of. Anything more is there to do something else.
_OPCODES = frozenset(
    {"PROTO", "STOP", "MARK", "BINPUT", "LONG_BINPUT", "BINGET", "LONG_BINGET"}
    | {"GLOBAL", "REDUCE", "BUILD", "BINPERSID"}
    | {"NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1", "BINUNICODE"}
    | {"EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "EMPTY_LIST", "APPEND", "APPENDS"}
    | {"EMPTY_DICT", "SETITEM", "SETITEMS"}
)
_PUTS = ("BINPUT", "LONG_BINPUT")
_GETS = ("BINGET", "LONG_BINGET")
_MARK = 0


# Named tuples, because nothing can change them: the opcode BUILD writes to any object's `__dict__`,
# a frozen dataclass' too, and could so undo the checks that its fields have passed.
class _Storage(NamedTuple):
    """Elements that tensors share, named before they are read: its key, numpy dtype and number of elements."""

    key: str
    dtype: str
    length: int


class _Tensor(NamedTuple):
    """A view of a storage: offset, size and stride are counted in elements."""

    storage: _Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


def read_torch_weights(path: Path) -> dict[str, np.ndarray]:
    """Reads the tensors that an old-style `.pth` names.

    Returns:
      name → read-only array over the file's content, in the shape and memory order of the file:
      float32 for weights, int64 for counters.

    Raises:
      UnsafeModelError: the file asks for code beyond what tensors need.
      ModelFormatError: it is damaged, truncated, too large, or not an old-style PyTorch file.
    """
    content = _read(path)
    stream = BytesIO(content)
    stream.seek(len(HEADER))
    try:
        machine, tensors, keys = (_unpickle(stream) for _ in range(3))
        named = _named_tensors(tensors)
        if not isinstance(machine, dict) or machine.get("little_endian") is not True:
            raise ModelFormatError("its description of the machine that wrote it is unusable")
        return _with_data(named, keys, content, stream.tell())
    except EdgekitError as error:
        raise type(error)(
            f"{path} cannot be used: {error.message}.", hint="Reinstall the package that brought it."
        ) from error


def _read(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        content = path.read_bytes() if size <= MAX_BYTES else b""
    except OSError as error:
        raise ModelFormatError(f"{path} cannot be read: {error.strerror}.") from error
    if size > MAX_BYTES:
        raise ModelFormatError(f"{path} is larger than {MAX_BYTES >> 20} MiB, too large for weights of this family.")
    if not content.startswith(HEADER):
        kind = "a newer, zipped PyTorch file" if content.startswith(b"PK") else "no PyTorch file"
        raise ModelFormatError(f"{path} is {kind}; expected one of the old, unzipped kind.")
    return content


def _unpickle(stream: BytesIO) -> object:
    """One pickle, at the stream's position."""
    start = stream.tell()
    try:
        _check_opcodes(stream)
        stream.seek(start)
        loaded: object = _Unpickler(stream).load()
        return loaded
    except EdgekitError:
        raise
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise ModelFormatError("it is damaged or truncated") from error


def _check_opcodes(stream: BytesIO) -> None:
    """Follows one pickle through without running it, for the size of each value on its stack.

    Hashing a tuple, as a key of a dictionary, recurses in C through all that it holds: one nested
    deeply would overflow the stack, one that holds itself twice at each level would never end.
    """
    sizes: list[int] = []
    memo: dict[int, int] = {}
    for count, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
        if opcode.name not in _OPCODES:
            raise UnsafeModelError("its pickle does more than name tensors")
        place = argument if isinstance(argument, int) else 0  # in the memo, of what gets and puts
        size = memo[place] if opcode.name in _GETS else 1 + _taken(sizes, opcode)
        excessive = count > MAX_OPCODES or ("TUPLE" in opcode.name and size > MAX_TUPLE)
        if opcode.name in _PUTS:
            memo[place] = sizes[-1]
            # The unpickler's memo is an array as long as the largest index: one opcode could ask for 64 GiB.
            excessive = excessive or place > count
        if excessive:
            raise ModelFormatError("its pickle is larger than weights of this family need")
        sizes += [_MARK if opcode.name == "MARK" else size] * len(opcode.stack_after)


def _taken(sizes: list[int], opcode: pickletools.OpcodeInfo) -> int:
    """Takes an opcode's operands off the stack; returns the sum of their sizes, at most `MAX_TUPLE`."""
    start = len(sizes) - len(opcode.stack_before)
    if pickletools.markobject in opcode.stack_before:
        mark = len(sizes) - 1
        while sizes[mark] != _MARK:
            mark -= 1
        start = mark - opcode.stack_before.index(pickletools.markobject)
    if start < 0:
        raise ModelFormatError("it is damaged or truncated")
    total = sum(sizes[start:])
    del sizes[start:]
    return min(total, MAX_TUPLE)


class _Unpickler(pickle.Unpickler):
    """Resolves the names in `_NAMES` and storages, nothing else."""

    def find_class(self, module: str, name: str) -> object:
        try:
            return _NAMES[f"{module}.{name}"]
        except KeyError:
            raise UnsafeModelError("its pickle asks for Python code beyond what tensors need") from None

    def persistent_load(self, pid: object) -> _Storage:
        if not isinstance(pid, tuple):
            raise ModelFormatError("it is damaged")
        kind, dtype, key, _, length, view = pid
        if kind != "storage" or dtype not in _DTYPES or not isinstance(key, str) or view is not None:
            raise ModelFormatError("it describes a storage of an unknown kind")
        if type(length) is not int or not 0 < length <= MAX_BYTES:
            raise ModelFormatError("it claims a storage of an impossible size")
        return _Storage(key, dtype, length)


def _tensor(
    storage: object, offset: object, size: object, stride: object, requires_grad: object, hooks: object
) -> _Tensor:
    """Stands in for `torch._utils._rebuild_tensor_v2`; the last two arguments matter in training only."""
    if not isinstance(storage, _Storage) or type(size) is not tuple or type(stride) is not tuple:
        raise ModelFormatError("it describes a tensor without storage or shape")
    numbers = (offset, *size, *stride)
    if type(offset) is not int or any(type(n) is not int or not 0 <= n <= storage.length for n in numbers) or 0 in size:
        raise ModelFormatError("a tensor's shape does not fit its storage")
    last = offset + sum((n - 1) * step for n, step in zip(size, stride))
    if len(size) != len(stride) or len(size) > MAX_RANK or math.prod(size) > storage.length or last >= storage.length:
        raise ModelFormatError("a tensor's shape does not fit its storage")
    return _Tensor(storage, offset, size, stride)


_DTYPES = ("<f4", "<i8")
_NAMES: Mapping[str, object] = {
    "collections.OrderedDict": OrderedDict,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch.FloatStorage": "<f4",
    "torch.LongStorage": "<i8",
}


def _named_tensors(tensors: object) -> dict[str, _Tensor]:
    # `dict.items`, because the pickle may have given its own object an attribute `items`.
    if not isinstance(tensors, dict) or not all(
        isinstance(name, str) and isinstance(tensor, _Tensor) for name, tensor in dict.items(tensors)
    ):
        raise ModelFormatError("it holds something other than named tensors")
    return dict(dict.items(tensors))


def _with_data(tensors: dict[str, _Tensor], keys: object, content: bytes, position: int) -> dict[str, np.ndarray]:
    """Gives each tensor its elements, which start at `position` in the file's content."""
    storages = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
    if any(storages[tensor.storage.key] != tensor.storage for tensor in tensors.values()):
        raise ModelFormatError("it describes one storage in two ways")
    if type(keys) is not list or len(keys) != len(storages) or any(type(key) is not str for key in keys):
        raise ModelFormatError("its list of storages does not match its tensors")
    data: dict[str, np.ndarray] = {}
    for key in keys:
        if key not in storages or key in data:
            raise ModelFormatError("its list of storages does not match its tensors")
        data[key] = _elements(storages[key], content, position)
        position += 8 + data[key].nbytes
    if position != len(content):
        raise ModelFormatError("it is longer than its storages")
    return {name: _view(data[tensor.storage.key], tensor) for name, tensor in tensors.items()}


def _elements(storage: _Storage, content: bytes, position: int) -> np.ndarray:
    stored = int.from_bytes(content[position : position + 8], "little", signed=True)
    if position + 8 + storage.length * np.dtype(storage.dtype).itemsize > len(content):
        raise ModelFormatError("it is truncated")
    if stored != storage.length:
        raise ModelFormatError("a storage holds another number of elements than its tensors say")
    return np.frombuffer(content, storage.dtype, storage.length, position + 8)


def _view(elements: np.ndarray, tensor: _Tensor) -> np.ndarray:
    # Safe: `_tensor` has checked that the last element lies within the storage.
    strides = tuple(step * elements.itemsize for step in tensor.stride)
    return np.lib.stride_tricks.as_strided(elements[tensor.offset :], tensor.size, strides, writeable=False)
