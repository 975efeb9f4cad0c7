import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.calibration import Ranges, choose_ranges, load_ranges, save_ranges
from edgekit.calibration.observe import Observations
from edgekit.errors import DataError, OutputError, UsageError

RANGES = Ranges({"input": (0.0, 255.0), "größe/ReLU;conv": (-1e-30, 0.1)}, "minmax", 12, "ab" * 32)

floats = st.floats(-3e38, 3e38)


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.text(), st.tuples(floats, floats).map(sorted).map(tuple)))
def test_what_is_saved_is_what_is_loaded(tmp_path_factory, bounds):
    path = tmp_path_factory.getbasetemp() / "ranges.json"
    ranges = Ranges(bounds, "minmax", 3, "cd")
    save_ranges(ranges, path)
    assert load_ranges(path) == ranges


def test_people_can_edit_it(tmp_path):
    path = tmp_path / "ranges.json"
    save_ranges(RANGES, path)
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) > 10
    document = json.loads(text)
    document["bounds"]["input"] = [0, 6]
    path.write_text(json.dumps(document))
    assert load_ranges(path).bounds["input"] == (0.0, 6.0)


def test_what_is_not_about_bounds_may_be_missing(tmp_path):
    path = tmp_path / "ranges.json"
    for pictures in ("many", None, [], 1.5):
        path.write_text(json.dumps({"format": "edgekit-ranges", "pictures": pictures, "bounds": {"a": [0, 1]}}))
        assert (load_ranges(path).bounds, load_ranges(path).pictures) == ({"a": (0.0, 1.0)}, 0)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "holds no ranges"),
        (b'"edgekit-ranges"', "holds no ranges"),
        (b'{"bounds": {}}', "holds no ranges"),
        (b'{"format": "edgekit-ranges"}', "holds no ranges"),
        (b'{"format": "edgekit-ranges", "bounds": []}', "holds no ranges"),
    ],
)
def test_no_ranges(tmp_path, content, reason):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(DataError, match=reason):
        load_ranges(tmp_path / "a.json")


@pytest.mark.parametrize(
    "bound",
    [
        *("[2, 1]", "[1]", "[0, 1, 2]", "[]", "{}", "5", "null", '"0 1"', '["0", "1"]', "[null, 1]"),
        *("[NaN, 1]", "[0, Infinity]", "[0, 1e300]", "[0, 1" + 400 * "0" + "]"),
    ],
)
def test_bounds_that_are_no_range_are_named(tmp_path, bound):
    text = '{"format": "edgekit-ranges", "bounds": {"first": [0, 1], "second": BOUND}}'
    (tmp_path / "a.json").write_text(text.replace("BOUND", bound))
    with pytest.raises(DataError, match=r"'second' is not a pair \[low, high\]"):
        load_ranges(tmp_path / "a.json")


def test_no_file_and_a_folder(tmp_path):
    with pytest.raises(DataError, match="No such file"):
        load_ranges(tmp_path / "none.json")
    with pytest.raises(DataError, match="directory"):
        load_ranges(tmp_path)


def test_a_place_that_cannot_be_written(tmp_path):
    with pytest.raises(OutputError):
        save_ranges(RANGES, tmp_path / "none" / "a.json")


def test_no_such_method():
    with pytest.raises(UsageError, match="no range method 'mimax'") as caught:
        choose_ranges(Observations({}, 1, ""), "mimax")
    assert "minmax" in caught.value.hint
