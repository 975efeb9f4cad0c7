"""libedgetpu tried in a child process: a library built for another TFLite does not raise, it ends the process.

The child calls `main` with library, device and model as its arguments. It writes a marked JSON object for each stage
that it reaches, so that what came before a crash is known.
"""

import ctypes
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from functools import lru_cache
from typing import Dict, Optional

import numpy as np

from edgekit.devices.delegate import check_file
from edgekit.devices.interpreter import interpreter_package, open_interpreter
from edgekit.devices.library import library_name
from edgekit.errors import DeviceError, EdgekitError
from edgekit.tflite.reader import read_graph

#: What a trial does, in order: each name is the last thing that succeeded.
STAGES = ("nothing", "library", "device", "model")

# Not `-m`: the package around this module imports it, and Python warns of a module that runs twice.
_PROGRAM = f"from {__name__} import main; main()"

# What the child writes before each of its messages: the library may print too.
_MARK = "edgekit-trial: "

_PATIENCE_S = 60
_RUNTIME = re.compile(r"RuntimeVersion\((\d+)\)")


@dataclass(frozen=True)
class Trial:
    """How far a child process came with the library.

    Attributes:
      stage: one of `STAGES`: the library loaded, a device opened, the model ran.
      error: what stopped it, in the library's words; "" where nothing did.
      crashed: whether it took the process with it, or never came back.
      runtime: the library's runtime version, or None where it could not be asked.
    """

    stage: str
    error: str = ""
    crashed: bool = False
    runtime: Optional[int] = None


def try_library(device: str = "", model: Optional[str] = None) -> Trial:
    """Loads the library, opens a device and runs a model once with zeros, all in a child process.

    Each trial is made once in a process.
    """
    return _trial(library_name(), device, model)


def check_library(device: str, model: Optional[str]) -> None:
    """Raises DeviceError where the library would crash this process or hang it, or its file is missing or damaged."""
    check_file()
    trial = try_library(device, model)
    if trial.crashed:
        done = {"nothing": "loading it", "library": "opening a device", "device": "running a model"}[trial.stage]
        raise DeviceError(
            f"{library_name()} crashes at {done} ({trial.error}).",
            "It was built for another TFLite than the installed interpreter: run `edgekit doctor`.",
        )


@lru_cache(maxsize=None)
def _trial(library: str, device: str, model: Optional[str]) -> Trial:
    command = [sys.executable, "-c", _PROGRAM, library, device, model or ""]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=_PATIENCE_S, env=environment
        )
    except subprocess.TimeoutExpired as error:
        return _verdict(error.stdout or b"", f"no answer within {_PATIENCE_S} seconds")
    return _verdict(done.stdout, _ending(done.returncode))


def _verdict(output: bytes, ending: str) -> Trial:
    """What the child said, one JSON object a line; `ending` is "" where it ended by itself."""
    said: Dict[str, str] = {}
    for line in output.decode("utf-8", "replace").splitlines():
        if line.startswith(_MARK):
            said.update(json.loads(line[len(_MARK) :]))
    version = _RUNTIME.search(said.get("version", ""))
    return Trial(
        stage=said.get("stage", "nothing"),
        error=said.get("error", "") or ending,
        crashed=bool(ending),
        runtime=int(version.group(1)) if version else None,
    )


def _ending(code: int) -> str:
    if code < 0:
        return f"signal {-code}"
    return f"exit code {code}" if code else ""


def main() -> None:
    """Goes through the stages until one fails, in the child."""
    library, device, model = sys.argv[1:]
    try:
        _say(stage="library", version=_version(ctypes.CDLL(library)))
        delegate = interpreter_package().load_delegate(library, {"device": device} if device else {})
        _say(stage="device")
        if model:
            _run(model, delegate)
            _say(stage="model")
    except (OSError, ValueError, RuntimeError, AttributeError, EdgekitError) as error:
        _say(error=(str(error).strip() or type(error).__name__).splitlines()[-1][:300])


def _version(library: ctypes.CDLL) -> str:
    if not hasattr(library, "edgetpu_version"):
        return ""
    library.edgetpu_version.restype = ctypes.c_char_p
    return (library.edgetpu_version() or b"").decode("utf-8", "replace")


def _run(model: str, delegate: object) -> None:
    graph = read_graph(model)
    interpreter = open_interpreter(graph.content, delegates=[delegate])
    for index in graph.inputs:
        tensor = graph.tensors[index]
        interpreter.set_tensor(index, np.zeros(tensor.shape, tensor.dtype))
    interpreter.invoke()


def _say(**facts: str) -> None:
    sys.stdout.write(f"\n{_MARK}{json.dumps(facts)}\n")
    sys.stdout.flush()
