"""A file read by the HDF5 library once, in a process that may end. Run as a program: python -I rehearsal.py FILE.

Imports nothing of edgekit: started anew, it is to do nothing but read a stranger's file.
"""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from h5py.h5g import GroupID

#: Listing a file takes a fraction of a second; a damaged one can send the library round in circles.
PATIENCE_S = 60


def read_all(file: str | Path) -> None:
    """Reads all that a file lists and says of it: groups, attributes, where the numbers are and their types."""
    import h5py

    with h5py.File(file, "r") as opened:
        _read_attributes(opened.id)
        h5py.h5o.visit(opened.id, lambda name: _read_attributes(h5py.h5o.open(opened.id, name)))


def _read_attributes(item: "GroupID") -> None:
    """Reads an item's attributes. Visiting ends where anything but None is answered."""
    import h5py
    import numpy as np

    for place in range(h5py.h5a.get_num_attrs(item)):
        attribute = h5py.h5a.open(item, index=place)
        attribute.read(np.empty(attribute.shape, attribute.dtype))


def in_a_fork(file: Path) -> bool:
    """Whether a copy of this process, which has to be its only thread, read the file or was refused by an exception."""
    import faulthandler
    import signal
    import warnings

    import h5py  # noqa: F401 - before the fork, so that both have it

    with warnings.catch_warnings():
        # Threads of numpy's library wait for work that the copy never asks for.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) in (0, 1)
    try:
        faulthandler.disable()
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(PATIENCE_S)
        for output in (1, 2):  # a library's last words
            os.dup2(os.open(os.devnull, os.O_WRONLY), output)
        read_all(file)
    except BaseException:
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    read_all(sys.argv[1])
