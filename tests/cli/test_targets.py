"""`edgekit convert --target`: one run, several files, a verdict for each."""

import json
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from edgekit.cli import main
from edgekit.tflite import read_graph
from tests.support.float_nets import colour_net
from tests.support.project import write_project

pytest.importorskip("litert_quantizer")

PAGE = (Path(__file__).parents[2] / "docs" / "targets.md").read_text(encoding="utf-8")


def convert(*arguments):
    result = CliRunner().invoke(main, ["convert", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(write_project(tmp_path))
    (tmp_path / "sine.tflite").write_bytes(colour_net(between="SIN"))
    return tmp_path


def written(folder):
    return sorted(path.name for path in folder.glob("*.tflite"))


def test_the_transcript_is_what_the_command_prints():
    head, body = re.search(r"^```\n(\$ edgekit convert .*?)\n(.*?)^```", PAGE, re.M | re.S).groups()
    printed = iter(convert(*shlex.split(head)[3:]).output.splitlines())
    assert [line for line in body.splitlines() if line != "…" and line not in printed] == []  # in this order


def test_the_python_of_the_page_runs():
    found = {}
    exec(re.search(r"^```python\n(.*?)^```", PAGE, re.M | re.S)[1], found)
    assert found["smaller"].verdict.agreement == 1
    assert [each.conversion.verdict.agreement for each in found["results"]] == [1, 1]


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["--target", "android"], ["model_int8.tflite"]),
        (["--target", "cpu", "--dynamic"], ["model_dynamic.tflite"]),
        (["--target", "cpu,cpu", "--float16"], ["model_float16.tflite"]),
        (
            ["--target", "edgetpu,ios", "--float16"],
            ["model_edgetpu_int8.tflite", "model_ios_float16.tflite"],
        ),
        (["--target", "edgetpu,cpu", "-o", "x.tflite"], ["x_cpu.tflite", "x_edgetpu.tflite"]),
    ],
)
def test_files_are_named_for_what_they_are(project, arguments, names):
    assert convert("model.h5", "--no-verify", *arguments).exit_code == 0
    assert [name for name in written(project) if name != "sine.tflite"] == names
    for name in names:
        assert (project / name).with_suffix(".json").exists()


def test_the_document_of_several_holds_one_for_each(project):
    document = json.loads(convert("model.h5", "--data", "train", "--target", "edgetpu,android", "--json").stdout)
    assert list(document["targets"]) == ["edgetpu", "android"]
    for name, each in document["targets"].items():
        assert each["verdict"]["agreement"] == 1 and each["accepted"]
        assert each["model"] == f"model_{name}_int8.tflite"
    assert "targets" not in json.loads(convert("model.h5", "--no-verify", "--json").stdout)


def test_a_target_that_cannot_have_it_says_why_and_the_others_are_written(project):
    result = convert("sine.tflite", "--data", "train", "--target", "edgetpu,android", "--json")
    assert result.exit_code == 2
    found = json.loads(result.stdout)["targets"]
    assert found["edgetpu"]["error"] == "ConversionError" and found["android"]["float_ops"] == {"SIN": 1}
    assert written(project) == ["sine.tflite", "sine_android_int8.tflite"]
    assert "SIN" in convert("sine.tflite", "--target", "edgetpu,android", "--no-verify").output


def test_a_gate_counts_for_each(project):
    result = convert("sine.tflite", "--data", "train", "--target", "android,cpu", "--min-agreement", "100%", "--json")
    unmet = [each["unmet"] for each in json.loads(result.stdout)["targets"].values()]
    assert result.exit_code == (1 if any(unmet) else 0)


def test_float_input_and_output_with_int8_inside(project):
    assert convert("model.h5", "--no-verify", "--target", "android", "--io", "float").exit_code == 0
    graph = read_graph("model_int8.tflite")
    assert {graph.tensors[i].dtype for i in graph.inputs + graph.outputs} == {"float32"}
    assert "int8" in {tensor.dtype for tensor in graph.tensors if tensor.is_constant}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--target", "toaster"],
        ["--target", "edgetpu,"],
        ["--float16"],
        ["--target", "edgetpu", "--dynamic"],
        ["--target", "cpu", "--float16", "--dynamic"],
        ["--target", "android", "--compile"],
        ["--target", "cpu", "--float16", "--save-ranges", "r.json"],
        ["--target", "edgetpu,cpu", "-o", "x.bin"],
    ],
)
def test_what_makes_no_sense_is_told_before_the_work(project, arguments):
    result = convert("model.h5", *arguments, "--json")
    assert (result.exit_code, json.loads(result.stdout)["error"]) == (2, "UsageError")
    assert written(project) == ["sine.tflite"]


def test_microcontrollers_get_int8_ends_and_the_word_of_their_compilers(project):
    pytest.importorskip("ethosu")
    pytest.importorskip("tosa_converter_for_tflite")
    targets = "edgetpu,ethos-u,coral-npu"
    document = json.loads(convert("model.h5", "--data", "train", "--target", targets, "--json").stdout)["targets"]
    for name, end in (("edgetpu", "uint8"), ("ethos-u", "int8"), ("coral-npu", "int8")):
        graph = read_graph(document[name]["model"])
        assert {graph.tensors[index].dtype for index in (*graph.inputs, *graph.outputs)} == {end}
        placement = document[name]["placement"]
        assert (placement["target"], placement["mapped"]) == (name, placement["ops"])
        assert document[name]["verdict"]["agreement"] == 1
    assert document["ethos-u"]["placement"]["judge"].startswith("Vela ")


def test_a_judge_that_is_not_there_does_not_cost_the_model(project, monkeypatch):
    monkeypatch.setattr("edgekit.targets.tool.find_spec", lambda name: None)
    result = convert("model.h5", "--no-verify", "--target", "ethos-u")
    assert result.exit_code == 0 and (project / "model_int8.tflite").exists()
    assert "not asked: " in result.output and "edgekit-coral[ethos-u]" in result.output


def test_what_is_asked_for_is_kept(project):
    convert("model.h5", "--no-verify", "--target", "coral-npu", "--io", "uint8")
    graph = read_graph("model_int8.tflite")
    assert graph.tensors[graph.inputs[0]].dtype == "uint8"
