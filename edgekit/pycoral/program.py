"""Running a program as python itself would: a file, a module (-m) or a command (-c)."""

import os
import runpy
import sys
from importlib import import_module
from importlib.machinery import SourceFileLoader
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Container, Iterator, List, Optional, Type

from edgekit.errors import EdgekitError
from edgekit.pycoral.names import provide_names
from edgekit.terminal import printable

_USAGE = """usage: python -m edgekit.pycoral PROGRAM [ARGUMENT ...]
       python -m edgekit.pycoral -m MODULE [ARGUMENT ...]
       python -m edgekit.pycoral -c COMMAND [ARGUMENT ...]

Runs a Python program that imports pycoral or tflite_runtime, with or without an Edge TPU and without
either package installed. Where no Edge TPU is attached, the CPU twin x.tflite of a model x_edgetpu.tflite
serves. EDGEKIT_DEVICE=cpu or =emulated takes the place of the device that the program asks for.
"""

#: Packages whose modules look them up by name while they run: they stay what they are.
_KEPT = ("PIL", "ai_edge_litert", "edgekit", "numpy", "pycoral", "tflite_runtime")
#: Modules that the library imports late, and that import others by name.
_LATE = ("ai_edge_litert.schema_py_generated", "ai_edge_litert.tools.flatbuffer_utils", "tflite", "tflite.Model")


def run(arguments: List[str], loaded: Container[str]) -> None:
    """Runs a program; like python itself, ends with its exit code, or with its traceback and 1.

    Args:
      arguments: what stands behind `python -m edgekit.pycoral`.
      loaded: the modules that every Python program finds loaded.
    """
    if not arguments or arguments[0] in ("-h", "--help") or arguments in (["-m"], ["-c"]):
        asked = bool(arguments) and arguments[0] in ("-h", "--help")
        print(printable(_USAGE), end="", file=sys.stdout if asked else sys.stderr)
        sys.exit(0 if asked else 2)
    try:
        provide_names()
    except EdgekitError as error:
        sys.exit(f"edgekit: {error}")
    sys.excepthook = _without_own_frames
    kinds = {"-m": _run_module, "-c": _run_command}
    if arguments[0] in kinds:
        kinds[arguments[0]](arguments[1:], loaded)
    else:
        _run_file(arguments, loaded)


def _run_file(arguments: List[str], loaded: Container[str]) -> None:
    program = os.path.abspath(arguments[0])
    loader = SourceFileLoader("__main__", program)
    try:
        source = loader.get_data(program)
    except OSError as error:
        print(printable(f"edgekit: can't open file '{program}': {error.strerror}"), file=sys.stderr)
        sys.exit(2)
    sys.argv = arguments
    _put_first(os.path.dirname(os.path.realpath(program)), loaded)
    module = sys.modules["__main__"] = _main_module(__file__=program, __loader__=loader)
    exec(loader.source_to_code(source, program), module.__dict__)


def _run_command(arguments: List[str], loaded: Container[str]) -> None:
    sys.argv = ["-c", *arguments[1:]]
    _put_first("", loaded)
    module = sys.modules["__main__"] = _main_module()
    exec(compile(arguments[0], "<string>", "exec"), module.__dict__)


def _run_module(arguments: List[str], loaded: Container[str]) -> None:
    name = arguments[0]
    sys.argv = arguments
    _put_first(os.getcwd(), loaded)
    try:
        found = find_spec(name)
    except (ImportError, ValueError):
        found = None
    if found is None:
        sys.exit(f"{sys.executable}: No module named {name}")
    runpy.run_module(name, run_name="__main__", alter_sys=True)


def _main_module(**names: object) -> ModuleType:
    module = ModuleType("__main__")
    module.__dict__.update(__spec__=None, __builtins__=__builtins__, **names)
    return module


def _put_first(folder: str, loaded: Container[str]) -> None:
    """Puts the program's folder on the path, as python does, when all that the library needs is loaded.

    What is in that folder is the program's: where it has a module of the same name as one that the library has
    loaded, such as tflite.py, the program finds its own. The library holds what it has, submodules included.
    """
    if getattr(sys.flags, "safe_path", False):
        return
    names = [name for name in _modules_in(Path(folder or os.curdir)) if name not in _KEPT and name not in loaded]
    if names:
        _load_late_modules()
    for name in names:
        sys.modules.pop(name, None)
    sys.path.insert(0, folder)


def _modules_in(folder: Path) -> Iterator[str]:
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return
    for entry in entries:
        if entry.suffix == ".py" or (entry / "__init__.py").is_file():
            yield entry.stem


def _load_late_modules() -> None:
    for name in _LATE:
        try:
            import_module(name)
        except ImportError:  # the workstation's, which a board has not
            continue


def _without_own_frames(kind: Type[BaseException], error: BaseException, trace: Optional[TracebackType]) -> None:
    """The usual traceback, less what stands above the program in it."""
    above = (os.path.dirname(__file__), runpy.__file__, "<frozen runpy>", "<frozen importlib")
    own = trace
    while own is not None and own.tb_frame.f_code.co_filename.startswith(above):
        own = own.tb_next
    sys.__excepthook__(kind, error.with_traceback(own), own)
