"""Asks of the modules what programs ask of installed ones."""

import importlib
import importlib.util
from importlib import metadata

import pycoral
import pycoral.pybind._pywrap_coral as native
import tflite_runtime
import tflite_runtime.interpreter as tflite

for name in ("pycoral", "pycoral.utils", "pycoral.utils.edgetpu", "pycoral.pybind._pywrap_coral"):
    assert importlib.util.find_spec(name) is not None and importlib.import_module(name).__name__, name
for name in ("tflite_runtime", "tflite_runtime.interpreter", "ai_edge_litert", "ai_edge_litert.interpreter"):
    assert importlib.util.find_spec(name) is not None and importlib.import_module(name).__spec__, name
assert importlib.util.find_spec("tflite_runtime.nothing") is None
assert tuple(map(int, tflite_runtime.__version__.split(".")[:2])) >= (2, 5) and pycoral.__version__ == "2.0.0"
assert metadata.version("pycoral") == "2.0.0" and metadata.version("tflite-runtime") == tflite_runtime.__version__
assert native.ListEdgeTpus is pycoral.utils.edgetpu.list_edge_tpus and native.GetRuntimeVersion()
assert isinstance(tflite.Interpreter, type) and isinstance(tflite.Delegate, type) and tflite.OpResolverType.AUTO
assert issubclass(tflite.InterpreterWithCustomOps, tflite.Interpreter)
try:
    metadata.version("no-such-distribution")
except metadata.PackageNotFoundError:
    print("whole")
