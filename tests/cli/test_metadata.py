import json
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from edgekit.cli import main
from edgekit.preprocess import InputSpec
from edgekit.tflite.metadata import Metadata, read_metadata, write_metadata
from tests.support.build import colour_classifier

PAGE = Path(__file__).parents[2] / "docs" / "metadata.md"
LABELS = ("red", "grün", "blue\x1b[2J")


@pytest.fixture
def model(tmp_path, monkeypatch):
    metadata = Metadata(name="colours", labels=LABELS, input=InputSpec(8, 8, resize="crop", crop=0.875), license="MIT")
    (tmp_path / "m.tflite").write_bytes(write_metadata(colour_classifier("uint8"), metadata))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "m.tflite"


def run(*arguments):
    return CliRunner().invoke(main, ["metadata", *map(str, arguments)])


def test_people_read_what_a_model_says(model):
    result = run("show", model)
    assert result.exit_code == 0, result.output
    for words in ("colours", "MIT", "red, grün", "8×8 pixels, raw pixels 0..255; crop of 0.875, bicubic"):
        assert words in result.stdout
    assert "\x1b[2J" not in result.stdout


def test_json_holds_all_of_it(model):
    document = json.loads(run("show", model, "--json").stdout)
    assert document["labels"] == list(LABELS) and document["license"] == "MIT" and document["has_metadata"] is True
    assert InputSpec.from_json(document["input"]) == read_metadata(model).input


def test_a_model_without_metadata_is_shown(model):
    model.write_bytes(colour_classifier("uint8"))
    assert "none" in run("show", model).stdout
    assert json.loads(run("show", model, "--json").stdout)["has_metadata"] is False


def test_labels_are_lines_that_other_programs_take(model):
    assert run("labels", model).stdout.splitlines()[:2] == ["red", "grün"]
    assert json.loads(run("labels", model, "--json").stdout)["labels"] == list(LABELS)


def test_labels_written_by_one_command_are_read_by_the_other(model):
    model.with_name("names.txt").write_text("a\nb\nc\n")
    result = run("set", model, "--labels", "names.txt", "--author", "Ada")
    assert result.exit_code == 0 and "Wrote " in result.stdout
    assert run("labels", model).stdout.splitlines() == ["a", "b", "c"]
    document = json.loads(run("set", model, "--name", "n", "--json").stdout)
    assert (document["name"], document["author"], document["written"]) == ("n", "Ada", [str(model)])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("set", "m.tflite"), "nothing to change"),
        (("set", "none.tflite", "--name", "n"), "none.tflite"),
        (("set", "m.tflite", "--labels", "none.txt"), "No labels can be read"),
        (("labels", "plain.tflite"), "names no classes"),
    ],
)
def test_what_cannot_be_done_is_said(model, arguments, words):
    model.with_name("plain.tflite").write_bytes(colour_classifier("uint8"))
    result = run(*arguments)
    assert result.exit_code == 2 and words in result.stderr and len(result.stderr.splitlines()) <= 2


def test_the_pages_transcript_is_what_is_printed(tmp_path, monkeypatch):
    from tests.support.pairs import compiled, twin

    monkeypatch.chdir(tmp_path)
    (tmp_path / "flowers.tflite").write_bytes(twin())
    (tmp_path / "flowers_edgetpu.tflite").write_bytes(compiled())
    (tmp_path / "labels.json").write_text('["red", "green", "blue"]')
    block = re.search(r"^```\n(\$ .*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S).group(1)
    printed = iter([])
    for line in block.splitlines():
        if line.startswith("$ edgekit metadata "):
            printed = iter(run(*shlex.split(line)[3:]).output.splitlines())
        elif line != "…":
            assert line in printed, line  # in this order
