"""The file of the Edge TPU's runtime library, libedgetpu: what it is called, where it lies, whether it is whole."""

import os
import platform
import struct
from pathlib import Path
from typing import Mapping, NamedTuple, Optional, Tuple

#: Operating system → file name of the library, as its packages install it.
LIBRARIES: Mapping[str, str] = {
    "Linux": "libedgetpu.so.1",
    "Darwin": "libedgetpu.1.dylib",
    "Windows": "edgetpu.dll",
}
#: Environment variable that may hold another name or path.
VARIABLE = "EDGEKIT_LIBEDGETPU"

#: Number of an ELF file's machine → its name.
ARCHITECTURES: Mapping[int, str] = {3: "i386", 40: "arm", 62: "x86_64", 183: "aarch64", 243: "riscv"}

_ELF = b"\x7fELF"


class _Layout(NamedTuple):
    """Where an ELF header of 32 or 64 bits keeps its tables.

    Attributes:
      header: format of the offsets of the program and section headers, at byte `offsets`.
      counts: byte at which size and number of program headers, then of section headers stand.
      segment: format of a program header; `file_offset` and `file_size` are the places of those in it.
    """

    header: str
    offsets: int
    counts: int
    segment: str
    file_offset: int
    file_size: int


# The ELF specification, «ELF Header» and «Program Header»; the second byte after the mark says which.
_LAYOUTS: Mapping[int, _Layout] = {
    1: _Layout("II", 28, 42, "IIIIIIII", file_offset=1, file_size=4),
    2: _Layout("QQ", 32, 54, "IIQQQQQQ", file_offset=2, file_size=5),
}


def library_name() -> str:
    """The library to load: as `EDGEKIT_LIBEDGETPU` says, or this system's usual name."""
    return chosen_library() or LIBRARIES.get(platform.system(), LIBRARIES["Linux"])


def chosen_library() -> str:
    """What `EDGEKIT_LIBEDGETPU` holds, or "" where the usual name counts."""
    return os.environ.get(VARIABLE) or ""


def library_path(root: Path, name: str) -> Optional[Path]:
    """Where the library lies under a machine's root, in the folders that the loader searches."""
    if os.sep in name:
        return Path(name) if Path(name).is_file() else None
    return next((path for folder in _search_path(root) for path in [folder / name] if path.is_file()), None)


def misnamed(name: str) -> str:
    """What is wrong with a path given for the library, or ""; a name without a folder is the loader's to find."""
    if os.sep not in name or os.path.isfile(name):
        return ""
    return f"{name} is a folder" if os.path.isdir(name) else f"there is no file {name}"


def damage(path: Path) -> str:
    """What is wrong with a shared library's file, or "". Judges ELF files, and on Linux that it is one.

    The loader maps a truncated file as it is: touching what is missing ends the process.
    """
    try:
        with path.open("rb") as stream:
            head = stream.read(64)
            size = os.fstat(stream.fileno()).st_size
            needed = _elf_size(head, lambda offset, count: _read_at(stream.fileno(), offset, count))
    except OSError as error:
        return f"it cannot be read ({error.strerror})"
    if not head:
        return "it is empty"
    if needed is None:
        return "it is no shared library" if platform.system() == "Linux" else ""
    return f"it is truncated: {size:,} of at least {needed:,} bytes" if size < needed else ""


def elf_architecture(path: Path) -> str:
    """What an ELF file was built for, one of `ARCHITECTURES`' names, or "" where it is none."""
    try:
        with path.open("rb") as stream:
            head = stream.read(20)
    except OSError:
        return ""
    if len(head) < 20 or head[:4] != _ELF:
        return ""
    number = int.from_bytes(head[18:20], "little" if head[5] == 1 else "big")
    return ARCHITECTURES.get(number, f"machine {number}")
