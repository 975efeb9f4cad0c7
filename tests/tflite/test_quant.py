import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from hypothesis import given
from hypothesis import strategies as st

from edgekit.tflite.quant import LIMITS, WEIGHT_LIMIT, choose_qparams, dequantize, fake_quantize, quantize
from tests.support.one_op import one_op

DTYPES = ("int8", "uint8", "int16")
#: Zero points that kernels take: int16 is symmetric.
ZERO_POINTS = {"int8": -5, "uint8": 131, "int16": 0}


def by_kernel(opcode, values, out, quant=None):
    """What TFLite's own kernel computes from one tensor."""
    data = (values.shape, values.dtype.name, quant)
    model = Interpreter(model_content=one_op(opcode, data, out=(values.shape, *out), version=3))
    model.allocate_tensors()
    model.set_tensor(model.get_input_details()[0]["index"], values)
    model.invoke()
    return model.get_tensor(model.get_output_details()[0]["index"])


def values_around(dtype, scale):
    """float32 values within, on and beyond the type's range, none of them halfway between two steps."""
    first, last = LIMITS[dtype]
    steps = np.r_[first - 300 : last + 300 : max(1, (last - first) // 1000)].astype(np.float32)
    return (steps - ZERO_POINTS[dtype] + np.float32(0.3)) * np.float32(scale)


@pytest.mark.parametrize("dtype", DTYPES)
def test_limits_are_those_of_the_type(dtype):
    assert LIMITS[dtype] == (np.iinfo(dtype).min, np.iinfo(dtype).max)


def test_weights_are_symmetric_as_the_quantization_specification_asks():
    assert (np.iinfo(np.int8).min + 1, np.iinfo(np.int8).max) == (-WEIGHT_LIMIT, WEIGHT_LIMIT)


@pytest.mark.parametrize("dtype", DTYPES)
def test_quantizing_is_what_the_kernel_does(dtype):
    scale, zero_point = 0.125, ZERO_POINTS[dtype]
    values = values_around(dtype, scale)
    found = quantize(values, scale, zero_point, dtype)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, by_kernel("QUANTIZE", values, (dtype, (scale, zero_point))))


@pytest.mark.parametrize("dtype", DTYPES)
def test_dequantizing_is_what_the_kernel_does(dtype):
    scale, zero_point = 0.125, ZERO_POINTS[dtype]
    values = np.linspace(*LIMITS[dtype], 256).astype(dtype)
    expected = by_kernel("DEQUANTIZE", values, ("float32", None), (scale, zero_point))
    np.testing.assert_array_equal(dequantize(values, scale, zero_point), expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_rounding_is_quantizing_and_dequantizing(dtype):
    scale, zero_point = 0.125, ZERO_POINTS[dtype]
    values = values_around(dtype, scale)
    expected = dequantize(quantize(values, scale, zero_point, dtype), scale, zero_point)
    found = fake_quantize(values, scale, zero_point, dtype)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected)


@given(
    st.floats(-1e6, 1e6, allow_subnormal=False), st.floats(-1e6, 1e6, allow_subnormal=False), st.sampled_from(DTYPES)
)
def test_parameters_hold_the_range_and_zero(low, high, dtype):
    low, high = min(low, high), max(low, high)
    scale, zero_point = choose_qparams(low, high, dtype)
    first, last = LIMITS[dtype]
    assert scale > 0 and isinstance(zero_point, int) and first <= zero_point <= last
    # The range is moved by at most half a step so that zero is a step of its own.
    assert scale * (first - zero_point) <= min(low, 0.0) + 0.5001 * scale
    assert scale * (last - zero_point) >= max(high, 0.0) - 0.5001 * scale
    # The range is no wider than needed.
    assert low == high == 0.0 or np.isclose(scale * (last - first), max(high, 0.0) - min(low, 0.0))


@pytest.mark.parametrize(
    ("low", "high", "dtype", "expected"),
    [
        (0.0, 255.0, "uint8", (1.0, 0)),
        (0.0, 255.0, "int8", (1.0, -128)),
        (-128.0, 127.0, "int8", (1.0, 0)),
        (-128.0, 127.0, "uint8", (1.0, 128)),
        (-255.0, 0.0, "int8", (1.0, 127)),
        (51.0, 102.0, "uint8", (0.4, 0)),
        (-102.0, -51.0, "uint8", (0.4, 255)),
        (-32768.0, 32767.0, "int16", (1.0, 0)),
        (0.0, 0.0, "uint8", (1.0, 0)),
    ],
)
def test_parameters_of_known_ranges(low, high, dtype, expected):
    assert choose_qparams(low, high, dtype) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("low", "high"), [(1.0, 0.0), (np.nan, 1.0), (0.0, np.nan), (-np.inf, 1.0), (0.0, np.inf), (-np.inf, np.inf)]
)
def test_what_is_no_range_is_refused(low, high):
    with pytest.raises(ValueError, match="not a range"):
        choose_qparams(low, high)


def test_a_range_of_one_value_is_a_range():
    assert choose_qparams(25.5, 25.5, "uint8") == pytest.approx((0.1, 0))


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


def test_channels_are_on_the_first_axis_unless_it_is_said():
    values, scale, zero = np.array([[1, 2], [3, 4]], np.int8), [1.0, 10.0], [0, 1]
    np.testing.assert_array_equal(dequantize(values, scale, zero), [[1, 2], [20, 30]])
    np.testing.assert_array_equal(dequantize(values, scale, zero, axis=0), [[1, 2], [20, 30]])
    np.testing.assert_array_equal(dequantize(values, scale, zero, axis=1), [[1, 10], [3, 30]])
    cube = np.ones((2, 3, 4), np.int8)
    np.testing.assert_array_equal(dequantize(cube, [1, 2, 3], [0, 0, 0], axis=1)[0, :, 0], [1, 2, 3])


@pytest.mark.parametrize(
    ("low", "high", "dtype", "expected"),
    [
        (0.0, 0.0, "int8", (1.0, 0)),
        (2.0, 2.0, "uint8", (2 / 255, 0)),
        (-2.0, -1.0, "uint8", (2 / 255, 255)),
        (0.0, 255.0, "int8", (1.0, -128)),
        (-128.0, 127.0, "int8", (1.0, 0)),
    ],
)
def test_parameters_of_plain_ranges(low, high, dtype, expected):
    assert choose_qparams(low, high, dtype) == pytest.approx(expected)


@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_one_scale_leaves_the_shape_as_it_is(shape):
    assert dequantize(np.ones(shape, np.int8), 0.5, 0).shape == dequantize(np.ones(shape, np.int8), [0.5], [0]).shape
    assert dequantize(np.ones(shape, np.int8), 0.5, 0).shape == shape
