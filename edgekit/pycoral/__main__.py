"""python -m edgekit.pycoral PROGRAM ARGUMENTS...: runs a program that imports pycoral, as `python PROGRAM` would."""

import os
import sys
from importlib import import_module
from importlib.machinery import SourceFileLoader
from importlib.util import find_spec
from types import ModuleType, TracebackType
from typing import Any, List, Optional, Type

from PIL import Image

from edgekit.devices.interpreter import interpreter_package
from edgekit.errors import EdgekitError

_USAGE = """usage: python -m edgekit.pycoral PROGRAM [ARGUMENT ...]

Runs a Python program that imports pycoral or tflite_runtime, with or without an Edge TPU and without
either package installed. Where no Edge TPU is attached, the CPU twin x.tflite of a model x_edgetpu.tflite
serves. EDGEKIT_DEVICE=cpu or =emulated takes the place of the device that the program asks for.
"""

_PACKAGES = ("utils", "adapters", "pipeline", "learn", "learn.imprinting", "learn.backprop")
_MODULES = (
    *("utils.edgetpu", "utils.dataset"),
    *("adapters.common", "adapters.classify", "adapters.detect", "adapters.segment"),
    *("pipeline.pipelined_model_runner", "learn.imprinting.engine", "learn.backprop.softmax_regression"),
)


def provide_names() -> None:
    """From now on in this process, `import pycoral` and `import tflite_runtime.interpreter` find edgekit's.

    Raises:
      DeviceError: no interpreter is installed.
    """
    # The interpreter itself may be tflite_runtime's: it is found before its name is taken.
    interpreter_package()
    sys.modules["pycoral"] = import_module("edgekit.pycoral")
    for name in _PACKAGES + _MODULES:
        sys.modules[f"pycoral.{name}"] = import_module(f"edgekit.pycoral.{name}")
    runtime = import_module("tflite_runtime") if find_spec("tflite_runtime") else ModuleType("tflite_runtime")
    interpreter = import_module("edgekit.pycoral.interpreter")
    runtime.interpreter = interpreter  # type: ignore[attr-defined]
    sys.modules.update({"tflite_runtime": runtime, "tflite_runtime.interpreter": interpreter})
    # Coral's own examples use the name that Pillow 10 took away.
    vars(Image).setdefault("ANTIALIAS", Image.LANCZOS)  # type: ignore[attr-defined]


def main(arguments: List[str]) -> None:
    """Runs the program; like python itself, ends with its exit code, or with its traceback and 1."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_USAGE, end="", file=sys.stdout if arguments else sys.stderr)
        sys.exit(0 if arguments else 2)
    program = os.path.abspath(arguments[0])
    try:
        provide_names()
        loader = SourceFileLoader("__main__", program)
        source = loader.get_data(program)
    except EdgekitError as error:
        sys.exit(f"edgekit: {error}")
    except OSError as error:
        print(f"edgekit: can't open file {program!r}: {error.strerror}", file=sys.stderr)
        sys.exit(2)
    sys.argv = arguments
    sys.path[0] = os.path.dirname(os.path.realpath(program))
    sys.excepthook = _without_own_frames(program)
    module = sys.modules["__main__"] = _main_module(program, loader)
    exec(loader.source_to_code(source, program), module.__dict__)


def _main_module(program: str, loader: SourceFileLoader) -> ModuleType:
    module = ModuleType("__main__")
    module.__dict__.update(__file__=program, __loader__=loader, __spec__=None, __builtins__=__builtins__)
    return module


def _without_own_frames(program: str) -> Any:
    """The usual traceback, less what stands above the program in it."""

    def hook(kind: Type[BaseException], error: BaseException, trace: Optional[TracebackType]) -> None:
        inner = trace
        while inner is not None and inner.tb_frame.f_code.co_filename != program:
            inner = inner.tb_next
        # An error in the program's syntax has no frame of it.
        own = None if isinstance(error, SyntaxError) else trace
        sys.__excepthook__(kind, error.with_traceback(inner or own), inner or own)

    return hook


if __name__ == "__main__":
    main(sys.argv[1:])
