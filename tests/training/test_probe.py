"""Fitting the head and choosing its penalty, and the learning curve."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from edgekit.training import curve as curves
from edgekit.training import probe
from edgekit.training.curve import learning_curve
from edgekit.training.probe import PENALTIES, Choice, Training, choose, fit_head, step_count

CHOICE = Choice(1, 30.0, 0.0, 0.0)


def blobs(classes, each, width=8, *, apart=3.0, views=1, seed=0):
    """Normal features around a centre for each class; further views are the first with some noise."""
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), each)
    centres = np.random.default_rng(99).normal(0, apart, (classes, width))
    first = centres[labels] + random.normal(0, 1, (len(labels), width))
    shown = [first, *(first + random.normal(0, 0.1, first.shape) for _ in range(views - 1))]
    return Training(np.stack(shown, axis=1).astype(np.float32), labels, np.arange(len(labels)))


def test_the_head_says_what_scikit_learn_says():
    given = blobs(3, 40, apart=1.0)
    rows = given.features[:, 0]
    spread = np.sqrt(rows.var(axis=0).mean())
    model = LogisticRegression(C=30 / len(rows), tol=1e-6, max_iter=1000).fit(
        (rows - rows.mean(axis=0)) / spread, given.labels
    )
    expected = model.predict_proba((rows - rows.mean(axis=0)) / spread)
    np.testing.assert_allclose(fit_head(given, CHOICE).probabilities(rows), expected, atol=0.01)


def test_two_classes_make_two_outputs():
    given = blobs(2, 40)
    head = fit_head(given, CHOICE)
    assert head.weights.shape == (2, 8)
    assert (head.probabilities(given.features[:, 0]).argmax(axis=1) == given.labels).mean() > 0.95


def test_a_rare_class_counts_as_much_as_a_frequent_one():
    features = np.random.default_rng(0).normal(0, 1, (220, 1, 1)).astype(np.float32)
    labels = np.repeat([0, 1], [200, 20])
    features[labels == 1] += 1.0
    head = fit_head(Training(features, labels, np.arange(220)), CHOICE)
    equal = head.probabilities(np.array([[0.5]]))[0]  # halfway between the two
    assert equal[1] == pytest.approx(0.5, abs=0.1)


def test_a_scale_of_the_features_changes_nothing():
    given = blobs(3, 20, apart=1.0)
    larger = Training(given.features * 1000 + 5, given.labels, given.groups)
    one, other = fit_head(given, CHOICE), fit_head(larger, CHOICE)
    np.testing.assert_allclose(
        one.probabilities(given.features[:, 0]), other.probabilities(larger.features[:, 0]), atol=1e-3
    )


def test_a_depth_of_large_numbers_does_not_drown_one_of_small_numbers():
    told, noise = blobs(3, 20), blobs(3, 20, apart=0.0, seed=5)
    features = np.concatenate([1000 * noise.features, told.features], axis=2)
    given = Training(features, told.labels, told.groups, widths=(8, 8))
    assert (fit_head(given, CHOICE).probabilities(features[:, 0]).argmax(axis=1) == told.labels).mean() > 0.95


def test_features_that_never_change_are_borne():
    given = blobs(2, 10)
    still = np.concatenate([given.features, np.ones_like(given.features)], axis=2)
    head = fit_head(Training(still, given.labels, given.groups, widths=(8, 8)), CHOICE)
    assert np.isfinite(head.weights).all()
    nothing = fit_head(Training(np.ones((6, 1, 4), np.float32), np.arange(6) % 2, np.arange(6)), CHOICE)
    np.testing.assert_allclose(nothing.probabilities(np.ones((1, 4))), [[0.5, 0.5]], atol=1e-3)


def test_noise_asks_for_a_stronger_penalty_than_classes_far_apart():
    noise = choose(blobs(3, 30, width=40, apart=0.1), 1)
    clear = choose(blobs(3, 30, width=40, apart=3.0), 1)
    assert noise.penalty == PENALTIES[0] < clear.penalty
    assert noise.accuracy < 0.6 < 0.95 < clear.accuracy


def test_copies_of_an_image_are_never_on_both_sides_of_a_fold():
    noise = blobs(2, 30, width=60, apart=0.0)
    copied = Training(np.tile(noise.features, (4, 1, 1)), np.tile(noise.labels, 4), np.tile(noise.groups, 4))
    assert choose(copied, 1).accuracy < 0.75  # with copies on both sides it would be 1


def test_thousands_of_classes_are_fitted():
    given = blobs(2000, 5, width=64, apart=5.0)
    choice = choose(given, 1)
    head = fit_head(given, choice)
    assert np.isnan(choice.accuracy)  # what it is on some of the classes says nothing of all
    assert head.weights.shape == (2000, 64)
    assert (head.probabilities(given.features[:, 0]).argmax(axis=1) == given.labels).mean() > 0.9


def test_the_learning_curve_rises_and_says_what_twice_as_many_bring():
    given, judged = blobs(3, 40, width=60, apart=0.25), blobs(3, 100, width=60, apart=0.25, seed=7)
    features, right = judged.features[:, 0], fit_head(given, CHOICE).probabilities(judged.features[:, 0])
    curve = learning_curve(given, CHOICE, (features, judged.labels), right.argmax(axis=1) == judged.labels)
    assert [point.images for point in curve.points] == [15, 30, 60, 120]
    assert curve.points[0].top1 < curve.points[-1].top1 == (right.argmax(axis=1) == judged.labels).mean()
    assert curve.doubled is not None and curve.doubled.images == 240
    assert curve.points[-1].top1 < curve.doubled.top1 <= 1
    assert curve.doubled.interval[0] <= curve.doubled.top1 <= curve.doubled.interval[1]


def test_of_many_classes_the_learning_curve_costs_no_more_than_the_head(monkeypatch):
    given, work = blobs(120, 8), []

    def fit(part, choice, most_steps):
        work.append(len(part.labels) * min(most_steps, step_count(part, choice)))
        return fit_head(part, choice, 1)

    monkeypatch.setattr(probe, "_BUDGET", 4 * 100 * given.features.size * 120)
    monkeypatch.setattr(curves, "fit_head", fit)
    points = learning_curve(given, CHOICE, (given.features[:, 0], given.labels), np.ones(960, bool)).points
    assert [point.images for point in points] == [240, 480, 960]
    assert step_count(given, CHOICE) == 100
    assert 0 < sum(work) <= 960 * 100


def test_too_few_images_have_no_curve_to_follow():
    given, judged = blobs(2, 5), blobs(2, 3, seed=7)
    curve = learning_curve(given, CHOICE, (judged.features[:, 0], judged.labels), np.ones(6, bool))
    assert [point.images for point in curve.points] == [4, 10] and curve.doubled is None
