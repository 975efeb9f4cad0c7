"""The factors, against rounding that is done and measured."""

import itertools

import numpy as np
import pytest

from edgekit.converters.quantization.transforms.channel_scale import (
    Carrier,
    _Activations,
    _Weights,
    channel_scale,
    noise,
)
from edgekit.tflite.quant import choose_qparams, fake_quantize

RNG = np.random.default_rng(0)
SIZES = np.array([0.1, 1.0, 4.0, 0.5])


def carrier(above, below=None, gain=1.0):
    above = np.asarray(above, float)
    below = np.zeros_like(above) if below is None else np.asarray(below, float)
    return Carrier(below, above, gain * np.ones_like(above))


def test_channels_that_depthwise_layers_read_come_to_one_size():
    np.testing.assert_allclose(channel_scale([carrier([100.0, 10.0, 1.0])]), [1, 10, 100], rtol=0.05)


@pytest.mark.parametrize("weights", [(), (np.ones((3, 2)),)])
@pytest.mark.parametrize("above", [np.ones(2), np.zeros(2), np.array([9.0, 0.0])])
def test_a_scale_of_equal_or_dead_channels_is_finite(above, weights):
    scale = channel_scale([carrier(above)], weights)
    assert np.isfinite(scale).all() and (scale >= 1).all()


def measured(scale, values, weights):
    """Power of the error of a dense layer whose inputs and weights are rounded with these factors."""
    x, w = (values * scale).astype(np.float32), (weights / scale).astype(np.float32)
    x8 = fake_quantize(x, *choose_qparams(x.min(), x.max()), "int8")
    steps = np.abs(w).max(axis=1, keepdims=True) / 127
    return np.square(x8 @ (np.rint(w / steps) * steps).T - values @ weights.T).mean()


def test_no_other_factors_leave_much_less_noise():
    """All factors on a grid, each measured by rounding."""
    values = np.maximum(RNG.normal(size=(500, 4)), 0) * SIZES
    weights = RNG.normal(size=(64, 4)) / SIZES**0.2
    scale = channel_scale([carrier(values.max(axis=0))], [weights])
    grid = itertools.product(np.geomspace(0.1, 100, 10), repeat=3)
    least = min(measured(np.array([1.0, *others]), values, weights) for others in grid)
    found = measured(scale, values, weights)
    assert found < 1.1 * least
    assert found < 0.8 * measured(np.ones(4), values, weights)
    assert found < 0.8 * measured(1 / values.max(axis=0), values, weights)


def test_a_gate_makes_a_compromise_between_the_channels_before_and_after_it():
    before, after = carrier([1.0, 1.0], gain=np.array([0.1, 1.0])), carrier([0.1, 1.0])
    scale = channel_scale([before, after], [np.ones((4, 2))])
    assert 1.0 < scale[0] / scale[1] < 10.0


@pytest.mark.parametrize("dense", [False, True])
def test_the_gradient_is_that_of_the_noise(dense):
    carriers = [carrier(SIZES, 0.3 * SIZES[::-1], gain=0.5), carrier(SIZES[::-1])]
    activations = _Activations.of(carriers, SIZES)
    weights = _Weights.of([RNG.normal(size=(5, 1, 1, 4)), RNG.normal(size=(3, 3, 3, 4))], SIZES) if dense else None
    at, step = RNG.normal(size=4), 1e-6
    for channel, slope in enumerate(noise(at, activations, weights)[1]):
        there, back = (noise(at + sign * step * np.eye(4)[channel], activations, weights)[0] for sign in (1, -1))
        assert (there - back) / (2 * step) == pytest.approx(slope, rel=1e-4, abs=1e-7)


@pytest.mark.parametrize("factor", [1.0, 3.0])
def test_the_noise_of_one_channel_is_that_of_its_steps(factor):
    """A step is a 255th of the range, and what the factor made of the error is taken back; a gate passes a part on."""
    carriers = [carrier([3.0], [1.0], gain=0.5), carrier([2.0], [0.5])]
    expected = (0.5 * 4.0 / 255) ** 2 + (2.5 / 255) ** 2
    activations = _Activations.of(carriers, np.array([2.0]))
    assert noise(np.log([factor]), activations, None)[0] == pytest.approx(np.log(expected))


def test_the_noise_of_weights_is_that_of_their_steps_on_what_they_read():
    """One channel of size 2, two outputs of weights 3 and 1 over two places: values of a quarter of their extreme.

    In units of what the layer computes: the activation's step counts by the weights' power, a weight's by the values'.
    """
    weights = np.array([[[3.0], [1.0]], [[1.0], [-0.5]]])
    power, read = np.square(weights).sum(), (2.0 / 4) ** 2
    steps = (3 / 127) ** 2 * 2 + (1 / 127) ** 2 * 2
    expected = ((2.5 / 255) ** 2 * power + steps * read) / (power * read)
    found = noise(
        np.zeros(1), _Activations.of([carrier([2.0], [0.5])], np.array([2.0])), _Weights.of([weights], np.array([2.0]))
    )
    assert found[0] == pytest.approx(np.log(expected))
