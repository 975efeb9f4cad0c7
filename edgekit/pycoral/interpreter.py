"""The names of `tflite_runtime.interpreter`, for programs that load the Edge TPU's delegate themselves.

What is not defined here is the installed interpreter's own. Where no Edge TPU is attached,
`load_delegate` answers with a stand-in, and an `Interpreter` that is given it runs the CPU twin.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, List, Optional, Sequence, Tuple, Type, Union

from edgekit.devices.admission import admit, admit_twin
from edgekit.devices.emulator.emulated import EmulatedEdgeTpu
from edgekit.devices.interpreter import allowed_cores, interpreter_package
from edgekit.errors import EdgekitError
from edgekit.pycoral.delegate import StandIn, load_delegate, say_once
from edgekit.pycoral.runtime import interpreters
from edgekit.pycoral.twin import served_content
from edgekit.quiet import interpreter_quiet
from edgekit.tflite.graph import Graph
from edgekit.tflite.ops import is_compiled
from edgekit.tflite.reader import file_name, read_graph

__all__ = ["Interpreter", "InterpreterWithCustomOps", "load_delegate"]


@dataclass(frozen=True)
class _Job:
    """What the runtime's interpreter is to be given."""

    content: bytes
    delegates: List[object]
    threads: Optional[int]


def interpreter_class(base: type) -> Type[Any]:
    """A runtime's class `Interpreter`, made to understand a stand-in among its delegates.

    Args:
      base: the class of ai_edge_litert, tflite_runtime or TensorFlow.
    """

    class Interpreter(base):  # type: ignore[misc]
        """An interpreter of a model, not yet allocated; a delegate's stand-in makes it one of the CPU twin.

        Raises:
          ValueError: the file is missing or damaged, or it is compiled, no Edge TPU is attached and it has no twin.
        """

        def __init__(
            self,
            model_path: Optional[Union[str, Path]] = None,
            model_content: Optional[bytes] = None,
            experimental_delegates: Optional[Sequence[object]] = None,
            num_threads: Optional[int] = None,
            *more: object,
            **options: object,  # whatever the installed runtime takes: releases differ
        ) -> None:
            try:
                job = _job(_given(model_path, model_content), list(experimental_delegates or ()), num_threads, base)
            except EdgekitError as error:
                raise ValueError(str(error)) from None
            try:
                super().__init__(None, job.content, job.delegates, job.threads, *more, **options)
            except RuntimeError as error:
                problem = next(filter(None, (getattr(delegate, "problem", None) for delegate in job.delegates)), None)
                raise (ValueError(str(problem)) if problem else error) from None
            interpreters[self._native_handle()] = self

        def allocate_tensors(self) -> None:
            with interpreter_quiet():
                super().allocate_tensors()

    Interpreter.__qualname__ = "Interpreter"
    return Interpreter


Interpreter = interpreter_class(interpreter_package().Interpreter)


class InterpreterWithCustomOps(Interpreter):  # type: ignore[misc, valid-type]
    """An interpreter with operators that the program registers, by name or by function."""

    def __init__(self, custom_op_registerers: Optional[Sequence[object]] = None, **options: object) -> None:
        self._custom_op_registerers = custom_op_registerers or []
        super().__init__(**options)


def __getattr__(name: str) -> object:
    value: object = getattr(interpreter_package(), name)
    return value


def _given(path: Optional[Union[str, Path]], content: Optional[bytes]) -> Union[str, Path, bytes]:
    if path is not None and content is not None:
        raise ValueError("Can't both provide `model_path` and `model_content`")
    if content is not None:
        return bytes(content)
    if path is None:
        raise ValueError("`model_path` or `model_content` must be specified.")
    if not os.path.isfile(str(path)):
        raise ValueError(f"Could not open '{path}'.")
    return path


def _job(model: Union[str, Path, bytes], delegates: List[object], threads: Optional[int], base: type) -> _Job:
    graph = read_graph(model)
    admit(graph, file_name(model))
    stand_in = next((delegate for delegate in delegates if isinstance(delegate, StandIn)), None)
    if stand_in is None:
        return _Job(graph.content, delegates, threads)
    others = [delegate for delegate in delegates if not isinstance(delegate, StandIn)]
    threads = threads or allowed_cores()
    if not is_compiled(graph):
        return _Job(graph.content, others, threads)
    content, mine = _stood_in(model, graph, stand_in, threads, base)
    return _Job(content, [*mine, *others], threads)


def _stood_in(
    model: Union[str, Path, bytes], graph: Graph, stand_in: StandIn, threads: int, base: type
) -> Tuple[bytes, List[object]]:
    """What computes a compiled model: the bytes to open, and the delegates they need."""
    twin = admit_twin(model, graph)
    name = "the compiled model" if isinstance(model, bytes) else str(model)
    if isinstance(stand_in.emulated, EmulatedEdgeTpu):
        say_once(f"{stand_in.reason}: the CPU computes {name} with {twin.path}.")
        package = base.__module__.split(".")[0]
        return graph.content, [stand_in.emulated.delegate(graph, twin.graph, threads=threads, package=package)]
    say_once(f"{stand_in.reason}: {twin.path} runs on the CPU in place of {name}.")
    return served_content(twin), []
