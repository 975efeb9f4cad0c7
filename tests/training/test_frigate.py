"""The folder that Frigate loads, run as Frigate runs it."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from edgekit.cli import main
from edgekit.devices.interpreter import open_interpreter
from tests.support.float_nets import COLOURS, bottleneck_net


@pytest.fixture(scope="module")
def folder(tmp_path_factory, colours):
    place = tmp_path_factory.mktemp("frigate")
    (place / "base.tflite").write_bytes(bottleneck_net(size=224))
    arguments = [colours, "--for", "frigate", "-o", place / "bins", "--base", place / "base.tflite", "--json"]
    result = CliRunner().invoke(main, ["train", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["model"] == str(place / "bins" / "model.tflite") and told["top1_int8"] == 1.0
    return place / "bins"


def test_the_folder_holds_what_frigate_looks_for(folder):
    assert {path.name for path in folder.iterdir()} == {"model.tflite", "model.json", "labelmap.txt"}
    assert (folder / "labelmap.txt").read_text().splitlines() == sorted(COLOURS)


def test_bytes_of_an_image_are_named_by_the_label_map(folder):
    interpreter = open_interpreter((folder / "model.tflite").read_bytes())
    (into,), (out,) = interpreter.get_input_details(), interpreter.get_output_details()
    assert (into["dtype"], tuple(into["shape"])) == (np.uint8, (1, 224, 224, 3))
    assert (out["dtype"], tuple(out["shape"])) == (np.uint8, (1, 3))
    names = (folder / "labelmap.txt").read_text().splitlines()
    for name, colour in COLOURS.items():
        interpreter.set_tensor(into["index"], np.full((1, 224, 224, 3), colour, np.uint8))
        interpreter.invoke()
        assert names[int(np.argmax(interpreter.get_tensor(out["index"])[0]))] == name


def test_images_are_resized_as_frigate_does(folder):
    assert json.loads((folder / "model.json").read_text())["input"]["interpolation"] == "bilinear"


def test_a_base_of_another_size_is_refused(base, colours, tmp_path):
    arguments = [colours, "--for", "frigate", "-o", tmp_path / "bins", "--base", base]
    result = CliRunner().invoke(main, ["train", *map(str, arguments)])
    assert result.exit_code == 2 and "takes 16×16 pixels, not 224×224" in result.stderr
    assert not (tmp_path / "bins").exists()


def test_a_folder_that_cannot_be_made_is_refused_before_the_work(colours, tmp_path):
    arguments = ["train", str(colours), "--for", "frigate", "-o", str(tmp_path / "nowhere" / "bins"), "--base", "none"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2 and "nowhere" in result.stderr
