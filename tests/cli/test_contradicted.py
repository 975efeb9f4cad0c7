"""A --preprocess that the model clearly contradicts is told by every command that sees it."""

import pytest
from click.testing import CliRunner

from edgekit.cli import main
from tests.support.float_nets import colour_net, save_images

pytest.importorskip("litert_quantizer")

SAYS = "--preprocess says caffe (BGR, mean subtracted), the model says"


def run(*arguments):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A float model that scales raw pixels itself, its int8 form, and images."""
    folder = tmp_path_factory.mktemp("contradicted")
    (folder / "m.tflite").write_bytes(colour_net())
    save_images(folder / "images", each=20)
    int8 = folder / "int8.tflite"
    told = run("convert", folder / "m.tflite", "--data", folder / "images", "--no-verify", "-o", int8)
    assert "Alarm" not in told
    return folder / "m.tflite", int8, folder / "images"


def test_convert(files, tmp_path):
    model, _, images = files
    told = run(
        "convert", model, "--data", images, "--preprocess", "caffe", "--no-verify", "-o", tmp_path / "other.tflite"
    )
    assert f"Alarm {SAYS} raw pixels 0..255 (the model scales pixels itself)" in told


def test_compare(files):
    assert SAYS in run("compare", *files[:2], "--data", files[2], "--preprocess", "caffe")
    assert "Alarm" not in run("compare", *files[:2], "--data", files[2], "--preprocess", "raw")


def test_evaluate(files):
    assert f"{SAYS} 0..1 (stated in its metadata)" in run(
        "evaluate", files[1], "--data", files[2], "--preprocess", "caffe"
    )
    assert "Alarm" not in run("evaluate", files[1], "--data", files[2], "--preprocess", "0..1")


def test_classify(files):
    image = next(files[2].glob("red/*.png"))
    assert f"{SAYS} 0..1 (stated in its metadata)" in run("classify", files[1], image, "--preprocess", "caffe")
    assert "Alarm" not in run("classify", files[1], image, "--preprocess", "0..1")
