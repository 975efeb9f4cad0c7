import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from edgekit.cli import main
from edgekit.preprocess import InputSpec
from edgekit.tflite.metadata import Metadata, write_metadata
from tests.support.float_nets import SIZE, colour_net, save_images

PAGE = Path(__file__).parents[2] / "docs" / "explain.md"
LABELS = ("blue", "green", "red")


@pytest.fixture
def case(tmp_path, monkeypatch):
    """Two models of colours, a folder of images, and nothing else in the current folder."""
    for seed in (0, 1):
        content = write_metadata(colour_net(seed=seed), Metadata(labels=LABELS, input=InputSpec(SIZE, SIZE)))
        (tmp_path / f"m{seed}.tflite").write_bytes(content)
    save_images(tmp_path / "images", each=2)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(main, ["explain", *arguments])


def test_people_read_what_was_seen_and_how_alike_the_maps_are(case):
    result = run("m0.tflite", "images", "--against", "m1.tflite")
    assert result.exit_code == 0, result.output
    for words in (
        "m0.tflite: cam (exact",
        "images/red/00.png",
        "of m1.tflite with those of m0.tflite (Pearson",
        "on 6 ",
    ):
        assert words in result.stdout
    assert "Wrote explained.png" in result.stdout
    with Image.open(case / "explained.png") as image:
        assert image.format == "PNG" and image.width > 3 * 224


def test_json_holds_the_maps_and_their_correlations(case):
    document = json.loads(run("m0.tflite", "images", "--against", "m1.tflite", "--json", "-o", "s.png").stdout)
    assert [(model["model"], model["way"]) for model in document["models"]] == [
        ("m0.tflite", "cam"),
        ("m1.tflite", "cam"),
    ]
    assert document["models"][0]["correlation"] is None
    found = []
    for image in document["images"]:
        first, second = (np.array(each["map"]) for each in image["maps"])
        found.append(np.corrcoef(first.ravel(), second.ravel())[0, 1])
        assert image["maps"][1]["correlation"] == pytest.approx(found[-1], abs=1e-5)
    summary = document["models"][1]["correlation"]
    assert summary == pytest.approx({"mean": np.mean(found), "least": min(found), "images": 6}, abs=1e-5)
    assert document["output"] == "s.png"


def test_a_folder_gets_a_file_for_each_image(case):
    assert run("m0.tflite", "images", "-o", "sheets", "--images", "3").exit_code == 0
    assert sorted(path.name for path in (case / "sheets").iterdir()) == ["001-00.png", "002-00.png", "003-00.png"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("m0.tflite", "nothing.png"), "None of the 1 images can be decoded"),
        (("none.tflite", "images"), "none.tflite"),
        (("m0.tflite", "images", "--class", "pink"), "no class 'pink'"),
        (("m0.tflite", "images", "-o", "no/such/sheet.png"), "no folder"),
        (("m0.tflite", "images", "-o", "m1.tflite"), "could not be made"),
    ],
)
def test_what_cannot_be_done_is_said(case, arguments, words):
    result = run(*arguments)
    assert result.exit_code == 2 and words in result.stderr
    assert len(result.stderr.splitlines()) <= 2


def test_the_pages_commands_run_as_printed(case):
    commands = re.findall(r"^\$? ?edgekit (explain (?:.*\\\n)*.*)$", PAGE.read_text(encoding="utf-8"), re.M)
    assert len(commands) == 2
    for command in commands:
        words = [word for word in shlex.split(command) if word != "\n"]
        for name in (word for word in words if word.endswith((".h5", ".keras", ".tflite"))):
            (case / name).write_bytes((case / "m0.tflite").read_bytes())  # files are told by what is in them
        if not (case / "photos").exists():
            (case / "images").rename(case / "photos")
        result = run(*["red" if word == "daisy" else word for word in words[1:]])
        assert result.exit_code == 0, result.output
        assert (case / words[words.index("-o") + 1]).exists()
