import numpy as np
import pytest

from edgekit.tflite.quant import dequantize


@pytest.mark.parametrize("axis", [0, 3])
def test_each_channel_has_its_own_scale(axis):
    values = np.random.default_rng(0).integers(-127, 128, (3, 2, 2, 3), np.int8)
    scale, zero_point = (0.1, 2.0, 30.0), (0, -5, 7)
    found = dequantize(values, scale, zero_point, axis)
    for channel in range(3):
        expected = dequantize(np.take(values, channel, axis), scale[channel], zero_point[channel])
        np.testing.assert_array_equal(np.take(found, channel, axis), expected)


def test_real_is_scale_times_the_distance_from_the_zero_point():
    found = dequantize(np.uint8([0, 128, 255]), 0.5, 128)
    assert found.dtype == np.float32 and found.tolist() == [-64.0, 0.0, 63.5]
    np.testing.assert_array_equal(dequantize(np.uint8([0, 128, 255]), (0.5,), (128,)), found)
