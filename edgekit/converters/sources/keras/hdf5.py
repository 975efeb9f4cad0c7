"""Opening HDF5 files from strangers: first in another process, then with a look at where they point."""

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.errors import ModelFormatError, UnsafeModelError

if TYPE_CHECKING:
    import h5py

#: Far above any image classifier; a file that unpacks to more is an attack or a mistake.
MAX_UNPACKED_BYTES = 8 << 30
#: Listing a file takes a fraction of a second; a damaged one can send the library round in circles.
_PATIENCE_SECONDS = 60

_REHEARSAL = """
import sys, h5py
with h5py.File(sys.argv[1], "r") as file:
    dict(file.attrs)
    file.visititems(lambda name, item: dict(item.attrs) and None)
"""


def rehearse(file: Path, name: str) -> None:
    """Reads a file's structure in another process: damage can make the HDF5 library end its process.

    Args:
      file: the file.
      name: what to call it in messages.

    Raises:
      ModelFormatError: the library crashed or hung. (What it merely refuses, it refuses again here.)
    """
    command = [sys.executable, "-I", "-c", _REHEARSAL, str(file.resolve())]
    try:
        done = subprocess.run(command, check=False, capture_output=True, timeout=_PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        raise _damaged(name) from None
    if done.returncode not in (0, 1):  # 1: an ordinary Python exception
        raise _damaged(name)


def check_contents(group: "h5py.Group", name: str, total: int = 0) -> int:
    """Adds up the sizes of all datasets under an open file or group, in bytes.

    Raises:
      UnsafeModelError: a link or dataset points out of the file, and could read any other file.
      ModelFormatError: the datasets are larger than any classifier's, or something else is among them.
    """
    import h5py

    for key in group:
        if isinstance(group.get(key, getlink=True), (h5py.ExternalLink, h5py.SoftLink)):
            raise _points_outside(name)
        item = group[key]
        if isinstance(item, h5py.Group):
            total = check_contents(item, name, total)
            continue
        if not isinstance(item, h5py.Dataset):
            raise _damaged(name)
        if item.external or item.is_virtual:
            raise _points_outside(name)
        total += item.nbytes
        if total > MAX_UNPACKED_BYTES:
            raise ModelFormatError(f"{name} claims more than {MAX_UNPACKED_BYTES >> 30} GB of weights.")
    return total


def _points_outside(name: str) -> UnsafeModelError:
    return UnsafeModelError(f"{name} refers to data outside itself.", "Do not open it: no tool writes such models.")


def _damaged(name: str) -> ModelFormatError:
    return ModelFormatError(f"{name} is damaged: it cannot be read as HDF5.", "Copy or download it again.")
