"""Forgets allocate_tensors()."""

import sys

import numpy as np
from pycoral.utils import edgetpu

interpreter = edgetpu.make_interpreter(sys.argv[1])
image = np.zeros(8 * 8 * 3, np.uint8)
for run in (
    lambda: interpreter.invoke(),
    lambda: edgetpu.run_inference(interpreter, image),
    lambda: edgetpu.invoke_with_membuffer(interpreter._native_handle(), image.ctypes.data, image.size),
    lambda: edgetpu.invoke_with_dmabuffer(interpreter._native_handle(), 0, image.size),
):
    try:
        run()
    except RuntimeError as error:
        print(error)
