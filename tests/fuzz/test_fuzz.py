"""A short run of the fuzzer, as CONTRIBUTING has the long one, and that it notices what it is there to notice."""

import random

import pytest

from edgekit.tflite.reader import read_graph
from tests.fuzz.bytewise import damaged, damaged_json, damaged_text
from tests.fuzz.models import damaged_model
from tests.fuzz.run import fuzz
from tests.fuzz.worker import SHARES
from tests.support.every_op import every_op

_QUICK = [kind for kind in SHARES if kind not in ("keras", "savedmodel", "ranges")]  # those import TensorFlow


def test_damaged_files_and_requests_never_end_in_a_crash_a_traceback_or_a_hang():
    results = list(fuzz(seed=2024, numbers=list(range(60)), kinds=_QUICK))
    assert sorted(result["number"] for result in results) == list(range(60))
    assert [result for result in results if result["problem"]] == []


def test_a_process_that_ends_is_reported_and_the_run_goes_on():
    first, second = fuzz(seed=1, numbers=[0, 1], kinds=["a kind that there is not"])
    assert "CRASH: the process ended with 1" in first["problem"] and "KeyError" in first["problem"]
    assert second["number"] == 1


@pytest.mark.parametrize(
    "damage",
    [
        lambda chance: damaged(chance, b"TFL3" * 40),
        lambda chance: damaged_text(chance, "red\ngreen\nblue\n"),
        lambda chance: damaged_json(chance, {"a": [1, {"b": "c"}]}),
        lambda chance: damaged_model(chance, every_op()["SPLIT"]),
    ],
)
def test_the_same_seed_does_the_same_damage(damage):
    again = [[damage(random.Random(number)) for number in range(20)] for _ in range(2)]
    assert again[0] == again[1] and len(set(again[0])) > 10


def test_most_structural_damage_leaves_a_file_that_is_read():
    """Else the checks behind the reader would not be reached."""
    read = 0
    for number in range(100):
        try:
            read_graph(damaged_model(random.Random(number), every_op()["int8"]))
            read += 1
        except Exception:
            continue
    assert read > 50
