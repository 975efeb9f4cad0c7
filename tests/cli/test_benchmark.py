"""`edgekit benchmark`: its table, its document, its examples, and the comparison with an earlier run."""

import json
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from edgekit.cli import main
from edgekit.reports.page import render
from tests.support.build import colour_model

PAGE = Path(__file__).parents[2] / "docs" / "benchmark.md"


def edgekit(*arguments):
    return CliRunner().invoke(main, ["benchmark", *map(str, arguments)])


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("model", "float", "int8"):
        (tmp_path / f"{name}.tflite").write_bytes(colour_model())
    return tmp_path


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """The document of a run, measured once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("measured"))
        Path("model.tflite").write_bytes(colour_model())
        return json.loads(edgekit("model.tflite", "--runs", 25, "--json").stdout)


@pytest.fixture
def baseline(here, measured):
    """The document of a run, written; and a function that writes it anew with all times multiplied."""

    def write(factor=1.0, **changes):
        changed = json.loads(json.dumps(measured))
        for row in changed["results"]:
            row["blocks_ms"] = [factor * value for value in row["blocks_ms"]]
            row.update(changes)
        (here / "baseline.json").write_text(json.dumps(changed))
        return measured

    write()
    return write


def test_the_document_holds_every_figure(here):
    result = edgekit("float.tflite", "int8.tflite", "--threads", "1", "--runs", 50, "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    document = json.loads(result.stdout)
    assert document["machine"].keys() >= {"processor", "cores", "governors", "load", "interpreter"}
    first, second = document["results"]
    for row in (first, second):
        assert row["inference_ms"]["p50"] <= row["inference_ms"]["p95"] <= row["inference_ms"]["p99"]
        assert min(row["load_ms"], row["first_ms"], row["preprocess_ms"], row["postprocess_ms"]) > 0
        assert (row["threads"], row["device"], row["runs"], len(row["blocks_ms"])) == (1, "cpu", 50, 25)
    assert (first["ratio"], first["ratio_interval"], first["slowdown"]) == (1, [1, 1], None)
    low, high = second["ratio_interval"]
    assert 0 < low <= second["ratio"] <= high
    assert document["accepted"] is True


def test_a_missing_device_is_named_and_the_others_are_measured(here):
    result = edgekit("model.tflite", "--device", "cpu,usb", "--runs", 25, "--json")
    document = json.loads(result.stdout)
    assert (result.exit_code, result.stderr) == (2, "")
    assert [row["device"] for row in document["results"]] == ["cpu"]
    (failed,) = document["failed"]
    assert (failed["model"], failed["device"], failed["error"]) == ("model.tflite", "usb", "UsageError")
    assert any(note.startswith("model.tflite on usb could not be timed.") for note in document["notes"])
    plain = edgekit("model.tflite", "--device", "cpu,usb", "--runs", 25)
    assert plain.exit_code == 2 and "model.tflite on usb could not be timed." in plain.output


def test_a_report_is_what_the_document_makes(here):
    pytest.importorskip("jinja2")
    document = json.loads(edgekit("model.tflite", "--runs", 25, "--report", "times.html", "--json").stdout)
    assert (here / "times.html").read_text(encoding="utf-8") == render([document])
    refused = edgekit("model.tflite", "--report", "no/such/folder/times.html")
    assert refused.exit_code == 2 and "Machine" not in refused.output


def test_the_table_has_a_row_for_each(here):
    result = edgekit("float.tflite", "int8.tflite", "--runs", 25)
    assert result.exit_code == 0
    rows = [line.split() for line in result.output.splitlines() if line.startswith(("  float", "  int8"))]
    assert [row[:2] for row in rows] == [["float.tflite", "cpu"], ["int8.tflite", "cpu"]]
    assert rows[0][-1] == "1" and re.fullmatch(r"\(\d+\.\d{3}–\d+\.\d{3}\)", rows[1][-1])


@pytest.mark.parametrize(("factor", "code"), [(0.001, 1), (1000, 0)])
def test_a_model_that_became_slower_than_allowed_is_exit_code_1(baseline, factor, code):
    baseline(factor)
    result = edgekit("model.tflite", "--runs", 25, "--against", "baseline.json", "--max-slowdown", "5%")
    assert result.exit_code == code
    assert ("at most 1.05 is allowed" in result.output) == bool(code)
    document = json.loads(
        edgekit("model.tflite", "--runs", 25, "--against", "baseline.json", "--max-slowdown", "5%", "--json").stdout
    )
    assert document["accepted"] == (code == 0)
    assert (document["results"][0]["slowdown"] > 1.05) == bool(code)


def test_a_lone_model_is_compared_whatever_its_name(baseline):
    baseline(1, model="elsewhere/older.tflite")
    assert edgekit("model.tflite", "--runs", 25, "--against", "baseline.json").exit_code == 0


def test_another_machine_is_said(baseline, here):
    document = baseline()
    document["machine"]["processor"] = "Abacus"
    (here / "baseline.json").write_text(json.dumps(document))
    assert "another machine: Abacus" in edgekit("model.tflite", "--runs", 25, "--against", "baseline.json").output


def test_a_baseline_without_the_device_is_refused(baseline):
    baseline(1, device="usb:0")
    result = edgekit("model.tflite", "--runs", 25, "--against", "baseline.json")
    assert result.exit_code == 2 and "model.tflite on usb:0" in result.output


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "null", '{"machine": {"processor": ""}, "results": []}', "[" * 100_000, "\udcff"]
)
def test_what_is_no_baseline_is_refused_before_anything_runs(here, text):
    (here / "baseline.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    result = edgekit("missing.tflite", "--against", "baseline.json", "--json")
    assert (result.exit_code, json.loads(result.stdout)["error"]) == (2, "DataError")


@pytest.mark.parametrize(
    "arguments",
    [["--threads", "few"], ["--threads", "1,"], ["--threads", "0"], ["--device", "cpu,"], ["--max-slowdown", "5%"]],
)
def test_wrong_requests_are_told_in_words(here, arguments):
    result = edgekit("model.tflite", *arguments, "--json")
    assert (result.exit_code, json.loads(result.stdout)["error"]) == (2, "UsageError")


def test_the_examples_of_the_help_run_in_order(here):
    lines = main.get_command(None, "benchmark").help.partition("Examples:")[2].split("\n")
    examples = [line.strip() for line in lines if line.strip() and "--adb" not in line]
    assert len(examples) >= 4
    for example in examples:
        command, _, target = example.partition(" > ")
        result = edgekit(*shlex.split(command)[2:], "--runs", "25")
        # How fast one block of a model this small runs is chance.
        assert result.exit_code in ((0, 1) if "--max-slowdown" in command else (0,)), result.output
        if target:
            (here / target).write_text(result.stdout)


def shape(line):
    """A line without figures, and without the spaces that depend on their width."""
    return re.sub(r"[\d.]+(?:[KM]iB|e[-+]\d+)?", "#", " ".join(line.split()))


def test_the_transcript_has_the_lines_that_the_command_prints(here):
    block = re.search(r"^```\n\$ edgekit benchmark (.*?)\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    result = edgekit(*shlex.split(block[1]), "--runs", "25")
    printed = [shape(line) for line in result.output.splitlines()]
    machine = ("Machine", "Governor", "Load", "Note", "Runs")
    for line in block[2].splitlines():
        assert line.startswith(machine) or shape(line) in printed
