import numpy as np
import pytest

from edgekit.evaluation.diagnosis import (
    CLIPPED,
    DISPARITY,
    FIXED,
    QUANTIZATION_NOISE,
    TOO_WIDE,
    WEIGHTS,
    Errors,
    diagnose,
)
from edgekit.evaluation.intervals import wilson_interval


def errors(*, local=10.0, clipped=0.0, rounded=0.0, local_signal=100.0, count=100, channels=((-1.0,), (1.0,))):
    return Errors(1.0, 1.0, local_signal, local, clipped, rounded, count, np.array(channels))


@pytest.mark.parametrize(
    ("clipped", "rounded", "cause", "share"),
    [
        (6.0, 1.0, CLIPPED, 0.6),
        (1.0, 6.0, QUANTIZATION_NOISE, 0.6),
        (1.0, 2.0, WEIGHTS, 0.7),
        (4.0, 3.0, CLIPPED, 0.4),
        (3.0, 3.0, WEIGHTS, 0.4),
        (0.0, 0.0, WEIGHTS, 1.0),
        (10.0, 0.0, CLIPPED, 1.0),
        (12.0, 0.0, CLIPPED, 1.0),  # parts may exceed the whole where they work against each other
    ],
)
def test_the_largest_part_of_the_error_is_its_cause(clipped, rounded, cause, share):
    found = diagnose(errors(clipped=clipped, rounded=rounded), 2.0, "CONV_2D")
    assert found == (cause, pytest.approx(share))


def test_a_layer_without_error_has_only_noise():
    assert diagnose(errors(local=0.0), 2.0, "CONV_2D") == (QUANTIZATION_NOISE, 0.0)
    assert diagnose(errors(local=0.0), 2.0, "SOFTMAX") == (QUANTIZATION_NOISE, 0.0)


@pytest.mark.parametrize("opcode", ["LOGISTIC", "SOFTMAX", "TANH", "L2_NORMALIZATION"])
def test_ops_whose_range_the_format_fixes_are_told_apart(opcode):
    assert diagnose(errors(clipped=10.0), 2.0, opcode) == (FIXED, 1.0)


@pytest.mark.parametrize(("span", "cause"), [(15.9, QUANTIZATION_NOISE), (16.0, QUANTIZATION_NOISE), (16.1, TOO_WIDE)])
def test_a_range_of_more_than_16_times_the_values_is_too_wide(span, cause):
    """100 values with a power of 100 have a root mean square of 1."""
    assert diagnose(errors(rounded=10.0), span, "CONV_2D")[0] == cause
    assert diagnose(errors(rounded=10.0, local_signal=400.0), 2 * span, "CONV_2D")[0] == cause


@pytest.mark.parametrize(
    ("channels", "cause"),
    [
        (((-4.0, -0.5, -0.5), (4.0, 0.5, 0.5)), QUANTIZATION_NOISE),  # 8 times the middle channel's span
        (((-4.1, -0.5, -0.5), (4.0, 0.5, 0.5)), DISPARITY),
        (((0.0, 0.0, 8.0), (1.0, 1.0, 9.0)), DISPARITY),  # equally wide, and far apart
        (((-4.1, -4.1, -0.1), (4.0, 4.0, 0.1)), QUANTIZATION_NOISE),  # only few are small
        (((-4.0,), (4.0,)), QUANTIZATION_NOISE),
    ],
)
def test_channels_of_very_different_size_are_told(channels, cause):
    assert diagnose(errors(rounded=10.0, channels=channels), 9.0, "CONV_2D")[0] == cause


def test_errors_of_images_add_up_and_channels_keep_their_extremes():
    one = Errors(1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7, np.array([[-1.0, 0.0], [1.0, 5.0]]))
    other = Errors(10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70, np.array([[0.0, -2.0], [3.0, 1.0]]))
    both = one + other
    assert (both.signal, both.accumulated, both.local_signal) == (11.0, 22.0, 33.0)
    assert (both.local, both.clipped, both.rounded, both.count) == (44.0, 55.0, 66.0, 77)
    assert both.channels.tolist() == [[-1.0, -2.0], [3.0, 5.0]]


def test_a_remedy_leaves_out_what_the_conversion_tried():
    assert CLIPPED.remedy() == "a wider range: --ranges minmax; or calibrate on more images like these"
    after = CLIPPED.remedy({"minmax", "mse"})
    assert after.startswith("calibrate on more images like these (") and "minmax" in after and "--ranges" not in after
    assert TOO_WIDE.remedy({"mse"}) == TOO_WIDE.remedy()  # the other method is left to try
    assert TOO_WIDE.remedy({"mse", "percentile"}).startswith("none: the conversion tried mse, percentile")
    assert "--" not in DISPARITY.remedy({"split-swish", "percentile"})
    assert QUANTIZATION_NOISE.remedy({"minmax"}) == QUANTIZATION_NOISE.remedy() == "none within 8 bits"


@pytest.mark.parametrize(("successes", "trials"), [(0, 1), (0, 50), (1, 1), (50, 50)])
def test_the_interval_of_a_proportion_stays_within_0_and_1(successes, trials):
    low, high = wilson_interval(successes, trials)
    assert 0 <= low <= successes / trials <= high <= 1
    assert (low == 0) is (successes == 0) and (high == 1) is (successes == trials)
