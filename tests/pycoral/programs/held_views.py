"""Keeps views of tensors from one run to the next, as pycoral allows: its functions run the model natively."""

import ctypes
import sys

import numpy as np
from pycoral.adapters import common, segment
from pycoral.utils import edgetpu

interpreter = edgetpu.make_interpreter(sys.argv[1])
interpreter.allocate_tensors()
image = np.arange(8 * 8 * 3, dtype=np.uint8)
held, view, answers = common.input_tensor(interpreter), common.output_tensor(interpreter, 0), []
for run in (
    lambda: edgetpu.run_inference(interpreter, image),
    lambda: edgetpu.run_inference(interpreter, image.tobytes()),
    lambda: edgetpu.run_inference(interpreter, (image.ctypes.data_as(ctypes.c_void_p), image.size)),
    lambda: edgetpu.invoke_with_bytes(interpreter._native_handle(), image.tobytes()),
    lambda: edgetpu.invoke_with_membuffer(interpreter._native_handle(), image.ctypes.data, image.size),
):
    view.fill(0)
    run()
    answers.append(view.tolist())
    mask = segment.get_output(interpreter)
assert held.flatten().tolist() == image.tolist() and all(answer == answers[0] for answer in answers)
print(answers[0])
try:
    interpreter.invoke()
except RuntimeError as error:
    print("at least 1 reference" in str(error))
