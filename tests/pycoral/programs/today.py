"""Written for today's runtime, with the older one as the second choice."""

import sys

import numpy as np

try:
    import ai_edge_litert.interpreter as runtime
    from ai_edge_litert.interpreter import Interpreter, load_delegate
except ImportError:
    import tflite_runtime.interpreter as runtime
    from tflite_runtime.interpreter import Interpreter, load_delegate

interpreter = Interpreter(model_path=sys.argv[1], experimental_delegates=[load_delegate("libedgetpu.so.1")])
assert runtime.Interpreter is Interpreter
interpreter.allocate_tensors()
details = interpreter.get_input_details()[0]
interpreter.set_tensor(details["index"], np.full(details["shape"], 7, details["dtype"]))
interpreter.invoke()
print(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]).tolist())
