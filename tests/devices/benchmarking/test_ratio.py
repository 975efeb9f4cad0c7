"""Intervals of medians and ratios, against scipy and against what they promise."""

import numpy as np
import pytest

from edgekit.devices.benchmarking.ratio import median_interval, paired_ratio, unpaired_ratio


@pytest.mark.parametrize("count", [6, 7, 10, 25, 50, 101])
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.975])
def test_the_interval_of_a_median_is_scipys(count, confidence):
    stats = pytest.importorskip("scipy.stats")
    values = np.random.default_rng(count).exponential(size=count)
    expected = stats.quantile_test(values).confidence_interval(confidence)
    if np.isnan([expected.low, expected.high]).any():  # too few values for so much confidence
        expected = (values.min(), values.max())
    assert median_interval(values, confidence) == pytest.approx(tuple(expected))


@pytest.mark.parametrize("draw", ["exponential", "standard_cauchy", "standard_normal"])
def test_the_interval_holds_the_median_in_95_of_100(draw):
    random = np.random.default_rng(0)
    median = {"exponential": np.log(2), "standard_cauchy": 0.0, "standard_normal": 0.0}[draw]
    intervals = [median_interval(getattr(random, draw)(size=25)) for _ in range(2000)]
    assert np.mean([low <= median <= high for low, high in intervals]) > 0.94


def test_what_drifts_alike_leaves_a_paired_ratio_alone():
    random = np.random.default_rng(0)
    drift = np.linspace(1, 3, 25)  # the processor grows hot
    first, second = (drift * random.normal(1, 0.01, 25) for _ in range(2))
    paired, apart = paired_ratio(1.05 * second, first), unpaired_ratio(1.05 * second, first)
    assert 1 < paired.interval[0] < 1.05 < paired.interval[1]
    assert apart.interval[0] < 1 < apart.interval[1]


def test_the_ratio_of_separate_runs_holds_the_truth():
    random = np.random.default_rng(0)
    found = [unpaired_ratio(1.2 * random.gamma(50, size=25), random.gamma(50, size=25)) for _ in range(500)]
    assert np.mean([each.interval[0] <= 1.2 <= each.interval[1] for each in found]) > 0.95
    assert all(each.interval[0] <= each.value <= each.interval[1] for each in found)


@pytest.mark.parametrize(("count", "ends"), [(1, (0, 0)), (5, (0, 4)), (6, (0, 5)), (25, (7, 17))])
def test_unless_it_is_said_the_interval_holds_the_median_in_95_of_100(count, ends):
    """Of 25 values it goes from the 8th to the 18th (Conover's table of the sign test); 6 are the least for 95 %."""
    assert median_interval(np.arange(count)) == ends
    assert median_interval(np.arange(count), 0.95) == ends


def test_a_ratio_is_of_the_times_to_the_reference():
    found = paired_ratio(np.array([6.0, 2.0, 12.0]), np.array([2.0, 1.0, 3.0]))  # 3, 2 and 4 times as long
    assert (found.value, found.interval) == (3, (2, 4))
    apart = unpaired_ratio(np.array([9.0, 3.0, 6.0]), np.array([2.0, 8.0, 4.0]))  # medians 6 and 4
    assert (apart.value, apart.interval) == (1.5, (3 / 8, 9 / 2))


def test_each_of_two_medians_runs_is_held_with_97_and_a_half_percent():
    """Of 9 values only the lowest and the highest do; the second from either end hold a median with 96.1 % alone."""
    found = unpaired_ratio(np.arange(1.0, 10.0), np.ones(9))
    assert (found.value, found.interval) == (5, (1, 9))
    assert median_interval(np.arange(1.0, 10.0)) == (2, 8)


def test_a_confidence_that_is_reached_exactly_is_enough():
    """Of 4 values two lie below the median in 6 of 16 cases: then it is between the second and the third."""
    assert median_interval(np.arange(4), 6 / 16) == (1, 2)
    assert median_interval(np.arange(4), 6 / 16 + 1e-9) == (0, 3)
