import numpy as np
import pytest
from PIL import Image

from edgekit.camera import Frame, Sighting
from edgekit.devices import ClassScore, Latency, Prediction
from edgekit.preprocess import InputSpec
from edgekit.tflite.metadata import Metadata, write_metadata
from tests.tflite.build import colour_classifier

COLOURS = {"red": (220, 10, 10), "green": (10, 220, 10), "blue": (10, 10, 220)}


def colour_model(labels=tuple(COLOURS)):
    return write_metadata(colour_classifier("uint8"), Metadata(labels=labels, input=InputSpec(8, 8)))


@pytest.fixture
def model_file(tmp_path):
    path = tmp_path / "colours.tflite"
    path.write_bytes(colour_model())
    return path


@pytest.fixture
def folder(tmp_path):
    """A red, a broken, a green and a blue picture."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name, colour in COLOURS.items():
        Image.new("RGB", (20, 10), colour).save(folder / f"{'rgb'.index(name[0])}{name}.png")
    (folder / "0zbroken.jpg").write_bytes(b"\xff\xd8\xff\xe0 not really")
    (folder / "notes.txt").write_text("no picture")
    return folder


@pytest.fixture
def sighting():
    """Makes a sighting from labels and scores."""

    def make(number=0, **scores):
        classes = tuple(ClassScore(index, label, score) for index, (label, score) in enumerate(scores.items()))
        prediction = Prediction(classes, "cpu", "it was asked for", Latency(1.0, 2.0, 0.5))
        pixels = np.zeros((48, 64, 3), np.uint8)
        return Sighting(Frame(number, f"camera 0 #{number}", pixels), prediction, classes, 25.0)

    return make
