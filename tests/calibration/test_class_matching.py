"""Which output each class is: one rule for every command, told in words."""

import numpy as np
import pytest

from edgekit.calibration import open_samples
from edgekit.calibration.class_matching import Matching, Way, match_classes, match_samples
from edgekit.errors import DataError
from edgekit.preprocess import InputSpec
from tests.support.colours import NAMES, folder

SYNSETS = [f"n{number:08d}" for number in range(1000)]
SPEC = InputSpec(8, 8)


def match(names, labels=(), outputs=3, **options):
    return match_classes(names, labels, outputs, what="classes", **options)


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        (["blue", "red"], NAMES),
        (["BLUE", " red"], NAMES),
        (["sky_blue", "dark-red"], ("dark red", "x", "Sky Blue")),
        (["Zu\u0308rich", "café"], ("caf\u00e9", "x", "z\u00fcrich")),
        (["2", "0"], ("0", "1", "2")),
    ],
)
def test_classes_are_matched_by_name_first(names, labels):
    (way,) = match(names, labels).ways
    assert way.outputs == (2, 0)
    assert "by name" in way.how


def test_numbers_are_output_indices_not_positions():
    (way,) = match(["10", "2", "007"], NAMES, 11).ways
    assert way.outputs == (10, 2, 7)


def test_sorted_order_stands_for_a_model_without_names():
    matching = match(["tulip", "daisy", "rose"])
    assert [way.outputs for way in matching.ways] == [(2, 0, 1)]
    assert matching.labels == ("daisy", "rose", "tulip")


@pytest.mark.parametrize(("outputs", "background"), [(1000, False), (1001, True)])
def test_synsets_are_numbered_in_sorted_order(outputs, background):
    ways = match(SYNSETS[::-1], [f"name {i}" for i in range(outputs)], outputs).ways
    assert [way.outputs[SYNSETS[::-1].index("n00000007")] for way in ways] == ([7, 8] if background else [7])


@pytest.mark.parametrize(
    ("numbers", "outputs", "background"),
    [(["0", "999"], 1001, True), (["1", "1000"], 1001, False), (["0", "1"], 3, False), (["0", "999"], 1000, False)],
)
def test_only_numbers_of_a_thousand_may_leave_out_the_background(numbers, outputs, background):
    assert [way.offset for way in match(numbers, (), outputs).ways] == ([0, 1] if background else [0])


NUMBERS = sorted(map(str, range(12)))  # "10" stands before "2"


@pytest.mark.parametrize("named", ["0 to 11", "text"])
def test_the_answers_tell_whether_numbered_folders_are_numbers_or_were_sorted_as_text(named):
    outputs = [int(name) for name in NUMBERS] if named == "0 to 11" else list(range(12))
    way = match(NUMBERS, (), 12).settle(zip(range(12), outputs))
    assert way.outputs == tuple(outputs)
    assert ("sorted as text" in way.how) is (named == "text")


def test_numbers_in_a_table_were_never_sorted_as_text():
    assert [way.outputs for way in match(NUMBERS, (), 12, are_folders=False).ways] == [tuple(map(int, NUMBERS))]


def test_numbers_may_count_from_one_where_all_of_them_are_there():
    (way,) = match(["1", "2", "3"]).ways
    assert way.outputs == (0, 1, 2)
    assert "from 1" in way.how


def test_the_likelier_way_wins_where_the_answers_tell_nothing():
    first, second = Way((0, 1), "first"), Way((1, 0), "second")
    assert Matching((first, second)).settle([]) is first
    assert Matching((first, second)).settle([(0, 1)]) is second
    assert Matching().settle([(0, 1)]) is None


@pytest.mark.parametrize(
    ("names", "labels", "outputs", "message"),
    [
        (["red", "pink"], NAMES, 3, "1 of the 2 classes are none of the model's labels: 'pink'"),
        (["a", "b"], (), 5, "cannot be matched to the model's 5 outputs"),
        (SYNSETS[:10], (), 1000, "synsets"),
        (SYNSETS, (), 5, "synsets"),
        (["0", "3"], (), 3, "go up to 3"),
        (["crane"], ("crane", "x", "Crane"), 3, "several outputs: 0, 2"),
        (["²"], (), 3, "cannot be matched"),
    ],
)
def test_what_cannot_be_matched_is_refused_with_advice(names, labels, outputs, message):
    with pytest.raises(DataError, match=message) as refusal:
        match(names, labels, outputs)
    assert refusal.value.hint


def test_images_from_folders_say_how_they_were_matched_or_why_not(tmp_path):
    images = open_samples(folder(tmp_path, {"cats": "r", "dogs": "g"}), SPEC)
    assert match_samples(images, ("Dogs", "Cats"), 2).ways[0].outputs == (1, 0)
    unmatched = match_samples(images, ("Cat", "Dog"), 2)
    assert unmatched.ways == ()
    assert unmatched.why_not == "2 of the 2 class folders are none of the model's labels: 'cats', 'dogs'"
    assert match_samples(images, (), 1).ways[0].outputs == (0, 1)  # a sigmoid tells two classes apart


def test_labels_of_an_array_are_the_numbers_of_the_outputs(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros((3, 8, 8, 3), np.uint8), y=[0, 2, 2])
    images = open_samples(tmp_path / "a.npz", SPEC)
    assert match_samples(images, ("x", "y", "z"), 3).ways[0].outputs == (0, 1, 2)
    assert "go up to 2" in match_samples(images, (), 2).why_not


def test_images_without_classes_say_so():
    images = open_samples(None, SPEC, count=2)
    assert match_samples(images, NAMES, 3).why_not == "the classes of the images are not known"
