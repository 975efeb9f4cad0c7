"""What conversions print of themselves is true of the files that they made."""

import json
import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from edgekit.cli import main
from edgekit.devices.prediction import spoken
from edgekit.tflite import read_graph
from edgekit.tflite.quant import LIMITS
from tests.support.float_nets import colour_net, save_images

pytest.importorskip("litert_quantizer")
README = Path(__file__).parents[2] / "README.md"


def run(*arguments):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("honest")
    (folder / "m.tflite").write_bytes(colour_net())
    return folder / "m.tflite", save_images(folder / "train", each=30), folder


@pytest.mark.parametrize("io", ["uint8", "int8", "float"])
def test_every_op_int8_is_said_only_where_it_is_so(files, io, tmp_path):
    told = run("convert", files[0], "--data", files[1], "--io", io, "--no-verify", "-o", tmp_path / "q.tflite")
    graph = read_graph(tmp_path / "q.tflite")
    touched = [graph.tensors[index].dtype for op in graph.ops for index in (*op.inputs[:1], *op.outputs)]
    assert ("every op int8)" in told) == all(dtype in LIMITS for dtype in touched) == (io != "float")
    assert ("casts of its float input and output" in told) == (io == "float")


def test_compare_advises_nothing_that_the_files_record_shows_to_be_tried(files, tmp_path):
    model, images, _ = files
    for name, options in (("searched", []), ("plain", ["--ranges", "percentile", "--corrections", "none"])):
        run("convert", model, "--data", images, *options, "--no-verify", "-o", tmp_path / f"{name}.tflite")
        document = json.loads(run("compare", model, tmp_path / f"{name}.tflite", "--data", images, "--json"))
        advised = " ".join(layer["remedy"] for layer in document["layers"])
        assert document["layers"] and ("--corrections" in advised or "--ranges" in advised) == (name == "plain"), (
            advised
        )


@pytest.mark.parametrize(
    ("device", "told"),
    [("cpu", "CPU"), ("edgetpu", "Edge TPU"), ("usb:1", "Edge TPU usb:1"), ("emulated:usb3", "emulated Edge TPU")],
)
def test_devices_in_plain_words(device, told):
    assert spoken(device) == told


def sample():
    """README's command, and the rows that it shows."""
    block = re.search(r"```\n\$ (edgekit convert .*?)\n(.*?)```", README.read_text(encoding="utf-8"), re.S)
    return block[1], block[2]


def shape(text):
    """A printed text with its numbers, names and findings taken out."""
    text = re.sub(r"\S+_int8\.tflite", "FILE", text)
    return re.sub(r"\d+(\.\d+)?", "N", text)


def test_readmes_sample_has_the_rows_and_the_words_of_a_conversion(files, tmp_path, monkeypatch):
    monkeypatch.chdir(files[2])
    verify = save_images(tmp_path / "validation", each=20)
    printed = run("convert", files[0], "--data", files[1], "--samples", "50", "--verify-data", verify)
    told = {shape(line) for line in printed.splitlines()}
    missing = [line for line in sample()[1].splitlines() if shape(line) not in told]
    # Rows about the model itself: what it is, and which ops it has.
    own = ("Exported", "Preprocessing", "Calibrated", "Class names", "Edge TPU", " " * 14 + "--corrections", "Note")
    assert [line for line in missing if not line.startswith(own)] == []


@pytest.mark.shared
def test_readmes_sample_is_what_is_printed(shared, tmp_path, monkeypatch):
    """The command on the model and images that it shows: EfficientNet-B0 on five kinds of flowers."""
    shutil.copy(shared / "models/b0_flowers.h5", tmp_path / "b0.h5")
    for name in ("train", "validation"):
        shutil.copytree(shared / "flowers" / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    command, rows = sample()
    assert untimed(run(*command.split()[1:])) == untimed(rows)


def untimed(text):
    """The lines of a text, of the row about time the words alone."""
    return [shape(line) if line.startswith("Size, time") else line for line in text.splitlines()]
