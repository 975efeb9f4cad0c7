"""classify(): files and folders, each answered on its own."""

import os

import numpy as np
import pytest
from PIL import Image

from edgekit.devices.classifier import Classifier
from edgekit.devices.classifying import classify, image_files
from edgekit.errors import UsageError
from edgekit.preprocess import InputSpec
from edgekit.tflite.metadata import Metadata, write_metadata
from tests.support.build import GraphBuilder


def seven_classes():
    """A classifier whose scores rise from class to class, whatever it sees."""
    graph = GraphBuilder()
    x = graph.input((1, 2, 2, 3), "float32")
    w = graph.constant(np.zeros((7, 12), np.float32))
    b = graph.constant(np.arange(7, dtype=np.float32), name="bias")
    y = graph.op("FULLY_CONNECTED", [x, w, b], (1, 7), options={})
    content = graph.finish([graph.op("SOFTMAX", [y], (1, 7), options={"beta": 1.0})])
    return write_metadata(content, Metadata(labels=tuple("abcdefg"), input=InputSpec(2, 2)))


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "seven.tflite"
    path.write_bytes(seven_classes())
    return path


@pytest.fixture
def image(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "image.png")
    return str(tmp_path / "image.png")


@pytest.mark.parametrize(("k", "named"), [({}, "gfedc"), ({"k": 1}, "g"), ({"k": 6}, "gfedcb")])
def test_five_classes_are_named_unless_it_is_said(model, image, k, named):
    (answer,) = classify(model, [image], **k)
    assert [best.label for best in answer.prediction.classes] == list(named)


def test_a_broken_file_is_told_and_the_next_one_answered(model, image, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no image")
    first, second = classify(Classifier(str(model)), [str(tmp_path / "broken.png"), image], k=1)
    assert first.prediction is None and "broken.png" in first.error.message
    assert second.error is None and second.prediction.classes[0].label == "g"


def test_a_folder_stands_for_the_image_files_in_it_and_below(tmp_path):
    (tmp_path / "deep" / "folder.png").mkdir(parents=True)
    for name in ("b.png", "A.JPG", "deep/c.webp", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "empty").mkdir()
    found = image_files([str(tmp_path), "any name"])
    assert found == [str(tmp_path / name) for name in ("A.JPG", "b.png", "deep/c.webp")] + ["any name"]
    with pytest.raises(UsageError, match="no images in the folder"):
        image_files([str(tmp_path / "empty")])


def test_a_folder_that_goes_while_images_are_looked_for_ends_nothing(tmp_path, monkeypatch):
    """As those of processes below /proc do."""
    (tmp_path / "gone").mkdir()
    (tmp_path / "b.png").touch()
    scandir = os.scandir

    def going(path):
        if os.path.basename(path) == "gone":
            raise FileNotFoundError(2, "No such file or directory", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", going)
    assert image_files([str(tmp_path)]) == [str(tmp_path / "b.png")]
