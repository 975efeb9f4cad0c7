import json
import sys

import pytest
from click.testing import CliRunner

from edgekit.cli import main
from edgekit.tflite.metadata import Metadata, read_metadata, write_metadata
from tests.support.recordings import FAKE_COMPILER, compiled_model, int8_model, record, success_text

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a POSIX script, as the compiler is")


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "net.tflite"
    path.write_bytes(write_metadata(int8_model(tail=True), Metadata(labels=("cat", "dog"))))
    return path


def edgekit(*arguments, compiler=True):
    given = ["compile", *map(str, arguments)]
    return CliRunner().invoke(main, [*given, "--compiler", str(FAKE_COMPILER)] if compiler else given)


def without_compiler(monkeypatch, tmp_path):
    monkeypatch.delenv("EDGEKIT_EDGETPU_COMPILER", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))


def test_compiles_and_says_what_stays_on_the_cpu(runs, model):
    record(runs, compiled_model(tail=True), stdout=success_text(tail=True), crashes=1)
    result = edgekit(model)
    assert result.exit_code == 0, result.output
    assert "Edge TPU: 2 of 3 ops run on the Edge TPU" in result.stdout
    assert "192.00B cached on chip, 64.00B streamed at each inference" in result.stdout
    assert "crashed 1 times before it succeeded" in result.stdout
    assert "DEQUANTIZE" in result.stdout and "Wrote " in result.stdout
    assert read_metadata(model.with_name("net_edgetpu.tflite")).labels == ("cat", "dog")


def test_json_has_placement_memory_and_differences(runs, model, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    record(runs, compiled_model(tail=True), stdout=success_text(tail=True))
    result = edgekit(model, "--json", "-o", out)
    (document,) = json.loads(result.stdout)
    assert document["compiled"] == [str(out / "net_edgetpu.tflite")]
    assert [op["device"] for op in document["ops"]] == ["edgetpu", "edgetpu", "cpu"]
    assert (document["fully_mapped"], document["subgraphs"], document["min_runtime"]) == (False, 1, 14)
    assert document["compiler"][0]["on_chip_bytes"] == 192
    assert document["ops"][2]["reasons"] and not document["ops"][0]["reasons"]
    assert document["differences"] == []


def test_a_result_in_another_folder_names_the_twin_that_has_to_go_with_it(runs, model, tmp_path):
    record(runs, compiled_model(tail=True), stdout=success_text(tail=True))
    out = tmp_path / "out"
    out.mkdir()
    assert f"Its CPU twin is {model}: copy it beside net_edgetpu.tflite." in edgekit(model, "-o", out).stdout
    assert "CPU twin" not in edgekit(model).stdout


def test_each_difference_to_the_prediction_is_told(runs, model):
    surprising = success_text(tail=True).replace(
        "Operation is working on an unsupported data type", "Operation not supported"
    )
    record(runs, compiled_model(tail=True), stdout=surprising)
    result = edgekit(model)
    assert "Differs from the prediction: DEQUANTIZE: expected 1 times «Operation is working on" in result.stdout
    assert (
        "Differs from the prediction: DEQUANTIZE: expected 0 times «Operation not supported», the compiler reports 1"
        in result.stdout
    )
    record(runs, compiled_model(tail=False), stdout=surprising.replace("192.00B", "64.00KiB"))
    result = edgekit(model)
    assert "op 2 DEQUANTIZE: expected on the CPU, runs on the Edge TPU" in result.stdout
    assert "expected 0.00B of parameters, the compiler has 64.06KiB" in result.stdout


def test_options_reach_the_compiler(runs, model):
    record(runs, compiled_model(tail=True), stdout="")
    options = ("--all-subgraphs", "--search", "--min-runtime", 13, "--intermediate", "mean", "--intermediate", "soft")
    result = edgekit(model, *options, "--timeout", 99)
    assert result.exit_code == 0, result.output
    (given,) = [json.loads(line) for line in (runs / "calls.jsonl").read_text().splitlines()]
    assert given[:9] == ["-s", "-a", "-d", "-m", "13", "-i", "mean,soft", "-t", "99"]


def test_verbose_shows_what_the_compiler_printed(runs, model):
    record(runs, compiled_model(tail=True), stdout=success_text(tail=True))
    assert "Compilation succeeded!" in edgekit(model, "-v").stderr
    assert "Compilation succeeded!" not in edgekit(model).output


def test_a_refusal_has_its_own_exit_code(runs, model):
    record(runs, stdout="Invalid model: net.tflite\nModel not quantized\n", code=1)
    result = edgekit(model)
    assert result.exit_code == 3
    assert "Error: edgetpu_compiler says that the model is not quantized." in result.stderr
    assert "edgekit convert MODEL --int8" in result.stderr
    assert json.loads(edgekit(model, "--json").stdout)["error"] == "CompilerError"


def test_without_a_compiler_the_prediction_is_shown(monkeypatch, tmp_path, model):
    without_compiler(monkeypatch, tmp_path)
    result = edgekit(model, compiler=False)
    assert result.exit_code == 3
    assert "edgetpu_compiler is not installed on this machine" in result.stderr
    assert "--handoff FOLDER" in result.stderr
    assert "2 of 3 ops map to the Edge TPU" in result.stdout


def test_without_a_compiler_the_json_error_holds_the_prediction(monkeypatch, tmp_path, model):
    without_compiler(monkeypatch, tmp_path)
    result = edgekit(model, "--json", compiler=False)
    document = json.loads(result.stdout)
    assert (result.exit_code, document["error"]) == (3, "CompilerError")
    (prediction,) = document["prediction"]
    assert [op["device"] for op in prediction["ops"]] == ["edgetpu", "edgetpu", "cpu"]
    assert len(prediction["latency_ms"]["usb3"]) == 3


def test_a_hand_off_holds_all_that_another_machine_needs(monkeypatch, tmp_path, model):
    without_compiler(monkeypatch, tmp_path)
    folder = tmp_path / "for elsewhere"
    result = edgekit(model, "--handoff", folder, "--all-subgraphs", "--intermediate", "a b", compiler=False)
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in folder.iterdir()) == [
        "Containerfile",
        "compile.sh",
        "edgetpu_compiler",
        "net.tflite",
    ]
    recipe, script = (folder / "Containerfile").read_text(), (folder / "compile.sh").read_text()
    assert "coral-edgetpu-stable main" in recipe and "install -y --no-install-recommends edgetpu-compiler" in recipe
    assert script.rstrip().endswith("edgekit-edgetpu-compiler -s -a -i 'a b' ./net.tflite")
    assert (folder / "compile.sh").stat().st_mode & 0o111
    assert read_metadata(folder / "net.tflite").labels == ("cat", "dog")


def test_the_hand_off_script_is_valid_shell(monkeypatch, tmp_path, model):
    import subprocess

    named = model.with_name("it's a $(net).tflite")
    named.write_bytes(model.read_bytes())
    edgekit(named, "--handoff", tmp_path / "out", compiler=False)
    container = tmp_path / "container"
    container.write_text('#!/bin/sh\nprintf "%s|" "$@"\necho\n')
    container.chmod(0o755)
    script = str(tmp_path / "out" / "compile.sh")
    done = subprocess.run([script], env={"CONTAINER": str(container), "PATH": "/usr/bin:/bin"}, capture_output=True)
    build, run = done.stdout.decode().splitlines()
    assert done.returncode == 0 and build.startswith("build|--platform|linux/amd64|")
    assert run.endswith("|edgekit-edgetpu-compiler|-s|./it's a $(net).tflite|")


def test_the_hand_off_stand_in_works_as_a_compiler(runs, model, tmp_path, monkeypatch):
    """A container that is the replaying compiler: the stand-in's command line, its options dropped, reaches it."""
    edgekit(model, "--handoff", tmp_path / "out", compiler=False)
    container = tmp_path / "container"
    container.write_text(
        f'#!/bin/sh\nwhile [ "$1" != edgekit-edgetpu-compiler ]; do shift; done\nshift\nexec {FAKE_COMPILER} "$@"\n'
    )
    container.chmod(0o755)
    monkeypatch.setenv("CONTAINER", str(container))
    record(runs, compiled_model(tail=True), stdout=success_text(tail=True))
    result = CliRunner().invoke(main, ["compile", str(model), "--compiler", str(tmp_path / "out" / "edgetpu_compiler")])
    assert result.exit_code == 0, result.output
    assert read_metadata(model.with_name("net_edgetpu.tflite")).labels == ("cat", "dog")


def test_a_hand_off_that_cannot_be_written(tmp_path, model):
    (tmp_path / "file").write_text("")
    result = edgekit(model, "--handoff", tmp_path / "file", compiler=False)
    assert result.exit_code == 2 and "could not be made" in result.stderr
    assert edgekit(tmp_path / "absent.tflite", "--handoff", tmp_path / "x", compiler=False).exit_code == 2
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("options", [("--segments", "0"), ("--timeout", "0"), ("--intermediate", "nowhere")])
def test_impossible_options_are_told(runs, model, options):
    result = edgekit(model, *options)
    assert result.exit_code == 2
    assert "Error" in result.stderr
    assert "Traceback" not in result.output
