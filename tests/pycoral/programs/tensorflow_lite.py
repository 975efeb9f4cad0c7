"""Written for TensorFlow's own interpreter."""

import sys

import numpy as np
import tensorflow as tf

delegate = tf.lite.experimental.load_delegate("libedgetpu.so.1", options={"device": "usb"})
interpreter = tf.lite.Interpreter(model_path=sys.argv[1], experimental_delegates=[delegate])
assert isinstance(interpreter, tf.lite.Interpreter)
interpreter.allocate_tensors()
details = interpreter.get_input_details()[0]
interpreter.set_tensor(details["index"], np.full(details["shape"], 7, details["dtype"]))
interpreter.invoke()
print(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]).tolist())
