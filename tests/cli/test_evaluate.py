import json
import os
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from edgekit.cli import main
from edgekit.tflite.metadata import write_metadata
from tests.support.build import colour_classifier
from tests.support.colours import NAMES, folder, model


def run(*arguments):
    return CliRunner().invoke(main, ["evaluate", *map(str, arguments)])


@pytest.fixture
def case(tmp_path):
    (tmp_path / "m.tflite").write_bytes(model())
    return tmp_path / "m.tflite", folder(tmp_path / "data", {"red": "rrg", "green": "g", "blue": "b"})


def test_the_promised_json(case):
    path, data = case
    result = run(path, "--data", data, "--json")
    document = json.loads(result.stdout)
    assert result.exit_code == 0
    assert (document["top1"], document["top5"], document["images"]) == (0.8, 1.0, 5)
    assert len(document["top1_interval"]) == 2
    assert document["accepted"] is True


def test_people_read_the_figures_the_mapping_and_the_confusions(case):
    path, data = case
    (data / "red" / "broken.jpg").write_bytes(b"")
    result = run(path, "--data", data)
    assert result.exit_code == 0
    for words in ("80.0 % (95 % CI 37.6–96.4) on 5 images", "by name", "red taken for green: 1", "red/broken.jpg"):
        assert words in result.stdout
    assert "Top-5" not in result.stdout  # of three classes it says nothing


@pytest.mark.parametrize(("asked", "code"), [("80%", 0), ("0.8", 0), ("81%", 1), ("90 %", 1), ("101%", 2), ("x", 2)])
def test_the_gate_is_an_exit_code(case, asked, code):
    path, data = case
    result = run(path, "--data", data, "--min-top1", asked)
    assert result.exit_code == code
    assert ("less than" in result.output) == (code == 1)


def test_files_for_other_tools(case, tmp_path):
    path, data = case
    result = run(path, "--data", data, "--min-top1", "1", "--csv", tmp_path / "c.csv", "--junit", tmp_path / "j.xml")
    assert result.exit_code == 1
    assert (tmp_path / "c.csv").read_text().splitlines()[0] == "truth_index,truth,answer_index,answer,images"
    assert ElementTree.parse(tmp_path / "j.xml").getroot().get("failures") == "1"


def test_a_table_of_labels_beside_the_images_or_elsewhere(case, tmp_path):
    path, data = case
    (data / "labels.csv").write_text("file,label\nred/0.png,red\nblue/0.png,1\n".replace(",1", ",blue"))
    (tmp_path / "numbers.csv").write_text("red/0.png,0\nblue/0.png,1\n")
    assert json.loads(run(path, "--labels-csv", data / "labels.csv", "--json").stdout)["top1"] == 1.0
    elsewhere = run(path, "--labels-csv", tmp_path / "numbers.csv", "--data", data, "--json")
    assert json.loads(elsewhere.stdout)["top1"] == 0.5


def test_labels_and_scaling_for_a_model_that_says_neither(case, tmp_path):
    _, data = case
    (tmp_path / "plain.tflite").write_bytes(colour_classifier("float32"))
    (tmp_path / "labels.txt").write_text("\n".join(NAMES))
    result = run(tmp_path / "plain.tflite", "--data", data, "--labels", tmp_path / "labels.txt", "--preprocess", "0..1")
    assert "80.0 % (95 % CI" in result.stdout
    assert "--preprocess" in run(tmp_path / "plain.tflite", "--data", data).stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "no images to evaluate on"),
        (["--data", "nowhere"], "no folder 'nowhere'"),
        (["--labels-csv", "nowhere.csv"], "nowhere.csv"),
        (["--data", "DATA", "--labels", "nowhere.txt"], "nowhere.txt"),
        (["--data", "DATA", "--preprocess", "odd"], "'odd'"),
        (["--data", "DATA", "--csv", "no/folder/x.csv"], "no folder"),
        (["--data", "DATA", "--junit", "no/folder/x.xml"], "no folder"),
    ],
)
def test_what_is_wrong_is_said_in_words_and_json(case, arguments, words):
    path, data = case
    arguments = [str(data) if argument == "DATA" else argument for argument in arguments]
    result = run(path, *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr
    document = json.loads(run(path, *arguments, "--json").stdout)
    assert words in document["message"]


@pytest.mark.parametrize("content", [b"", b"TFL3" * 20, b"\x89PNG\r\n\x1a\n" + bytes(60)])
def test_what_is_no_model_is_refused(tmp_path, case, content):
    (tmp_path / "bad.tflite").write_bytes(content)
    result = run(tmp_path / "bad.tflite", "--data", case[1])
    assert result.exit_code == 2
    assert "bad.tflite" in result.stderr


def test_a_model_of_another_task_is_refused(tmp_path, case):
    from tests.support.build import GraphBuilder

    graph = GraphBuilder()
    x = graph.input((1, 8, 8, 3), "uint8", quant=(1.0, 0))
    (tmp_path / "m.tflite").write_bytes(graph.finish([graph.op("RELU", [x], (1, 8, 8, 3), "uint8", quant=(1.0, 0))]))
    assert "not an image classifier" in run(tmp_path / "m.tflite", "--data", case[1]).stderr


def test_the_models_labels_and_folders_that_do_not_fit_are_named(tmp_path, case):
    from edgekit.tflite.metadata import Metadata

    (tmp_path / "m.tflite").write_bytes(write_metadata(colour_classifier(), Metadata(labels=("a", "b", "c"))))
    result = run(tmp_path / "m.tflite", "--data", case[1])
    assert result.exit_code == 2
    assert "'blue'" in result.stderr


def test_names_that_are_no_unicode_can_be_told(tmp_path):
    (tmp_path / "m.tflite").write_bytes(model(labels=()))
    strange = os.fsdecode(b"r\xff")
    data = folder(tmp_path / "data", {strange: "rg", "s": "g", "t": "b"})
    (data / strange / "broken.png").write_bytes(b"")
    for arguments in ([], ["--json"], ["--csv", tmp_path / "c.csv", "--junit", tmp_path / "j.xml"]):
        result = run(tmp_path / "m.tflite", "--data", data, *arguments)
        assert result.exit_code == 0, result.output
    assert "r\\udcff" in (tmp_path / "c.csv").read_text()
