import json

import pytest
from click.testing import CliRunner

from edgekit.cli import main
from edgekit.tflite import read_graph


def edgekit(*arguments):
    return CliRunner().invoke(main, ["new", *map(str, arguments)])


def test_what_was_made_is_told(tmp_path):
    result = edgekit("lite0", "--phi", -5, "--classes", 4, "-o", tmp_path / "m.keras")
    assert result.exit_code == 0
    assert "EfficientNetLite0 φ=-5, 112×112 pixels, 4 classes" in result.output
    assert "train it before" in result.output and "load_model" in result.output


def test_the_document_for_machines(tmp_path):
    output = tmp_path / "m.tflite"
    document = json.loads(edgekit("b0", "--phi", -5, "--classes", 4, "-o", output, "--json").stdout)
    assert set(document) == {"model", "name", "classes", "size", "parameters", "flops"}
    assert (document["model"], document["name"], document["classes"]) == (str(output), "b0-phi-5", 4)
    graph = read_graph(output)
    assert [graph.tensors[index].shape for index in graph.inputs] == [(1, document["size"], document["size"], 3)]


@pytest.mark.parametrize("arguments", [["b9"], ["b3", "--phi", "1"], ["--classes", "1"], ["-o", "m.onnx"]])
def test_wrong_requests_are_told_in_words(tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    result = edgekit(*arguments, "--json")
    assert (result.exit_code, json.loads(result.stdout)["error"]) == (2, "UsageError")
