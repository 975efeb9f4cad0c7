"""docs/benchmarks.md is what `python -m benchmarks.page` writes of the results that are kept."""

import json

import pytest

from benchmarks.page import PAGE, PARTS, RESULTS, measure, named, render


def test_the_page_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == render(), "run: python -m benchmarks.page"


def test_results_belong_to_measurements_and_name_no_folders():
    results = sorted(RESULTS.glob("*.json"))
    assert results and {path.stem for path in results} <= set(PARTS)
    for path in results:
        result = json.loads(path.read_text(encoding="utf-8"))
        assert named(result["command"]) == result["command"] and named(result["output"]) == result["output"]


def test_a_measurement_that_fails_keeps_the_result_before_it(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.page.RESULTS", tmp_path)
    with pytest.raises(SystemExit, match="interval"):
        measure("interval", {"float": "none", "int8": "none", "judged": "none"})
    assert [*tmp_path.iterdir()] == []


def test_files_are_called_by_their_names():
    assert named("a /x/y/b.tflite  1 / 5\n/z/c") == "a b.tflite  1 / 5\nc"
