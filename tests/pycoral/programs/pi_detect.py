"""Written as the detection scripts for a Raspberry Pi that are copied most: which runtime is there is asked first."""

import importlib.util
import os
import sys

import numpy as np

pkg = importlib.util.find_spec("tflite_runtime")
if pkg:
    from tflite_runtime.interpreter import Interpreter, load_delegate
else:
    from tensorflow.lite.python.interpreter import Interpreter, load_delegate

folder, name = os.path.split(sys.argv[1])
interpreter = Interpreter(
    model_path=os.path.join(folder, name), experimental_delegates=[load_delegate("libedgetpu.so.1.0")]
)
interpreter.allocate_tensors()
input_details, output_details = interpreter.get_input_details(), interpreter.get_output_details()
height, width = input_details[0]["shape"][1:3]
floating_model = input_details[0]["dtype"] == np.float32
interpreter.set_tensor(input_details[0]["index"], np.full((1, height, width, 3), 9, np.uint8))
interpreter.invoke()
print(floating_model, np.squeeze(interpreter.get_tensor(output_details[0]["index"])).tolist())
