"""An earlier run's document, and what became slower since."""

import json

import numpy as np
import pytest

from edgekit.devices.benchmarking.baseline import Baseline, Slowdown, Timed, read_baseline, slowdowns, unmet
from edgekit.devices.benchmarking.ratio import Ratio
from edgekit.errors import DataError

BLOCKS = np.linspace(1.0, 2.0, 25)


def measured(model="net.tflite", device="cpu", threads=1, factor=1.0):
    return Timed(f"/models/{model}", device, threads, BLOCKS * factor)


def write(tmp_path, **change):
    row = {"model": "/elsewhere/net.tflite", "device": "cpu", "threads": 1, "blocks_ms": BLOCKS.tolist(), **change}
    path = tmp_path / "before.json"
    path.write_text(json.dumps({"results": [row], "machine": {"processor": "A1"}}))
    return str(path)


def test_a_document_is_read_by_the_models_file_name(tmp_path):
    found = read_baseline(write(tmp_path))
    assert (found.processor, list(found.blocks)) == ("A1", [("net.tflite", "cpu", 1)])
    np.testing.assert_array_equal(found.blocks["net.tflite", "cpu", 1], BLOCKS)


@pytest.mark.parametrize(
    ("blocks", "sound"),
    [([0.5], True), ([1e-9, 2], True), ([], False), ([0.0], False), ([-1], False), ([[1.0]], False), (3.0, False)],
)
def test_times_are_lists_of_numbers_above_zero(tmp_path, blocks, sound):
    path = write(tmp_path, blocks_ms=blocks)
    if sound:
        assert len(read_baseline(path).blocks) == 1
    else:
        with pytest.raises(DataError, match="no document of edgekit benchmark"):
            read_baseline(path)


def baseline(*keys):
    return Baseline("before.json", "A1", dict.fromkeys(keys, BLOCKS))


@pytest.mark.parametrize(
    ("keys", "measurements", "ratios"),
    [
        ([("net.tflite", "cpu", 1)], [{}], [1]),
        ([("other.tflite", "cpu", 1)], [{"factor": 3}], [3]),  # one of each: the name does not matter
        ([("other.tflite", "cpu", 2)], [{}], []),
        ([("other.tflite", "usb:0", 1)], [{}], []),
        ([("other.tflite", "cpu", 1), ("net.tflite", "cpu", 1)], [{"factor": 2}], [2]),
        ([("other.tflite", "cpu", 1), ("more.tflite", "cpu", 1)], [{}], []),
        ([("other.tflite", "cpu", 1)], [{}, {"threads": 2}], []),
        ([("net.tflite", "cpu", 1)], [{"factor": 2}, {"threads": 2}], [2]),
    ],
)
def test_measurements_meet_those_of_their_name_device_and_threads(keys, measurements, ratios):
    found = [measured(**each) for each in measurements]
    if ratios:
        assert [each.ratio.value for each in slowdowns(found, baseline(*keys))] == pytest.approx(ratios)
    else:
        with pytest.raises(DataError, match="none of what was measured"):
            slowdowns(found, baseline(*keys))


@pytest.mark.parametrize(
    ("ratios", "told"),
    [
        ([1.0], None),
        ([1.1], None),
        ([0.5, 1.1], None),
        ([1.11], "1.110 times"),
        ([1.2, 1.5, 1.3], "1.500 times"),
        ([0.2], None),
    ],
)
def test_the_worst_of_what_is_beyond_the_limit_is_told(ratios, told):
    found = [Slowdown(measured(), Ratio(value, (value - 0.01, value + 0.01))) for value in ratios]
    answer = unmet(found, 0.1000001)
    assert answer is None if told is None else told in answer and "at most 1.1" in answer
