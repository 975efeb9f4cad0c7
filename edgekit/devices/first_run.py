"""The child process of `admission.admit`: python -I first_run.py PACKAGE FOLDERS SHAPE, the model on standard input.

Opens the model and invokes it twice, and writes a marked line for each stage it reaches, so that what came before a
crash is known. Imports nothing of edgekit: it is to start quickly, and to do nothing but run a stranger's model.
"""

import contextlib
import json
import sys
from importlib import import_module
from typing import TYPE_CHECKING, List

if TYPE_CHECKING:
    from edgekit.devices.interpreter import Interpreter

MARK = "edgekit-first-run: "

# Address space beyond what the interpreter's package and the model's bytes take: TensorFlow's alone is gigabytes.
# The largest EfficientNet in float32 stays below a quarter of it.
_MEMORY_BYTES = 4 << 30


def main(arguments: List[str]) -> None:
    """Goes through the stages; an exception of the interpreter's is said, and is the end."""
    package, folders, shape = arguments
    sys.path += json.loads(folders)  # behind its own: no file beside a program takes the name of another module
    make = import_module(package).Interpreter
    content = sys.stdin.buffer.read()
    _bound_memory(_MEMORY_BYTES + 2 * len(content))
    _say("started")
    try:
        interpreter = make(model_content=content, num_threads=2)
        interpreter.allocate_tensors()
        _say("allocated")
        _run(interpreter)
        if json.loads(shape):
            index = interpreter.get_input_details()[0]["index"]
            interpreter.resize_tensor_input(index, json.loads(shape), strict=True)
            interpreter.allocate_tensors()
            _run(interpreter)
        _say("ran")
    except (ValueError, RuntimeError, MemoryError) as error:
        _say("refused " + json.dumps("" if isinstance(error, MemoryError) else str(error)))


def _bound_memory(size: int) -> None:
    """At most so many more bytes of address space, and the first to go where the machine runs out of memory."""
    with contextlib.suppress(ImportError, ValueError, OSError):  # Windows has no such bound, macOS does not keep it
        import resource

        with open("/proc/self/statm") as stream:
            size += int(stream.read().split()[0]) * resource.getpagesize()
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        if hard == resource.RLIM_INFINITY or hard > size:
            resource.setrlimit(resource.RLIMIT_AS, (size, hard))
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as stream:
        stream.write("1000")


def _run(interpreter: "Interpreter") -> None:
    """Runs on zeros, and on numbers of the size of pixels: what a kernel does may depend on what it reads.

    Raises what the interpreter does where it fails on both: some models take no zeros, or small numbers only.
    """
    failures = []
    for highest in (1, 256):
        try:
            _invoke(interpreter, highest)
        except (ValueError, RuntimeError) as error:
            failures.append(error)
    if len(failures) == 2:
        raise failures[0]


def _invoke(interpreter: "Interpreter", highest: int) -> None:
    import numpy as np

    random = np.random.RandomState(0)
    for given in interpreter.get_input_details():
        if given["dtype"] not in (np.object_, np.bytes_, np.str_):
            values = random.randint(0, highest, given["shape"]).astype(given["dtype"])
            interpreter.set_tensor(given["index"], values)
    interpreter.invoke()


def _say(text: str) -> None:
    sys.stdout.write("\n" + MARK + text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
