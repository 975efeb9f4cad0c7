"""`edgekit convert --compile`: the compiler's part of a conversion, with the replaying stand-in."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from edgekit.cli import main
from edgekit.tflite.metadata import read_metadata
from tests.support.float_nets import colour_net
from tests.support.recordings import compiled_model, record, success_text

pytest.importorskip("litert_quantizer")


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    (tmp_path / "m.tflite").write_bytes(colour_net())
    (tmp_path / "m.labels.txt").write_text("blue\ngreen\nred\n")
    monkeypatch.chdir(tmp_path)


def convert(*options):
    return CliRunner().invoke(main, ["convert", "m.tflite", "--preprocess", "raw", "--compile", *options])


def test_the_compiled_twin_lies_beside_with_the_labels(runs):
    record(runs, compiled_model(), stdout=success_text())
    result = convert("--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["compiled"] == "m_int8_edgetpu.tflite"
    assert read_metadata("m_int8_edgetpu.tflite").labels == ("blue", "green", "red")
    assert Path("m_int8.tflite").exists()


def test_people_are_told_what_to_run_next(runs):
    record(runs, compiled_model(), stdout=success_text())
    assert "edgekit classify m_int8_edgetpu.tflite IMAGE" in convert().stdout


@pytest.mark.parametrize("stdout", ["Internal compiler error. Aborting!", "Invalid model: m\nModel not quantized"])
def test_the_int8_model_stays_when_the_compiler_fails(runs, stdout):
    record(runs, None, stdout=stdout)
    result = convert("--json")
    document = json.loads(result.stdout)
    assert (result.exit_code, document["compiled"]) == (3, None)
    assert document["compile_error"]["error"] == "CompilerError"
    assert Path("m_int8.tflite").exists() and not Path("m_int8_edgetpu.tflite").exists()


def test_without_a_compiler_the_prediction_stands_in_its_place(runs, monkeypatch):
    monkeypatch.delenv("EDGEKIT_EDGETPU_COMPILER")
    monkeypatch.setenv("PATH", str(runs))
    result = convert()
    assert result.exit_code == 3
    assert "map to the Edge TPU" in result.stdout and "(predicted)" in result.stdout
    assert "--handoff" in result.stderr


def test_a_model_that_misses_its_gate_is_not_compiled(runs, monkeypatch):
    monkeypatch.setenv("EDGEKIT_EDGETPU_COMPILER", "/nowhere")
    result = convert("--max-drop", "0%")
    assert result.exit_code == 1 and "Not met" in result.stdout
