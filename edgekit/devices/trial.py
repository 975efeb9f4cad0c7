"""The child process of `delegate.try_library`: python -m edgekit.devices.trial LIBRARY DEVICE MODEL.

Writes a marked JSON object for each stage it reaches, so that what came before a crash is known.
"""

import ctypes
import json
import sys
from typing import List

import numpy as np

from edgekit.devices.delegate import TRIAL_MARK
from edgekit.devices.interpreter import interpreter_package, open_interpreter
from edgekit.errors import EdgekitError
from edgekit.tflite.reader import read_graph


def main(arguments: List[str]) -> None:
    """Goes through the stages until one fails."""
    library, device, model = arguments
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
    sys.stdout.write(f"\n{TRIAL_MARK}{json.dumps(facts)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
