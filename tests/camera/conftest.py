import numpy as np
import pytest

from edgekit.camera import Frame, Sighting
from edgekit.devices import ClassScore, Latency, Prediction


@pytest.fixture
def sighting():
    """Makes a sighting from labels and scores."""

    def make(number=0, **scores):
        classes = tuple(ClassScore(index, label, score) for index, (label, score) in enumerate(scores.items()))
        prediction = Prediction(classes, "cpu", "it was requested", Latency(1.0, 2.0, 0.5))
        pixels = np.zeros((48, 64, 3), np.uint8)
        return Sighting(Frame(number, f"camera 0 #{number}", pixels), prediction, classes, 25.0)

    return make
