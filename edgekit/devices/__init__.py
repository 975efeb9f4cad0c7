"""Running a model on a device. Loads no TensorFlow.

interpreter: TFLite's, typed. admission, first_run: strangers' files, tried in a child process. request: device strings.
discovery, profiles: what is attached, and to which computer. library, delegate, trial: libedgetpu opened, tried in a
child process. twin: the CPU twin. opening: a model on one device. failover: a model that survives it. tensors,
prediction, classifier: from an image to class names. benchmarking/, emulator/ and doctor/ say what is in them.
"""

from edgekit.devices.classifier import Classifier
from edgekit.devices.emulator.emulated import EmulatedEdgeTpu
from edgekit.devices.opening import OpenModel, open_model
from edgekit.devices.prediction import ClassScore, Latency, Prediction

__all__ = ["ClassScore", "Classifier", "EmulatedEdgeTpu", "Latency", "OpenModel", "Prediction", "open_model"]
