import json

import pytest
from click.testing import CliRunner

from edgekit.cli import main
from edgekit.edgetpu.statuses import MAPPED, NOT_SUPPORTED, OTHER_SUBGRAPH
from tests.support.build import GraphBuilder, colour_classifier
from tests.support.one_op import Q, activation, one_op


@pytest.fixture
def cut(tmp_path):
    """A model whose second op the Edge TPU does not know."""
    graph = GraphBuilder()
    x = graph.input((1, 8, 8, 4), "int8", quant=Q)
    for opcode in ("LOGISTIC", "HARD_SWISH", "LOGISTIC"):
        x = graph.op(opcode, [x], (1, 8, 8, 4), "int8", quant=Q)
    path = tmp_path / "cut.tflite"
    path.write_bytes(graph.finish([x]))
    return str(path)


def run(*arguments):
    return CliRunner().invoke(main, ["inspect", *arguments], catch_exceptions=False)


def test_the_verdict_comes_first(cut):
    lines = run(cut, "--edgetpu").output.splitlines()
    assert lines[0].startswith("cut.tflite")
    assert lines[2].startswith("  Edge TPU: 1 of 3 ops map to the Edge TPU. It stops at op 1 HARD_SWISH")
    assert any(line.split() == ["LOGISTIC", "1", "Edge", "TPU", *MAPPED.split()] for line in lines)
    assert any(line.split() == ["LOGISTIC", "1", "CPU", *OTHER_SUBGRAPH.split()] for line in lines)


def test_a_model_that_maps(tmp_path):
    path = tmp_path / "colours.tflite"
    path.write_bytes(colour_classifier("uint8"))
    result = run(str(path), "--edgetpu")
    assert result.exit_code == 0
    assert "All 2 ops map to the Edge TPU." in result.output


def test_ops_without_precedent_are_told_with_the_nearest(tmp_path):
    path = tmp_path / "gate.tflite"
    path.write_bytes(one_op("MUL", activation(1, 8, 8, 4), activation(1, 1, 1, 4)))
    said = run(str(path), "--edgetpu").output
    assert "The one op maps to the Edge TPU; 1 has no precedent; if MUL (op 0) stays on the CPU, 0 of 1 map." in said
    assert "op 0 MUL: No precedent is known. The nearest that was seen mapped has plain options, not broadcast." in said


def test_json_has_the_promised_keys(cut):
    document = json.loads(run(cut, "--edgetpu", "--json").output)
    assert document["fully_mapped"] is False
    assert (document["subgraphs"], document["ends_at"], document["refusal"]) == (1, 1, None)
    ops = document["ops"]
    assert [op["index"] for op in ops] == [0, 1, 2]
    assert [op["op"] for op in ops] == ["LOGISTIC", "HARD_SWISH", "LOGISTIC"]
    assert [op["device"] for op in ops] == ["edgetpu", "cpu", "cpu"]
    assert [op["status"] for op in ops] == [MAPPED, NOT_SUPPORTED, OTHER_SUBGRAPH]
    assert [op["version"] for op in ops] == [1, 1, 1]
    assert all(op["certain"] and op["precedent"] for op in ops) and document["stakes"] == []
    assert ops[0]["reasons"] == [] and "HARD_SWISH" in ops[1]["reasons"][0]
    assert {"on_chip_bytes", "streamed_bytes", "latency_ms"} <= set(document)


def test_flags_of_the_compiler(cut):
    document = json.loads(run(cut, "--edgetpu", "--all-subgraphs", "--json").output)
    assert document["subgraphs"] == 2
    document = json.loads(run(cut, "--edgetpu", "--min-runtime", "10", "--json").output)
    assert document["subgraphs"] == 0


@pytest.mark.parametrize("flag", [("--all-subgraphs",), ("--min-runtime", "13")])
def test_flags_of_the_compiler_need_edgetpu(cut, flag):
    result = run(cut, *flag)
    assert result.exit_code == 2 and "Add --edgetpu" in result.output


def test_many_reasons_fit_on_a_screen(tmp_path):
    graph = GraphBuilder()
    x = graph.input((1, 8, 8, 4), "int8", quant=Q)
    for _ in range(50):
        x = graph.op("HARD_SWISH", [x], (1, 8, 8, 4), "int8", quant=Q)
    path = tmp_path / "many.tflite"
    path.write_bytes(graph.finish([x]))
    output = run(str(path), "--edgetpu").output
    assert len(output.splitlines()) < 40 and "43 more: see --json" in output
