"""edgekit: from a trained Keras image classifier to the Edge TPU, phones and plain CPUs.

The public names are resolved on first use, so that importing the package loads neither
TensorFlow nor an interpreter: the device side of edgekit must start quickly on a small board.
"""

from importlib import import_module
from typing import List

from edgekit.version import __version__  # noqa: F401, for users

_PUBLIC = {
    "Classifier": "edgekit.devices",
    "EdgekitError": "edgekit.errors",
    "InputSpec": "edgekit.preprocess",
    "Prediction": "edgekit.devices",
    "Samples": "edgekit.calibration",
    "convert": "edgekit.converters",
    "load_source": "edgekit.converters",
    "read_graph": "edgekit.tflite",
    "read_metadata": "edgekit.tflite",
}

__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> object:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'edgekit' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> List[str]:
    return sorted([*globals(), *_PUBLIC])
