"""The names of `tflite_runtime.interpreter`, for programs that load the Edge TPU's delegate themselves.

What is not defined here is the installed interpreter's own. Where no Edge TPU is attached,
`load_delegate` answers with a stand-in, and an `Interpreter` that is given it runs the CPU twin.
"""

import os
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Dict, Mapping, MutableMapping, Optional, Sequence, Union
from weakref import WeakValueDictionary

import numpy as np

from edgekit.devices.admission import admit, admit_twin
from edgekit.devices.delegate import load_edgetpu
from edgekit.devices.discovery import attached
from edgekit.devices.emulator.emulated import EmulatedEdgeTpu
from edgekit.devices.interpreter import allowed_cores, interpreter_package
from edgekit.devices.library import library_name
from edgekit.devices.request import parse_device
from edgekit.devices.trial import check_library
from edgekit.edgetpu.compiler.package import is_compiled
from edgekit.errors import EdgekitError
from edgekit.pycoral.twin import served_content
from edgekit.terminal import printable
from edgekit.tflite.graph import Graph
from edgekit.tflite.reader import file_name, read_graph

#: Environment variable that takes the place of the devices a program asks for: "cpu" or "emulated".
VARIABLE = "EDGEKIT_DEVICE"

#: Native handle → the interpreter it belongs to, for functions that are only given the handle.
interpreters: MutableMapping[int, Any] = WeakValueDictionary()


@dataclass(frozen=True)
class StandIn:
    """What is loaded in place of the Edge TPU's delegate.

    Attributes:
      reason: why the Edge TPU is not used.
      emulated: the emulated Edge TPU that computes compiled models, or None for the CPU twin.
    """

    reason: str
    emulated: Optional[EmulatedEdgeTpu] = None


def load_delegate(library: str, options: Optional[Dict[Any, Any]] = None) -> Any:
    """Loads a delegate; for the Edge TPU's library, where no Edge TPU is attached, a stand-in.

    Raises:
      ValueError: "Failed to load delegate from ...": there is an Edge TPU that cannot be opened, or the
        device asked for has no such name.
    """
    if "edgetpu" not in os.path.basename(library).lower() and library != library_name():
        return interpreter_package().load_delegate(library, options)
    try:
        return _edgetpu(library, {str(key): str(value) for key, value in (options or {}).items()})
    except EdgekitError as error:
        raise ValueError(f"Failed to load delegate from {library}\n{error}") from None


def Interpreter(  # noqa: N802, a class in the original
    model_path: Optional[Union[str, Path]] = None,
    model_content: Optional[bytes] = None,
    experimental_delegates: Optional[Sequence[Any]] = None,
    num_threads: Optional[int] = None,
    experimental_op_resolver_type: Any = None,
    experimental_preserve_all_tensors: bool = False,
) -> Any:
    """An interpreter of a model, not yet allocated; a delegate's stand-in makes it one of the CPU twin.

    Raises:
      ValueError: the file is missing or damaged, or it is compiled, no Edge TPU is attached and it has no twin.
    """
    delegates = list(experimental_delegates or ())
    stand_in = next((delegate for delegate in delegates if isinstance(delegate, StandIn)), None)
    options: Dict[str, Any] = {"num_threads": num_threads}
    if experimental_op_resolver_type is not None:
        options["experimental_op_resolver_type"] = experimental_op_resolver_type
    if experimental_preserve_all_tensors:
        options["experimental_preserve_all_tensors"] = True
    if stand_in is None:
        options["experimental_delegates"] = delegates
    try:
        model = _given(model_path, model_content)
        graph = read_graph(model)
        admit(graph, file_name(model))
        interpreter = _interpreter(model, graph, stand_in, options)
    except EdgekitError as error:
        raise ValueError(str(error)) from None
    interpreters[interpreter._native_handle()] = interpreter
    return interpreter


def set_input(interpreter: Any, details: Mapping[str, Any], value: np.ndarray) -> None:
    """Copies an array of the right shape and type to an input. RuntimeError where the tensors are not allocated."""
    try:
        interpreter.set_tensor(details["index"], value)
    except ValueError as error:
        raise RuntimeError("Invoke called on model that is not ready.") from error


def __getattr__(name: str) -> Any:
    return getattr(interpreter_package(), name)


@lru_cache(maxsize=None)
def say_once(text: str) -> None:
    """Writes a line to standard error, unless it was written before."""
    print(printable(f"edgekit: {text}"), file=sys.stderr)


def _edgetpu(library: str, options: Dict[str, str]) -> Any:
    request = parse_device(os.environ.get(VARIABLE) or options.get("device") or "edgetpu")
    if request.kind == "emulated":
        return StandIn("an emulated Edge TPU was asked for; no chip is at work", EmulatedEdgeTpu(host=request.host))
    if request.kind == "cpu":
        return StandIn("the CPU was asked for")
    if not attached():
        return StandIn("no Edge TPU is attached")
    options = {**options, **request.options}
    if os.path.dirname(library) and library != library_name():  # a program that brings a library of its own
        return interpreter_package().load_delegate(library, options)
    check_library(options.get("device", ""), None)
    return load_edgetpu(options)


def _given(path: Optional[Union[str, Path]], content: Optional[bytes]) -> Union[str, Path, bytes]:
    if content is not None:
        return bytes(content)
    if path is None:
        raise ValueError("`model_path` or `model_content` must be specified.")
    if not os.path.isfile(str(path)):
        raise ValueError(f"Could not open '{path}'.")
    return path


def _interpreter(
    model: Union[str, Path, bytes], graph: Graph, stand_in: Optional[StandIn], options: Dict[str, Any]
) -> Any:
    make = interpreter_package().Interpreter
    if stand_in is None:
        return make(model_content=graph.content, **options)
    threads = options["num_threads"] = options["num_threads"] or allowed_cores()
    if not is_compiled(graph):
        return make(model_content=graph.content, **options)
    twin = admit_twin(model, graph)
    name = "the compiled model" if isinstance(model, bytes) else str(model)
    if stand_in.emulated:
        say_once(f"{stand_in.reason}: the CPU computes {name} with {twin.path}.")
        return stand_in.emulated.open(graph, twin.graph, threads=threads)
    say_once(f"{stand_in.reason}: {twin.path} runs on the CPU in place of {name}.")
    return make(model_content=served_content(twin), **options)
