"""Running a model: the interpreter, the classifier, its answers. Loads no TensorFlow."""

from edgekit.devices.classifier import Classifier
from edgekit.devices.emulator.emulated import EmulatedEdgeTpu
from edgekit.devices.opening import OpenModel, open_model
from edgekit.devices.prediction import ClassScore, Latency, Prediction

__all__ = ["ClassScore", "Classifier", "EmulatedEdgeTpu", "Latency", "OpenModel", "Prediction", "open_model"]
