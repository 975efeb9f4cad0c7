"""Opening HDF5 files from strangers: first in another process, then with a look at where they point."""

import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.converters.sources.keras import rehearsal
from edgekit.errors import ModelFormatError, UnsafeModelError

if TYPE_CHECKING:
    import h5py

#: Far above any image classifier; a file that unpacks to more is an attack or a mistake.
MAX_UNPACKED_BYTES = 8 << 30


def rehearse(file: Path, name: str) -> None:
    """Reads a file's structure in another process: damage can make the HDF5 library end its process.

    A copy of this process is that at once; a new one takes ten times as long to start as to read. Only Linux promises
    that its libraries work in a copy, and only of a process with one thread.

    Args:
      file: the file.
      name: what to call it in messages.

    Raises:
      ModelFormatError: the library crashed or hung. (What it merely refuses, it refuses again here.)
    """
    may_fork = sys.platform == "linux" and threading.active_count() == 1
    if not (rehearsal.in_a_fork(file) if may_fork else _in_a_new_process(file)):
        raise _damaged(name)


def _in_a_new_process(file: Path) -> bool:
    command = [sys.executable, "-I", rehearsal.__file__, str(file.resolve())]
    try:
        done = subprocess.run(command, check=False, capture_output=True, timeout=rehearsal.PATIENCE_S)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode in (0, 1)  # 1: an ordinary Python exception


def check_contents(group: "h5py.Group", name: str) -> int:
    """Adds up the sizes of all datasets under an open file or group, in bytes.

    Raises:
      UnsafeModelError: a link or dataset points out of the file, and could read any other file.
      ModelFormatError: the datasets are larger than any classifier's, or something else is among them.
    """
    from h5py import h5d, h5g, h5l, h5o

    # As the library has them: its Python objects take four times as long, a third of opening a model.
    def added(inside: h5g.GroupID, total: int) -> int:
        for key in inside:
            if inside.links.get_info(key).type != h5l.TYPE_HARD:
                raise _points_outside(name)
            item = h5o.open(inside, key)
            if isinstance(item, h5g.GroupID):
                total = added(item, total)
                continue
            if not isinstance(item, h5d.DatasetID):
                raise _damaged(name)
            made = item.get_create_plist()
            if made.get_external_count() or made.get_layout() == h5d.VIRTUAL:
                raise _points_outside(name)
            total += item.get_space().get_simple_extent_npoints() * item.get_type().get_size()
            if total > MAX_UNPACKED_BYTES:
                raise ModelFormatError(f"{name} claims more than {MAX_UNPACKED_BYTES >> 30} GB of weights.")
        return total

    return added(group.id, 0)


def _points_outside(name: str) -> UnsafeModelError:
    return UnsafeModelError(f"{name} refers to data outside itself.", "Do not open it: no tool writes such models.")


def _damaged(name: str) -> ModelFormatError:
    return ModelFormatError(f"{name} is damaged: it cannot be read as HDF5.", "Copy or download it again.")
