"""Stands beside modules whose names the library's packages have; imports its own."""

import sys

import click
import flatbuffers
import tflite
from pycoral.utils.edgetpu import make_interpreter

print(tflite.MINE, flatbuffers.MINE, click.MINE)
interpreter = make_interpreter(sys.argv[1])
interpreter.allocate_tensors()
interpreter.invoke()
from PIL import Image  # noqa: E402, after the library has worked

print(Image.new("RGB", (1, 1)).size)
