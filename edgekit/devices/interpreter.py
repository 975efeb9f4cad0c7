"""The TFLite interpreter, whichever of its packages is installed, with its failures put into words."""

import os
import re
from functools import lru_cache
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Callable, Optional, Sequence, Tuple, Type

import numpy as np

from edgekit.errors import DeviceError, EdgekitError, ModelFormatError, UnsupportedModelError, UsageError
from edgekit.memory import is_short, limit, short
from edgekit.quiet import interpreter_quiet

#: Packages with the same `Interpreter`, the preferred one first. TensorFlow, which takes seconds to
#: import, only where neither of the small ones is installed.
PACKAGES = ("ai_edge_litert.interpreter", "tflite_runtime.interpreter", "tensorflow.lite.python.interpreter")

if TYPE_CHECKING:  # Python 3.7 knows neither; they are for readers and type checkers
    from typing import Protocol, TypedDict  # novm

    class QuantizationDetails(TypedDict):
        """A tensor's quantization: one scale and zero point, or one for each index along a dimension."""

        scales: np.ndarray
        zero_points: np.ndarray
        quantized_dimension: int

    class TensorDetails(TypedDict):
        """What an interpreter tells of a tensor.

        `shape_signature` has -1 for sizes that are open; `quantization` is (scale, zero point), (0.0, 0) where the
        tensor is not quantized as a whole.
        """

        name: str
        index: int
        shape: np.ndarray
        shape_signature: np.ndarray
        dtype: Type[np.generic]
        quantization: Tuple[float, int]
        quantization_parameters: QuantizationDetails

    class Interpreter(Protocol):
        """What edgekit uses of an `Interpreter`; none of the packages types its own."""

        def allocate_tensors(self) -> None:
            """Prepares to run; after a resize once more."""

        def get_input_details(self) -> Sequence[TensorDetails]:
            """The inputs, in order."""

        def get_output_details(self) -> Sequence[TensorDetails]:
            """The outputs, in order."""

        def get_tensor_details(self) -> Sequence[TensorDetails]:
            """All tensors."""

        def set_tensor(self, tensor_index: int, value: np.ndarray) -> None:
            """Copies a value into an input. Raises ValueError for another shape or type."""

        def get_tensor(self, tensor_index: int) -> np.ndarray:
            """A copy of a tensor's value. Raises ValueError where it has none."""

        def tensor(self, tensor_index: int) -> Callable[[], np.ndarray]:
            """A function that gives a view of a tensor's memory; no view may be held while it runs."""

        def resize_tensor_input(self, input_index: int, tensor_size: Sequence[int], strict: bool = False) -> None:
            """Gives an input another shape."""

        def invoke(self) -> None:
            """Computes the outputs. Raises RuntimeError where an op fails."""

else:
    Interpreter = object

_UNKNOWN_OP = re.compile(r"unresolved custom op: (\S+?)\.?(?:\s|$)")
_OLD_INTERPRETER = re.compile(r"Didn't find op for builtin opcode '(\w+)' version '(\d+)'")


def open_interpreter(
    content: bytes, *, threads: Optional[int] = None, delegates: Sequence[object] = (), name: str = "The model"
) -> Interpreter:
    """An interpreter of a model, its tensors allocated.

    Args:
      content: bytes that edgekit made itself, or of a `.tflite` file that `devices.admission.admit` has let in:
        the interpreter trusts its file, and a damaged one can end the process.
      threads: at most so many, and no more than this process may use cores, which is the default.
      delegates: accelerators that may take ops, as the interpreter's own `load_delegate` returns them.
      name: what to call the model in messages.

    Raises:
      DeviceError: no interpreter is installed, or it is too old for the model.
      UnsupportedModelError: the model uses operators that no interpreter brings along.
      ModelFormatError: the interpreter refuses the model.
      OutOfMemoryError: its tensors do not fit.
    """
    if threads is not None and threads < 1:
        raise UsageError(f"{threads} threads cannot run a model.", "Ask for one or more.")
    make, cores = interpreter_package().Interpreter, allowed_cores()
    options = {"experimental_delegates": list(delegates)} if delegates else {}
    try:
        interpreter: Interpreter = make(model_content=content, num_threads=min(threads or cores, cores), **options)
        with interpreter_quiet():
            interpreter.allocate_tensors()
    except (ValueError, RuntimeError, MemoryError) as error:
        if is_short(error) or _seems_short(str(error)):
            raise short(f"{name} to be opened") from error
        raise _refusal(str(error), name) from error
    return interpreter


def _seems_short(text: str) -> bool:
    """Whether an allocation failed, of which the interpreter says nothing, and its CPU kernels little."""
    return not text.strip() or (limit() is not None and "xnnpack" in text.lower())


def allowed_cores() -> int:
    """Number of cores this process may use, fewer than the machine's in a container or under taskset."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        return os.cpu_count() or 1


@lru_cache(maxsize=None)
def interpreter_package() -> ModuleType:
    """The first of `PACKAGES` that is installed, as a module.

    Raises:
      DeviceError: none is, or none loads.
    """
    problems = []
    for package in PACKAGES:
        try:
            return import_module(package)
        except ModuleNotFoundError:
            continue
        except (ImportError, OSError) as error:  # installed, but for another system: too old a glibc, a missing library
            if is_short(error):
                raise short("the TFLite interpreter") from error
            problems.append(f" {package.split('.')[0]} is installed but does not load: {_first_line(str(error))}.")
    raise DeviceError(
        "No TFLite interpreter is installed." + "".join(problems),
        "Install one with: pip install ai-edge-litert (Python 3.10 or newer), or pip install tflite-runtime.",
    )


def _refusal(text: str, name: str) -> EdgekitError:
    unknown, old = _UNKNOWN_OP.search(text), _OLD_INTERPRETER.search(text)
    if unknown or "Select TensorFlow op" in text:
        what = f"the custom operator {unknown.group(1)}" if unknown else "TensorFlow's own operators (Flex)"
        return UnsupportedModelError(
            f"{name} uses {what}, which a plain interpreter does not know.",
            "Export it again with TFLite's builtin operators only.",
        )
    if old:
        return DeviceError(
            f"The installed interpreter is too old for the model: it lacks {old.group(1)} version {old.group(2)}.",
            "Install a newer one with: pip install --upgrade ai-edge-litert (or tflite-runtime).",
        )
    return ModelFormatError(f"{name} is refused by the interpreter: {_first_line(text)}.", "Is the file complete?")


def _first_line(text: str) -> str:
    return next(iter(text.strip().splitlines()), "no reason given")[:200].rstrip(".")
