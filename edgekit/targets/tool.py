"""A foreign compiler from a Python package, run in a child process on a copy of the model: it may hang or abort."""

import signal
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Iterator, Mapping, Sequence, Tuple

from edgekit.child import run_child
from edgekit.edgetpu.placement.placement import CPU, NOT_JUDGED, OpPlacement
from edgekit.errors import CompilerError
from edgekit.install import not_importable
from edgekit.tflite.editor import Editor
from edgekit.tflite.graph import Graph, Op

#: Seconds that a compiler gets for one model. Vela takes 30 for the largest at hand.
LIMIT_S = 300.0


@dataclass(frozen=True)
class Tool:
    """A compiler.

    Attributes:
      title: for people.
      package: its distribution in the package index.
      module: what `python -m` runs.
      extra: the extra of edgekit that brings it.
    """

    title: str
    package: str
    module: str
    extra: str

    @property
    def version(self) -> str:
        """The installed release. Raises MissingDependencyError where none is."""
        top = self.module.split(".")[0]
        try:
            if find_spec(top) is None:
                raise ModuleNotFoundError(top)
            return str(import_module("importlib.metadata").version(self.package))
        except ImportError as error:  # PackageNotFoundError is one too
            raise not_importable(f"Judging a model for {self.extra}", self.package, self.extra, error) from error


@dataclass(frozen=True)
class Ran:
    """What a compiler left.

    Attributes:
      folder: where it ran, with its files; gone afterwards.
      output: all that it printed.
      code: its exit code, 0 or above.
    """

    folder: Path
    output: str
    code: int


@contextmanager
def ran(tool: Tool, graph: Graph, words: Sequence[str], limit: float = LIMIT_S) -> Iterator[Ran]:
    """Runs a tool on a model whose tensors are named t0, t1, …, so that what it says of a tensor is said of one.

    The copy is `model.tflite` in a folder of its own, and `words` are what comes after `python -m MODULE`.

    Raises:
      MissingDependencyError: it is not installed.
      CompilerError: it could not be started, did not end in `limit` seconds, or was ended by a signal.
    """
    name = f"{tool.title} {tool.version}"
    with tempfile.TemporaryDirectory(prefix="edgekit-") as folder:
        place = Path(folder)
        (place / "model.tflite").write_bytes(_numbered(graph))
        with open(str(place / "output.txt"), "w+b") as output:
            try:
                code = run_child([sys.executable, "-m", tool.module, *words], output, limit, folder)
            except OSError as error:
                raise CompilerError(f"{name} could not be started: {error.strerror}.", _AGAIN) from error
            output.seek(0)
            text = output.read().decode("utf-8", "replace")
        if code is None:
            raise CompilerError(f"{name} did not end within {limit:g} s, and was stopped.", _AGAIN)
        if code < 0:
            raise CompilerError(f"{name} was ended by {_signal(-code)} on this model.", _AGAIN)
        yield Ran(place, text, code)


_AGAIN = "Try another release of it, or tell its makers: edgekit only runs it."


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _numbered(graph: Graph) -> bytes:
    editor = Editor(graph)
    for tensor in graph.tensors:
        editor.rename(tensor.index, f"t{tensor.index}")
    return editor.content()


def producers(graph: Graph) -> Mapping[str, Op]:
    """Name of a tensor in the copy → the op that makes it."""
    return {f"t{index}": op for op in graph.ops for index in op.outputs}


def refused_ops(graph: Graph) -> Tuple[OpPlacement, ...]:
    """The ops of a model that a tool refuses as a whole."""
    return tuple(OpPlacement(op, CPU, NOT_JUDGED) for op in graph.ops)


def cause(output: str) -> str:
    """The line of what a tool printed that says best why it failed, without folders."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    marked = [line for line in lines if "error" in line.lower()] or lines
    return _short(marked[-1]) if marked else "it printed nothing"


def _short(line: str) -> str:
    return line.replace("\\", "/").rpartition("/")[2][:200]
