import json

import numpy as np
import pytest
from click.testing import CliRunner

from edgekit.cli.inspect import inspect
from edgekit.preprocess import InputSpec
from edgekit.tflite.metadata import Metadata, write_metadata
from tests.support.build import GraphBuilder, colour_classifier
from tests.support.recordings import compiled_model


def run(tmp_path, content, *options):
    path = tmp_path / "m.tflite"
    path.write_bytes(content)
    return CliRunner().invoke(inspect, [str(path), *options])


def _described():
    provenance = {"recipe": "int8", "verdict": {"agreement": 0.98123456789, "images": 500}}
    spec = InputSpec(8, 8).with_convention("lite")
    labels = ("red", "green", "blue")
    return write_metadata(colour_classifier("int8"), Metadata("colours", "", labels, spec, "probabilities", provenance))


def test_the_summary_says_what_matters(tmp_path):
    result = run(tmp_path, _described())
    assert result.exit_code == 0, result.output
    for said in ("fully int8", "int8 1x8x8x3", "red, green, blue", "lite", "probabilities", "agreement 0.9812"):
        assert said in result.stdout
    assert "SOFTMAX" in result.stdout and "tensor_" not in result.stdout


def test_a_model_that_says_nothing(tmp_path):
    result = run(tmp_path, colour_classifier("float32"))
    assert "metadata      none" in result.stdout and "quantization  none" in result.stdout


def test_float_ops_are_named_with_their_places(tmp_path):
    graph = GraphBuilder()
    x = graph.input((1, 4), "int8", quant=(0.1, 0))
    y = graph.op("LOGISTIC", [x], (1, 4), "int8", quant=(1 / 256, -128))
    y = graph.op("TANH", [graph.op("DEQUANTIZE", [y], (1, 4))], (1, 4))
    result = run(tmp_path, graph.finish([y]))
    assert "partly int8: 1 of 3 ops compute in float (TANH at 2)" in result.stdout


def test_tensors_on_demand(tmp_path):
    graph = GraphBuilder()
    x = graph.input((1, 4), "int8", quant=(0.1, 0), signature=(-1, 4))
    w = graph.constant(np.ones((2, 4), np.int8), quant=([0.1, 0.2], [0, 0], 0), name="weights")
    content = graph.finish([graph.op("FULLY_CONNECTED", [x, w, -1], (1, 2), "int8", quant=(0.1, 0), options={})])
    result = run(tmp_path, content, "--tensors")
    assert "weights" in result.stdout and "2 scales on axis 0" in result.stdout and "int8 ?x4" in result.stdout


def test_json_holds_what_scripts_rely_on(tmp_path):
    value = json.loads(run(tmp_path, _described(), "--json").stdout)
    assert [op["op"] for op in value["ops"]] == ["MEAN", "SOFTMAX"]
    assert value["inputs"][0]["dtype"] == "int8" and value["outputs"][0]["shape"] == [1, 3]
    assert value["metadata"]["labels"] == ["red", "green", "blue"]
    assert value["quantization"] == {"kind": "full", "dtype": "int8", "float_ops": [], "casts": []}
    assert "tensors" not in value
    assert len(json.loads(run(tmp_path, _described(), "--json", "--tensors").stdout)["tensors"]) == 4


def test_a_compiled_model_is_shown_too(tmp_path):
    result = run(tmp_path, compiled_model())
    assert "edgetpu-custom-op" in result.stdout


def test_a_damaged_compiled_model_is_an_error(tmp_path):
    result = run(tmp_path, compiled_model(options=b"damaged"))
    assert result.exit_code == 2
    assert "is damaged in op 0" in result.stderr


@pytest.mark.parametrize("content", [b"", b"version https://git-lfs.github.com/spec/v1\n", b"<html>" * 20])
def test_what_is_no_model_is_an_error_of_one_or_two_lines(tmp_path, content):
    as_text, as_json = run(tmp_path, content), run(tmp_path, content, "--json")
    assert as_text.exit_code == as_json.exit_code == 2
    assert as_text.stderr.startswith("Error: ") and len(as_text.stderr.splitlines()) <= 2
    assert json.loads(as_json.stdout)["error"] == "ModelFormatError"
