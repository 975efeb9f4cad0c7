"""Loads a delegate of its own beside the Edge TPU's, as the pose estimation projects do."""

import sys

from tflite_runtime.interpreter import Interpreter, load_delegate

own = load_delegate(sys.argv[2])
for delegates in ([load_delegate("libedgetpu.so.1"), own], [own, load_delegate("libedgetpu.so.1")]):
    interpreter = Interpreter(sys.argv[1], experimental_delegates=delegates)
    interpreter.allocate_tensors()
    interpreter.invoke()
    print(own in interpreter._delegates)
