"""Reading files that may be anything, and writing results so that a failure loses nothing.

What is read was named by a user or lies in a folder of strangers: it may be a device that never ends, a pipe that
nobody writes to, or larger than the memory. What is written goes to a temporary file beside, which is then renamed.
"""

import codecs
import contextlib
import errno
import os
import platform
import stat
import tempfile
from pathlib import Path
from typing import BinaryIO, Iterator, List, Mapping, Optional, Tuple, Union

from edgekit.errors import OutputError

#: Most bytes of a `.tflite`: the offsets of its format end there.
MAX_MODEL_BYTES = 2 << 30

_PIECE = 1 << 20

#: Most bytes of a list that people or scripts write (labels, ranges, a CSV of a million images' classes).
MAX_TEXT_BYTES = 64 << 20

#: Most bytes of one image: far more than an uncompressed one of the size that is decoded.
MAX_IMAGE_BYTES = 512 << 20


def open_regular(path: Union[str, Path], most: Optional[int]) -> BinaryIO:
    """Opens a file for reading its bytes, if it is a regular one of at most `most` bytes (None: of any size).

    A device or pipe is never waited for.

    Raises:
      OSError: as `open`; or it is no regular file, or too large. `strerror` says which, in words for users.
    """
    descriptor = os.open(str(path), os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        found = os.fstat(descriptor)
        if stat.S_ISDIR(found.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "it is a device or a pipe, not a regular file", str(path))
        if most is not None and found.st_size > most:
            raise _too_large(path, most)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_bytes(path: Union[str, Path], most: int) -> bytes:
    """The content of a regular file of at most `most` bytes. Raises OSError as `open_regular`."""
    with open_regular(path, most) as stream:
        pieces = [_read(stream, os.fstat(stream.fileno()).st_size)]
        # Files of the kernel claim a size of 0. By the piece: as much as is asked for is allocated, be there nothing.
        for piece in iter(lambda: _read(stream, _PIECE), b""):
            pieces.append(piece)
            if sum(map(len, pieces)) > most:
                raise _too_large(path, most)
    return b"".join(pieces) if len(pieces) > 1 else pieces[0]


def _read(stream: BinaryIO, most: int) -> bytes:
    piece: Optional[bytes] = stream.read(most)
    if piece is None:  # some of the kernel's files have to be waited for
        raise OSError(errno.EAGAIN, "it holds nothing now, and is not waited for")
    return piece


def read_text(path: Union[str, Path], most: int = MAX_TEXT_BYTES) -> str:
    """A file of UTF-8 text, or of UTF-16 as Windows writes it, behind a byte order mark.

    Raises OSError as `read_bytes`, UnicodeDecodeError.
    """
    content = read_bytes(path, most)
    return content.decode("utf-16" if content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig")


def _too_large(path: Union[str, Path], most: int) -> OSError:
    return OSError(errno.EFBIG, f"it is larger than {most >> 20} MiB, the most that is read", str(path))


def write_bytes(path: Union[str, Path], content: bytes) -> None:
    """Writes a file as a whole or not at all.

    Raises:
      OutputError: the folder does not exist, may not be written, or is full.
    """
    write_together({Path(path): content})


def write_together(contents: Mapping[Path, bytes]) -> None:
    """Writes files that belong together, each as a whole, and none where there is no room for all.

    Raises:
      OutputError: as `write_bytes`.
    """
    written: List[Tuple[str, Path]] = []
    try:
        for path, content in contents.items():
            with _naming(path):
                written.append((_temporary(path), path))
                with open(written[-1][0], "wb") as stream:
                    stream.write(content)
                os.chmod(written[-1][0], 0o666 & ~_umask())
        for temporary, path in written:
            with _naming(path):
                os.replace(temporary, str(path))
    except BaseException:
        for temporary, _ in written:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
        raise


def _temporary(path: Path) -> str:
    descriptor, name = tempfile.mkstemp(dir=str(path.parent), prefix=f".{path.name}.")
    os.close(descriptor)
    return name


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Says which file could not be written."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"{path} could not be written: {error.strerror}.",
            "Check that the folder exists, may be written and is not full.",
        ) from error


def write_text(path: Union[str, Path], text: str) -> None:
    """Writes UTF-8 text as a whole or not at all. Raises OutputError as `write_bytes`."""
    write_bytes(path, text.encode("utf-8"))


def check_writable(path: Union[str, Path]) -> None:
    """Raises OutputError where `path` could not be written; for asking before minutes of work."""
    name, folder = str(path), Path(path).parent
    if os.path.isdir(name):
        raise OutputError(f"{path} is a folder.", "Give a file name.")
    if os.path.exists(name) and not os.path.isfile(name):
        raise OutputError(f"{path} is a device or a pipe, which cannot be replaced.", "Give a file name.")
    if not os.path.isdir(str(folder)):
        raise OutputError(f"There is no folder {folder}.", "Create it first, or write elsewhere with -o.")
    if not os.access(str(folder), os.W_OK):
        raise OutputError(f"The folder {folder} may not be written by this user.", "Write elsewhere with -o.")


def make_folder(path: Union[str, Path]) -> None:
    """Makes a folder for results where there is none. Raises OutputError where that cannot be."""
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"The folder {path} could not be made: {error.strerror}.", "Write elsewhere with -o."
        ) from error


def cache_folder() -> Optional[Path]:
    """edgekit's folder for what it can find out again, where this system keeps such; None for a user without a home."""
    told = os.environ.get("LOCALAPPDATA" if platform.system() == "Windows" else "XDG_CACHE_HOME")
    usual = "~/Library/Caches" if platform.system() == "Darwin" else "~/.cache"
    folder = os.path.expanduser(told or usual)
    return Path(folder) / "edgekit" if os.path.isabs(folder) else None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
