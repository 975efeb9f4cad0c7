"""The file of the Edge TPU's runtime library, libedgetpu: what it is called, where it lies, whether it is whole."""

import os
import platform
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


class _SectionFields(NamedTuple):
    """Where an ELF header tells of the table of sections, which linkers put at the file's end. In bytes.

    Attributes:
      start, length: of the field that holds the table's offset.
      entry_size, entries: of the fields, of 2 bytes each, that hold the size and the number of its entries.
    """

    start: int
    length: int
    entry_size: int
    entries: int


# By the header's class byte: files of 32 and of 64 bits (the ELF specification, «ELF Header»).
_SECTIONS: Mapping[int, _SectionFields] = {1: _SectionFields(32, 4, 46, 48), 2: _SectionFields(40, 8, 58, 60)}


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
    """What is wrong with a shared library's file, or "". On Linux it must be ELF; other formats are not judged.

    The loader maps a truncated file as it is, and touching what is missing ends the process.
    """
    try:
        with path.open("rb") as stream:
            head, size = stream.read(64), os.fstat(stream.fileno()).st_size
    except OSError as error:
        return f"it cannot be read ({error.strerror})"
    if not head:
        return "it is empty"
    if head[:4] != _ELF:
        return "it is no shared library" if platform.system() == "Linux" else ""
    needed = _elf_size(head)
    return f"it is truncated: {size:,} of {needed:,} bytes are there" if size < needed else ""


def elf_architecture(path: Path) -> str:
    """What an ELF file was built for, one of `ARCHITECTURES`' names, or "" where it is none."""
    try:
        with path.open("rb") as stream:
            head = stream.read(20)
    except OSError:
        return ""
    if len(head) < 20 or head[:4] != _ELF:
        return ""
    number = _number(head, 18, 2)
    return ARCHITECTURES.get(number, f"machine {number}")


def _elf_size(head: bytes) -> int:
    """The size of an ELF file by its first 64 bytes: at least those, and up to the end of its table of sections."""
    if len(head) < 64 or head[4] not in _SECTIONS:
        return 64
    fields = _SECTIONS[head[4]]
    begin = _number(head, fields.start, fields.length)
    return begin + _number(head, fields.entry_size, 2) * _number(head, fields.entries, 2) if begin else 64


def _number(head: bytes, start: int, length: int) -> int:
    """A number of an ELF header, in the file's own byte order."""
    return int.from_bytes(head[start : start + length], "little" if head[5] == 1 else "big")


def _search_path(root: Path) -> Tuple[Path, ...]:
    """The loader's folders: the usual ones, and one for each architecture (Debian's multiarch)."""
    plain = [root / name for name in ("usr/local/lib", "usr/lib", "lib", "usr/lib64", "lib64")]
    return (*plain, *sorted((root / "usr/lib").glob("*-linux-*")), *sorted((root / "lib").glob("*-linux-*")))
