"""Writing results so that a failure loses nothing: to a temporary file beside, then renamed."""

import os
import tempfile
from pathlib import Path
from typing import Union

from edgekit.errors import OutputError


def write_bytes(path: Union[str, Path], content: bytes) -> None:
    """Writes a file as a whole or not at all.

    Raises:
      OutputError: the folder does not exist, may not be written, or is full.
    """
    path = Path(path)
    try:
        descriptor, temporary = tempfile.mkstemp(dir=str(path.parent), prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(content)
            os.chmod(temporary, 0o666 & ~_umask())
            os.replace(temporary, str(path))
        except BaseException:
            os.unlink(temporary)
            raise
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


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
