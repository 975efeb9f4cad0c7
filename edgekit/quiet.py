"""Keeping the chatter of TensorFlow and of the interpreter away from the user, until it matters.

TensorFlow, absl and XLA write to file descriptor 2 from C++ as well as from Python, so that only
redirecting the descriptor itself catches them all.
"""

import contextlib
import os
import re
import sys
import tempfile
import threading
from typing import Iterator, List, Pattern, TextIO

from edgekit.errors import EdgekitError
from edgekit.terminal import printable


@contextlib.contextmanager
def tensorflow_quiet(verbose: bool = False) -> Iterator[TextIO]:
    """Swallows what is written to file descriptors 1 and 2, and replays it where something fails unexpectedly.

    An EdgekitError explains itself in a line or two and replays nothing, be it thirty lines of a compiler's dump. For
    the CLI only: descriptors belong to the whole process.

    Yields:
      A stream to the user's real stderr, for progress.
    """
    if verbose:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "0")
        yield sys.stderr
        return
    sys.stdout.flush()
    sys.stderr.flush()
    saved = [os.dup(1), os.dup(2)]
    user = os.fdopen(os.dup(2), "w", buffering=1, encoding="utf-8", errors="replace")
    with tempfile.TemporaryFile() as noise, user:
        os.dup2(noise.fileno(), 1)
        os.dup2(noise.fileno(), 2)
        replay = False
        try:
            yield user
        except EdgekitError:
            raise
        except Exception:
            replay = True
            raise
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for descriptor, copy in zip((1, 2), saved):
                os.dup2(copy, descriptor)
                os.close(copy)
            if replay:
                noise.seek(0)
                sys.stderr.write(printable(noise.read().decode("utf-8", "replace")))


#: The interpreter's line about its own CPU kernels, said once in a process.
_XNNPACK = re.compile(b"INFO: Created TensorFlow Lite XNNPACK delegate")
_opening = threading.RLock()
_heard: List[bytes] = []


@contextlib.contextmanager
def interpreter_quiet() -> Iterator[None]:
    """Drops the line that the interpreter writes when it first allocates tensors; whatever else is written passes.

    The line comes from C++, once in a process: descriptor 2 is redirected until it came, and never again.
    """
    with _opening:
        if _heard:
            yield
            return
        with stderr_without(_XNNPACK) as dropped:
            yield
        _heard.extend(dropped)


@contextlib.contextmanager
def stderr_without(pattern: "Pattern[bytes]") -> Iterator[List[bytes]]:
    """Redirects descriptor 2, and passes on what was written to it but for the lines that begin with a pattern.

    Yields:
      A list that holds the dropped lines in the end.
    """
    dropped: List[bytes] = []
    try:
        saved = os.dup(2)
    except OSError:  # standard error is closed
        yield dropped
        return
    with tempfile.TemporaryFile() as noise:
        os.dup2(noise.fileno(), 2)
        try:
            yield dropped
        finally:
            os.dup2(saved, 2)
            os.close(saved)
            noise.seek(0)
            lines = noise.read().splitlines(keepends=True)
            dropped += [line for line in lines if pattern.match(line)]
            others = b"".join(line for line in lines if not pattern.match(line))
            if others:
                os.write(2, others)
