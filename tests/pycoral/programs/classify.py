"""Written for pycoral: names what is in an image."""

import argparse
import time

import numpy as np
from PIL import Image
from pycoral.adapters import classify, common
from pycoral.utils.dataset import read_label_file
from pycoral.utils.edgetpu import make_interpreter


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--input", required=True)
    parser.add_argument("--labels")
    parser.add_argument("--top", type=int, default=1)
    arguments = parser.parse_args()
    labels = read_label_file(arguments.labels) if arguments.labels else {}

    interpreter = make_interpreter(*arguments.model.split("@"))
    interpreter.allocate_tensors()
    if common.input_details(interpreter, "dtype") != np.uint8:
        raise ValueError("Only support uint8 input type.")
    image = Image.open(arguments.input).convert("RGB").resize(common.input_size(interpreter), Image.ANTIALIAS)
    common.set_input(interpreter, image)
    start = time.perf_counter()
    interpreter.invoke()
    assert time.perf_counter() > start
    for found in classify.get_classes(interpreter, arguments.top, 0.0):
        print(f"{labels.get(found.id, found.id)}: {found.score:.5f}")


if __name__ == "__main__":
    main()
