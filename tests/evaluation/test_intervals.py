"""Intervals of proportions, against SciPy's."""

import pytest
from scipy.stats import binomtest, norm

from edgekit.evaluation.intervals import Z95, wilson_interval


@pytest.mark.parametrize(
    ("successes", "trials"), [(0, 1), (1, 1), (0, 7), (7, 7), (5, 7), (99, 100), (1, 1000), (50, 99)]
)
@pytest.mark.parametrize("level", [0.95, 0.99])
def test_the_interval_is_wilsons(successes, trials, level):
    low, high = wilson_interval(successes, trials, norm.ppf((1 + level) / 2))
    expected = binomtest(successes, trials).proportion_ci(level, method="wilson")
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert 0 <= low <= high <= 1


def test_an_interval_is_one_of_95_percent_where_nothing_else_is_said():
    assert pytest.approx(norm.ppf(0.975), abs=1e-14) == Z95
    assert wilson_interval(5, 7) == wilson_interval(5, 7, Z95)


def test_a_proportion_never_leaves_what_a_proportion_can_be():
    for trials in range(1, 300):
        assert wilson_interval(0, trials)[0] >= 0 and wilson_interval(trials, trials)[1] <= 1


@pytest.mark.parametrize("trials", [0, -1])
def test_nothing_can_be_said_of_no_images(trials):
    with pytest.raises(ValueError, match="at least one image"):
        wilson_interval(0, trials)
