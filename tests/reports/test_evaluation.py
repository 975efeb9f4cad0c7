import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from edgekit.calibration.class_matching import Matching, Way
from edgekit.calibration.labelled import Labelled
from edgekit.evaluation.accuracy import summarize
from edgekit.evaluation.answers import Answer
from edgekit.reports.evaluation import confusion_to_csv, evaluation_to_json, to_junit

BY_NAME = Matching((Way((0, 1), "by name"),))

IMAGES = Labelled(Path("."), tuple("abcdef"), (0, 0, 0, 1, 1, 1), BY_NAME)
ANSWERS = [Answer((0, 1)), Answer((1, 0)), Answer((1, 0)), Answer((1, 0)), Answer((1, 0)), Answer((), "is broken")]


@pytest.fixture
def evaluation():
    return summarize(IMAGES, ANSWERS, ("cat", 'a "dog", so'), 2)


def test_json_holds_the_figures_under_their_promised_names(evaluation):
    document = json.loads(json.dumps(evaluation_to_json(evaluation)))
    assert (document["images"], document["top1"], document["top5"]) == (5, 0.6, 1.0)
    low, high = document["top1_interval"]
    assert low < 0.6 < high
    assert sum(entry["images"] for entry in document["confusion"]) == 5
    assert document["classes"][0]["label"] == "cat"
    assert document["skipped"] == [{"image": "f", "reason": "is broken"}]


def test_the_confusion_matrix_reads_back_from_csv(evaluation):
    rows = list(csv.DictReader(io.StringIO(confusion_to_csv(evaluation))))
    found = {(row["truth"], row["answer"]): int(row["images"]) for row in rows}
    assert found == {("cat", "cat"): 1, ("cat", 'a "dog", so'): 2, ('a "dog", so',) * 2: 2}


@pytest.mark.parametrize(("asked", "met"), [(None, True), (0.6, True), (0.0, True), (0.6001, False), (1.0, False)])
def test_the_demand_is_met_at_exactly_its_limit(evaluation, asked, met):
    assert (evaluation.unmet(asked) is None) is met


def test_a_quotient_at_the_limit_is_met():
    answers = [Answer((int(n >= 29),)) for n in range(100)]  # 29/100 is no binary fraction
    images = Labelled(Path("."), tuple(map(str, range(100))), (0,) * 100, BY_NAME)
    assert summarize(images, answers, (), 2).unmet(29 / 100) is None


def test_junit_fails_the_gate_and_skips_broken_images(evaluation):
    suite = ElementTree.fromstring(to_junit(evaluation, "m.tflite", 0.9))
    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "2",
        "failures": "1",
        "errors": "0",
        "skipped": "1",
    }
    assert "60.0%" in suite.find("testcase/failure").get("message")
    assert suite.find("testcase/skipped").get("message") == "is broken"
    assert ElementTree.fromstring(to_junit(evaluation, "m", 0.5)).get("failures") == "0"
    assert ElementTree.fromstring(to_junit(evaluation, "m")).find("testcase").get("name") == "top-1"


def test_junit_survives_names_that_xml_cannot_hold(evaluation):
    strange = replace(evaluation, skipped={"a\x00\x1b<&>\udcff\ufffe.png": "\x08"})
    suite = ElementTree.fromstring(to_junit(strange, "m\x01.tflite").encode("utf-8"))
    assert suite.findall("testcase")[1].get("name") == "a\ufffd\ufffd<&>\ufffd\ufffd.png"
