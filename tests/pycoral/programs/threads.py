"""One interpreter in each of several threads, and one that they share behind a lock."""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from pycoral.adapters import classify, common
from pycoral.utils.edgetpu import make_interpreter

lock, shared = threading.Lock(), make_interpreter(sys.argv[1])
shared.allocate_tensors()


def best(interpreter, value):
    common.set_input(interpreter, np.full((8, 8, 3), (value, 0, 255 - value), np.uint8))
    interpreter.invoke()
    return classify.get_classes(interpreter, top_k=1)[0].id


def work(value):
    own = make_interpreter(sys.argv[1])
    own.allocate_tensors()
    with lock:
        return best(own, value), best(shared, value)


with ThreadPoolExecutor(4) as pool:
    answers = list(pool.map(work, range(0, 256, 32)))
print(all(first == second for first, second in answers), sorted({first for first, _ in answers}))
