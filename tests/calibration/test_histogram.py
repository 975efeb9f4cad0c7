import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.calibration.histogram import SIDE_BINS, histogram, merge, tail_values

values = st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=50).map(lambda v: np.array(v, np.float32))


def counted(array):
    return histogram(array, float(np.abs(array).max()))


@given(values)
def test_every_value_lies_in_its_bin(array):
    found = counted(array)
    assert found.counts.sum() == array.size
    edges = np.arange(-SIDE_BINS, SIDE_BINS + 1) * found.width
    expected, _ = np.histogram(array.astype(np.float64), edges)
    # numpy puts a value on the last edge into the last bin, and float32 takes what is next to nothing for 0.
    doubtful = (np.abs(array) == np.abs(array).max()) | (np.abs(array) < np.finfo(np.float32).tiny)
    assert np.abs(np.cumsum(found.counts) - np.cumsum(expected)).max() <= doubtful.sum()


#: What float32 can only hold with fewer digits is lost on the way to its bin.
normal = st.lists(st.floats(-1e6, 1e6, width=32, allow_subnormal=False), min_size=1, max_size=50).map(
    lambda v: np.array(v, np.float32)
)


@given(normal, normal)
def test_merging_is_counting_together_in_any_order(first, second):
    one, other = merge(counted(first), counted(second)), merge(counted(second), counted(first))
    together = counted(np.concatenate([first, second]))
    assert one.exponent == other.exponent == together.exponent
    np.testing.assert_array_equal(one.counts, other.counts)
    np.testing.assert_array_equal(one.counts, together.counts)


@given(values)
def test_values_are_half_a_bin_from_its_centre_at_most(array):
    found = counted(array)
    assert np.repeat(found.centres, found.counts) == pytest.approx(np.sort(array), abs=0.51 * found.width)
    assert found.centres.shape == found.counts.shape == (2 * SIDE_BINS,)
    assert found.centres[SIDE_BINS] == found.width / 2 == -found.centres[SIDE_BINS - 1]


@pytest.mark.parametrize("magnitude", [1.0, 0.999, 1.001, 3e38, 1e-20])
def test_the_largest_value_lies_in_the_outer_half(magnitude):
    found = histogram(np.array([magnitude, -magnitude], np.float32), magnitude)
    filled = np.flatnonzero(found.counts)
    assert filled[-1] >= SIDE_BINS + SIDE_BINS // 2 and filled[0] < SIDE_BINS // 2 + 1
    assert found.counts.sum() == 2


def test_widening_by_far_leaves_two_bins():
    merged = merge(counted(np.array([-1e-6, 1e-6], np.float32)), counted(np.array([1e6], np.float32)))
    assert merged.counts[[SIDE_BINS - 1, SIDE_BINS]].tolist() == [1, 1]
    assert merged.counts.sum() == 3


def test_zeros_only():
    assert histogram(np.zeros(5, np.float32), 0.0).counts[SIDE_BINS] == 5


@pytest.mark.parametrize("part", [0.001, 0.01, 0.2])
def test_tails_are_quantiles_to_within_a_bin(part):
    array = np.random.default_rng(0).normal(size=10_000).astype(np.float32)
    found = counted(array)
    below, above = tail_values(found, np.array([part]))
    assert below[0] == pytest.approx(np.quantile(array, part), abs=2 * found.width)
    assert above[0] == pytest.approx(np.quantile(array, 1 - part), abs=2 * found.width)


@pytest.mark.parametrize("magnitude", [0.0, 1e-38, 1e-45])
def test_the_finest_bins_are_those_whose_inverse_float32_can_hold_with_all_its_digits(magnitude):
    found = histogram(np.array([0.0], np.float32), magnitude)
    assert found.exponent == -100 and np.float32(2.0**100) == 2.0**100
    assert found.counts[SIDE_BINS] == 1 == found.counts.sum()


@pytest.mark.parametrize(("magnitude", "exponent"), [(1.0, -9), (1.999, -9), (2.0, -8), (0.5, -10), (1000.0, 0)])
def test_bins_are_as_fine_as_1024_on_either_side_allow(magnitude, exponent):
    assert histogram(np.array([magnitude], np.float32), magnitude).exponent == exponent
