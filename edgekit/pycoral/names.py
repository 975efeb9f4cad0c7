"""The names that programs import: pycoral, tflite_runtime and today's runtimes, served by edgekit in this process."""

import sys
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from types import ModuleType
from typing import Iterator, Mapping, Optional, Sequence

from PIL import Image

from edgekit.devices.interpreter import interpreter_package

if sys.version_info >= (3, 8):
    from importlib import metadata  # novm

_PACKAGES = ("utils", "adapters", "pipeline", "learn", "learn.imprinting", "learn.backprop", "pybind")
_MODULES = (
    *("utils.edgetpu", "utils.dataset", "pybind._pywrap_coral"),
    *("adapters.common", "adapters.classify", "adapters.detect", "adapters.segment"),
    *("pipeline.pipelined_model_runner", "learn.imprinting.engine", "learn.backprop.softmax_regression"),
)

#: Runtime → the version that it tells where it is not installed: for tflite_runtime its last release.
_RUNTIMES: Mapping[str, str] = {"tflite_runtime": "2.14.0", "ai_edge_litert": "2.1.0"}

#: Distribution → version, as `importlib.metadata` answers where it is not installed.
_DISTRIBUTIONS: Mapping[str, str] = {"pycoral": "2.0.0", "tflite-runtime": _RUNTIMES["tflite_runtime"]}

_TENSORFLOW = "tensorflow.lite.python.interpreter"


def provide_names() -> None:
    """From now on in this process, pycoral and the runtimes that programs import are edgekit's.

    Raises:
      DeviceError: no interpreter is installed.
    """
    # The interpreter itself may be one of those names: it is found before they are taken.
    interpreter_package()
    sys.modules["pycoral"] = import_module("edgekit.pycoral")
    for name in _PACKAGES + _MODULES:
        sys.modules[f"pycoral.{name}"] = import_module(f"edgekit.pycoral.{name}")
    served = import_module("edgekit.pycoral.interpreter")
    for name, version in _RUNTIMES.items():
        package = sys.modules[name] = _package(name, version, str(served.__file__))
        vars(package)["interpreter"] = sys.modules[f"{name}.interpreter"] = served
    if _TENSORFLOW in sys.modules:
        _serve(sys.modules[_TENSORFLOW])
    sys.meta_path.insert(0, _Finder())
    # Coral's own examples use the name that Pillow 10 took away.
    vars(Image).setdefault("ANTIALIAS", vars(Image)["LANCZOS"])


def _package(name: str, version: str, file: str) -> ModuleType:
    """The installed package; where there is none, one with nothing but a version in it."""
    if find_spec(name) is not None:
        return import_module(name)
    spec = ModuleSpec(name, None, origin=file, is_package=True)
    package = module_from_spec(spec)
    vars(package).update(__file__=file, __version__=version)
    return package


def _serve(module: ModuleType) -> None:
    """Puts edgekit's names into a runtime's own module."""
    served = import_module("edgekit.pycoral.interpreter")
    vars(module).update(Interpreter=served.interpreter_class(module.Interpreter), load_delegate=served.load_delegate)


class _ServedLoader(SourceFileLoader):
    """Loads TensorFlow's module of the interpreter, where a program imports it."""

    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        _serve(module)


class _Finder(MetaPathFinder):
    """Serves TensorFlow's interpreter when it is imported, not before: that takes seconds."""

    def find_spec(
        self, fullname: str, path: Optional[Sequence[str]], target: Optional[ModuleType] = None
    ) -> Optional[ModuleSpec]:
        if fullname != _TENSORFLOW:
            return None
        spec = PathFinder.find_spec(fullname, path)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _ServedLoader(spec.loader.name, spec.loader.path)
        return spec

    def find_distributions(self, context: "metadata.DistributionFinder.Context") -> "Iterator[metadata.Distribution]":
        """What `importlib.metadata` asks: pycoral's version, for programs that print or compare it."""
        asked = (context.name or "").lower().replace("_", "-")
        if asked in _DISTRIBUTIONS:
            yield _Distribution(asked, _DISTRIBUTIONS[asked])


if sys.version_info >= (3, 8):

    class _Distribution(metadata.Distribution):
        def __init__(self, name: str, version: str) -> None:
            self._text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"

        def read_text(self, filename: str) -> Optional[str]:
            return self._text if filename == "METADATA" else None

        def locate_file(self, path: object) -> Path:
            raise FileNotFoundError(path)
