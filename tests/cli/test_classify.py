import json
import os
import subprocess
import sys

import pytest
from click.testing import CliRunner
from PIL import Image

from edgekit.cli.classify import classify
from edgekit.tflite.metadata import Metadata, write_metadata
from tests.support.build import COLOURS, colour_classifier, colour_model


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "m.tflite").write_bytes(colour_model())
    (tmp_path / "images" / "deep").mkdir(parents=True)
    for name, colour in COLOURS.items():
        Image.new("RGB", (20, 10), colour).save(tmp_path / "images" / f"{name}.png")
    Image.new("RGB", (5, 5), COLOURS["red"]).save(tmp_path / "images" / "deep" / "also red.jpg")
    (tmp_path / "images" / "notes.txt").write_text("no image")
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 not really")
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(classify, [str(argument) for argument in arguments])


def test_one_image_as_text(folder):
    result = run(folder / "m.tflite", folder / "images" / "green.png")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].startswith("m.tflite on the CPU")
    assert "99.6%" in lines[4] and "green" in lines[4] and "█" in lines[4]
    assert lines[1] == "Class names: the model's own."
    assert len(lines) == 7


def test_json_holds_what_scripts_rely_on(folder):
    result = run(folder / "m.tflite", folder / "images" / "blue.png", "-k", 2, "--json")
    (answer,) = json.loads(result.stdout)
    assert answer["image"] == str(folder / "images" / "blue.png") and answer["device"] == "cpu"
    assert [p["label"] for p in answer["predictions"]] == ["blue", "red"]
    assert set(answer["predictions"][0]) == {"index", "label", "score"}
    assert answer["predictions"][0]["index"] == 2 and answer["predictions"][0]["score"] == pytest.approx(
        0.9961, abs=1e-4
    )


def test_a_folder_stands_for_its_images(folder):
    result = run(folder / "m.tflite", folder / "images", "-k", 1, "--json")
    answers = json.loads(result.stdout)
    assert result.exit_code == 0
    assert [answer["predictions"][0]["label"] for answer in answers] == ["blue", "red", "green", "red"]


def test_a_broken_image_is_reported_and_the_others_go_on(folder):
    images = [folder / "broken.jpg", folder / "images" / "red.png", folder / "none.png"]
    as_text, as_json = run(folder / "m.tflite", *images), run(folder / "m.tflite", *images, "--json")
    assert as_text.exit_code == as_json.exit_code == 2
    assert "red.png" in as_text.stdout and "broken.jpg" in as_text.stderr and "none.png" in as_text.stderr
    broken, red, missing = json.loads(as_json.stdout)
    assert red["predictions"][0]["label"] == "red"
    assert broken["error"]["error"] == missing["error"]["error"] == "ImageError"
    assert set(broken) == {"image", "error"} and "predictions" not in missing


def test_the_device_is_said_once(folder):
    result = run(folder / "m.tflite", folder / "images")
    assert result.stdout.count("on the CPU") == 1


def test_labels_from_a_file(folder):
    (folder / "labels.txt").write_text("0 rot\n1 grün\n2 blau\n", encoding="utf-8")
    result = run(folder / "m.tflite", folder / "images" / "green.png", "--labels", folder / "labels.txt", "--json")
    assert json.loads(result.stdout)[0]["predictions"][0]["label"] == "grün"


def test_preprocessing_by_hand(folder):
    (folder / "float.tflite").write_bytes(colour_classifier("float32"))
    image = folder / "images" / "red.png"
    refused = run(folder / "float.tflite", image)
    assert refused.exit_code == 2 and "--preprocess" in refused.stderr
    given = run(folder / "float.tflite", image, "--preprocess", "0..1", "--json")
    assert json.loads(given.stdout)[0]["predictions"][0]["label"] == "class 0"


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        (["none.tflite", "images"], "ModelFormatError"),
        (["broken.jpg", "images"], "ModelFormatError"),
        (["m.tflite", "images", "--labels", "none.txt"], "DataError"),
        (["m.tflite", "images", "--labels", "broken.jpg"], "DataError"),
        (["m.tflite", "images", "--preprocess", "nonsense"], "UsageError"),
        (["m.tflite", "empty"], "UsageError"),
    ],
)
def test_errors_are_told_in_words_and_in_json(folder, monkeypatch, arguments, kind):
    (folder / "empty").mkdir()
    monkeypatch.chdir(folder)
    as_text, as_json = run(*arguments), run(*arguments, "--json")
    assert as_text.exit_code == as_json.exit_code == 2
    assert as_text.stderr.startswith("Error: ") and "Traceback" not in as_text.stderr
    assert json.loads(as_json.stdout)["error"] == kind


@pytest.mark.parametrize(
    "arguments", [[], ["m.tflite"], ["m.tflite", "x", "-k", "0"], ["m.tflite", "x", "--threads", "0"]]
)
def test_wrong_usage_is_2(arguments):
    assert run(*arguments).exit_code == 2


def test_a_file_name_that_is_no_text(folder):
    name = os.fsencode(folder / "images") + b"/\xff.png"
    with open(name, "wb") as stream:
        stream.write((folder / "images" / "red.png").read_bytes())
    command = [sys.executable, "-m", "edgekit", "classify", str(folder / "m.tflite"), os.fsdecode(name)]
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8:strict"}
    for options in ([], ["--json"]):
        done = subprocess.run([*command, *options], env=environment, capture_output=True, check=True)
        assert rb"\udcff.png" in done.stdout
    assert json.loads(done.stdout)[0]["predictions"][0]["label"] == "red"


def test_a_name_too_long_for_the_system(folder):
    result = run(folder / "m.tflite", "a" * 300)
    assert result.exit_code == 2 and "a.png" not in result.stderr and "Error: aaa" in result.stderr


def test_names_from_a_file_beside_the_model_or_how_to_add_them(folder):
    (folder / "bare").mkdir()
    (folder / "bare" / "m.tflite").write_bytes(colour_classifier("uint8"))
    image = folder / "images" / "green.png"
    assert "Class names: none" in run(folder / "bare" / "m.tflite", image).stdout
    (folder / "bare" / "class_names.txt").write_text("2:blau\n0:rot\n1:grün\n", encoding="utf-8")
    shown = run(folder / "bare" / "m.tflite", image).stdout
    assert "Class names: from class_names.txt beside the model." in shown
    assert "grün" in shown


def test_names_in_the_model_that_do_not_fit_are_a_note(folder):
    odd = write_metadata(colour_classifier("uint8"), Metadata(labels=("red", "green")))
    (folder / "odd.tflite").write_bytes(odd)
    result = run(folder / "odd.tflite", folder / "images" / "green.png")
    assert result.exit_code == 0
    assert "The model's own label file names 2 classes, the model has 3: left alone." in result.stdout
    assert "class 1" in result.stdout
