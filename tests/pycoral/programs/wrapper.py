"""A class around the interpreter, one derived from it, annotations, newer keywords, a context manager."""

import contextlib
import sys
from typing import Iterator, Optional

import numpy as np
from tflite_runtime.interpreter import Interpreter, OpResolverType, load_delegate


class Timed(Interpreter):
    def __init__(self, path, **options):
        super().__init__(path, experimental_delegates=[load_delegate("libedgetpu.so.1")], **options)
        self.runs = 0

    def invoke(self):
        self.runs += 1
        return super().invoke()


class Model:
    interpreter: Optional[Interpreter] = None

    def __init__(self, interpreter: Interpreter) -> None:
        if not isinstance(interpreter, Interpreter):
            raise TypeError("no interpreter")
        self.interpreter = interpreter
        self.interpreter.allocate_tensors()

    def __call__(self, value: int) -> np.ndarray:
        details = self.interpreter.get_input_details()[0]
        self.interpreter.set_tensor(details["index"], np.full(details["shape"], value, details["dtype"]))
        self.interpreter.invoke()
        return self.interpreter.get_tensor(self.interpreter.get_output_details()[0]["index"])


@contextlib.contextmanager
def opened(path: str) -> Iterator[Model]:
    timed = Timed(
        path,
        num_threads=2,
        experimental_op_resolver_type=OpResolverType.AUTO,
        experimental_preserve_all_tensors=False,
        experimental_disable_delegate_clustering=False,
    )
    try:
        yield Model(timed)
    finally:
        print(timed.runs, type(timed).__name__, isinstance(timed, Interpreter))


with opened(sys.argv[1]) as model:
    assert np.array_equal(model(7), model(7))
try:
    Interpreter(sys.argv[1], no_such_option=1)
except TypeError:
    print("no such option")
