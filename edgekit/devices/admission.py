"""The door for `.tflite` files from elsewhere: each is checked, and run once in a process that may end.

An interpreter trusts its file: a damaged one, or a malicious one, ends the process instead of raising. What is
known to do so `check_graph` finds; a first run in another process, bounded in time and memory, finds the rest.
It takes 0.1 s and the time of two invocations (benchmarks/admission.py), once: the digest of a model that passed is
remembered in the user's cache folder. What edgekit itself made goes to `open_interpreter` and does not pass here.
"""

import hashlib
import json
import logging
import os
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import List, Optional, Set, Tuple, Union

from edgekit.devices import first_run
from edgekit.devices.interpreter import interpreter_package
from edgekit.devices.twin import Twin, find_twin
from edgekit.errors import DeviceError, MissingDependencyError, ModelFormatError
from edgekit.files import cache_folder, write_text
from edgekit.tflite.checks import check_graph
from edgekit.tflite.graph import Graph
from edgekit.tflite.ops import EDGETPU_OP, is_compiled
from edgekit.tflite.part import extract
from edgekit.version import __version__

_LOG = logging.getLogger("edgekit.devices")

#: Seconds that a first run may take: far above a large model's on a slow board.
PATIENCE_S = 60.0

#: Set in the first run's process: where the interpreter's package comes back to edgekit, nothing starts another.
_INSIDE = "EDGEKIT_FIRST_RUN"

_REMEMBERED = 4096
_HINT = "It is damaged or malicious: copy or download it again, from where you trust."

_passed: Set[str] = set()


def admit(graph: Graph, name: str, *, shape: Tuple[int, ...] = ()) -> None:
    """Checks a model that came from elsewhere, and runs it once in another process.

    Of a compiled model the ops left on the CPU are run: without its accelerator no interpreter takes the whole.

    Args:
      graph: as read from the file.
      name: what to call the file in messages.
      shape: what its input will be resized to, where it leaves its size open.

    Raises:
      ModelFormatError: it is damaged, ends the process that runs it, or needs more than 4 GB or 60 seconds.
      DeviceError: no interpreter is installed.
    """
    check_graph(graph, name)
    if not _can_start_python():
        return
    key = _key(graph.content, shape)
    if key in _passed or key in _remembered():
        return
    content = _on_the_cpu(graph) if is_compiled(graph) else graph.content
    if not content or _first_run(content, name, shape):
        _remember(key)


def admit_twin(model: Union[str, Path, bytes], compiled: Graph) -> Twin:
    """The CPU twin of a compiled model, let in to be run. Raises as `devices.twin.find_twin` and `admit`."""
    twin = find_twin(model, compiled)
    admit(twin.source, str(twin.path))
    return twin


def vouch(content: bytes) -> None:
    """Remembers a model that this process made and has run, so that opening its file need not try it."""
    if _can_start_python():
        _remember(_key(content))


def _on_the_cpu(compiled: Graph) -> bytes:
    """A model of the ops of a compiled one that a plain interpreter knows; b"" where there are none."""
    ops = [op for op in compiled.ops if op.custom != EDGETPU_OP]
    made = {index for op in ops for index in op.outputs}
    read = {index for op in ops for index in op.inputs if index >= 0} - made
    inputs = [i for i in sorted(read) if not (compiled.tensors[i].is_constant or compiled.tensors[i].is_variable)]
    try:
        return extract(compiled, inputs, sorted(made)).content if ops else b""
    except MissingDependencyError:  # a board with an older interpreter, which brings no schema: the checks stand
        return b""


def _first_run(content: bytes, name: str, shape: Tuple[int, ...] = ()) -> bool:
    """Whether the model ran; False where it could not be tried or is not opened. Raises as `admit`."""
    folders = json.dumps([path for path in sys.path if os.path.isabs(path)])
    program = [sys.executable, "-I", str(first_run.__file__)]
    command = [*program, interpreter_package().__name__, folders, json.dumps(shape)]
    # One thread for linear algebra, which the child has none of: each would cost time and address space.
    environment = {**os.environ, _INSIDE: "1", "OPENBLAS_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    try:
        done = subprocess.run(
            command,
            input=content,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=PATIENCE_S,
            env=environment,
        )
    except subprocess.TimeoutExpired:
        raise ModelFormatError(f"{name} did not answer within {PATIENCE_S:g} seconds.", _HINT) from None
    except OSError as error:  # no further process may be started here
        _LOG.info("%s could not be tried in another process: %s.", name, error.strerror)
        return False
    return _judge(_stages(done.stdout), done.returncode, name)


def _judge(stages: List[str], code: int, name: str) -> bool:
    if not stages:
        _LOG.info("%s could not be tried in another process, which ended with the code %d.", name, code)
        return False
    if code:
        ending = f"signal {-code}" if code < 0 else f"code {code:#x}"
        raise ModelFormatError(f"{name} ends the process that runs it ({ending}).", _HINT)
    if not stages[-1].startswith("refused "):
        return True
    reason = " ".join(str(json.loads(stages[-1][len("refused ") :])).split())[:200]
    if not reason:  # so end allocations that fail: without the bound they would eat the machine
        raise ModelFormatError(f"{name} seems to need more memory than is left, or more than 4 GB.", _HINT)
    if "allocated" in stages:
        raise ModelFormatError(f"{name} does not run: {reason}", _HINT)
    # Its own words come when it is opened here, perhaps with a delegate that it needs.
    _LOG.info("%s did not run in another process: %s", name, reason)
    return False


def _stages(output: bytes) -> List[str]:
    lines = output.decode("utf-8", "replace").splitlines()
    return [line[len(first_run.MARK) :] for line in lines if line.startswith(first_run.MARK)]


def _can_start_python() -> bool:
    """Whether this process can start itself anew as an interpreter of Python, and is not such a child already."""
    frozen = getattr(sys, "frozen", False)  # PyInstaller: the executable would run the program again
    return bool(sys.executable) and not frozen and not os.environ.get(_INSIDE)


def _key(content: bytes, shape: Tuple[int, ...] = ()) -> str:
    return hashlib.sha256(f"{_runtime()} {shape} {hashlib.sha256(content).hexdigest()}".encode()).hexdigest()


@lru_cache(maxsize=None)
def _runtime() -> str:
    """What a model's passing depends on beside the model: another interpreter may fail where this one does not."""
    file = getattr(interpreter_package(), "__file__", None)
    stamp = os.stat(file).st_mtime_ns if file else "unknown"
    return f"{__version__} {interpreter_package().__name__} {stamp}"


def _record() -> Optional[Path]:
    folder = cache_folder()
    return folder / "models-that-ran.txt" if folder else None


def _remembered() -> List[str]:
    path = _record()
    try:
        return path.read_text(encoding="ascii").split() if path else []
    except (OSError, ValueError):
        return []


def _remember(key: str) -> None:
    """Without a folder to write to, the next process tries the model again."""
    _passed.add(key)
    path, known = _record(), _remembered()
    if path is None or key in known:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if len(known) < _REMEMBERED:
            with open(str(path), "a", encoding="ascii") as stream:  # one short write, which two processes do not mix
                stream.write(key + "\n")
        else:
            write_text(path, "\n".join([*known[_REMEMBERED // 2 :], key, ""]))
    except (OSError, DeviceError):
        _LOG.info("%s cannot be written: models are tried anew in each process.", path)
