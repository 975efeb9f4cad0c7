"""Commands as processes of their own: how long one takes and how much memory; the images that they are given."""

import os
import subprocess
import time
from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import NamedTuple


class Usage(NamedTuple):
    """What a process took: wall seconds, and MB of memory at its peak."""

    seconds: float
    memory: float


class CommandError(Exception):
    """A command failed; the message is the last line that it wrote."""


def run(command: Sequence[str]) -> Usage:
    """Runs a command to its end; raises CommandError where it fails.

    The caller must be small: Linux counts the memory that a process had before it became the command.
    """
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    words = process.stderr.read().decode(errors="replace").strip()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise CommandError(words.rpartition("\n")[2])
    return Usage(time.perf_counter() - start, usage.ru_maxrss / 1024)


def link(images: Sequence[Path], count: int, folder: Path) -> Path:
    """A new folder of links to `count` images, in their order, again from the first where there are fewer."""
    folder.mkdir()
    for number, image in enumerate(islice(cycle(images), count)):
        (folder / f"{number:05}{image.suffix}").symlink_to(image.resolve())
    return folder
