"""The names of Coral's pycoral 2.0, for programs that were written for it, with or without an Edge TPU.

    python -m edgekit.pycoral program.py arguments...     # the program imports pycoral, unchanged
    from edgekit.pycoral.utils.edgetpu import make_interpreter     # or change its imports

Signatures, results and error types are pycoral's own: what it reports as ValueError or RuntimeError is
one here too, not an EdgekitError. Where no Edge TPU is attached, the CPU twin of a compiled model
(`x.tflite` beside `x_edgetpu.tflite`) serves, and says so once on standard error.

pycoral is Coral's library under the Apache License 2.0 (https://coral.ai/docs/reference/py); nothing
of it is needed or contained here.
"""

#: The version of pycoral whose names these are.
__version__ = "2.0.0"
