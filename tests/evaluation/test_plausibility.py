"""Alarms about accuracies that tell of a mistake in the set-up, and none about those that are merely low."""

import numpy as np
import pytest

from edgekit.evaluation.plausibility import Plausibility, alarms, plausibility


def said(pairs, outputs=5):
    return alarms(plausibility(pairs, outputs), "The model")


def answers(accuracy, classes=5, each=40, seed=0):
    """Pairs of a model that is right at this rate and guesses otherwise."""
    random = np.random.default_rng(seed)
    truths = np.repeat(np.arange(classes), each)
    guesses = random.integers(0, classes, truths.size)
    return list(zip(truths.tolist(), np.where(random.random(truths.size) < accuracy, truths, guesses).tolist()))


@pytest.mark.parametrize("accuracy", [0.25, 0.5, 0.9, 1.0])
def test_a_model_that_is_better_than_guessing_raises_no_alarm(accuracy):
    assert said(answers(accuracy)) == ()


def test_a_model_that_guesses_is_told():
    (alarm,) = said(answers(0.0))
    assert "which guessing reaches too" in alarm
    assert "--preprocess" in alarm


def test_always_naming_the_most_frequent_class_is_guessing():
    (alarm,) = said([(0, 0)] * 80 + [(1, 0)] * 20, 2)
    assert "right on 80.0 % of 100 images, which guessing reaches too (80.0 %)" in alarm


def test_a_model_that_beats_the_most_frequent_class_by_knowing_the_rare_one_is_not_guessing():
    assert said([(0, 0)] * 70 + [(0, 1)] * 10 + [(1, 1)] * 15 + [(1, 0)] * 5, 2) == ()


def test_outputs_in_another_order_are_told_with_what_the_right_order_would_give():
    turned = [(truth, (answer + 1) % 5) for truth, answer in answers(0.95)]
    (alarm,) = said(turned)
    assert "if its outputs are in another order than the classes" in alarm
    assert "--labels" in alarm


def test_images_of_one_class_are_judged_by_the_number_of_outputs():
    assert said([(0, 0)] * 20, 10) == ()
    assert len(said([(0, 1)] * 10 + [(0, 0)], 10)) == 1


def test_guessing_is_cohens_agreement_by_chance():
    pairs = [(0, 0)] * 3 + [(0, 1)] * 2 + [(1, 1)] * 4 + [(1, 0)]
    assert plausibility(pairs, 2).guessing == pytest.approx(0.5 * 0.4 + 0.5 * 0.6)


def test_few_images_raise_no_alarm_where_they_are_all_right():
    assert said([(0, 0), (1, 1), (2, 2), (3, 3)], 5) == ()


def test_nothing_is_said_without_images():
    assert plausibility([], 3) is None
    assert alarms(None, "The model") == ()


@pytest.mark.parametrize(
    ("right", "reordered", "images", "classes", "misordered"),
    [
        (50, 0.60, 100, 5, False),  # Wilson's intervals of 50 and of 60 in 100: 40.4–59.6 and 50.2–69.1
        (50, 0.75, 100, 5, True),  # 65.7–82.5
        (10, 0.49, 100, 5, False),  # fewer than half are right in any order
        (10, 0.50, 100, 5, True),
        (0, 1.0, 10, 5, True),
        (0, 1.0, 9, 5, False),  # with fewer than two images of a class each order has its model
    ],
)
def test_another_order_is_told_where_it_is_clearly_better(right, reordered, images, classes, misordered):
    assert Plausibility(right, images, 0.1, reordered, classes).misordered is misordered


def test_no_more_than_guessing_is_where_guessing_lies_within_the_interval():
    low = 0.4038315  # of Wilson's interval of 50 in 100, as scipy's binomtest(50, 100).proportion_ci gives it
    for guessing, at_chance in ((low - 1e-6, False), (low + 1e-6, True), (0.9, True)):
        assert Plausibility(50, 100, guessing, 0.5, 5).at_chance is at_chance


@pytest.mark.parametrize(("outputs", "guessing"), [(1, 0.5), (2, 0.5), (4, 0.25)])
def test_of_one_class_guessing_finds_one_in_as_many_as_there_are_outputs(outputs, guessing):
    assert plausibility([(0, 0), (0, 1)], outputs).guessing == guessing


def test_each_class_takes_the_free_output_that_it_was_named_most():
    """3 of class 0 as 1, 2 of class 1 as 1, 1 of class 1 as 0, 1 of class 2 as 0: 3 and 1 are right, of 7."""
    found = plausibility([(0, 1)] * 3 + [(1, 1)] * 2 + [(1, 0)] + [(2, 0)], 3)
    assert (found.right, found.reordered * found.images, found.classes) == (2, pytest.approx(4), 3)
