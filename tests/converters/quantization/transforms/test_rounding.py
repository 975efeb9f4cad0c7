import itertools

import numpy as np
import pytest

from edgekit.calibration import choose_ranges, observe
from edgekit.converters.quantization.backend import quantize_int8
from edgekit.converters.quantization.transforms.rounding import CORRELATION, cancelled, correct_rounding, mean_shift
from edgekit.tflite import constant, read_graph
from tests.support.build import GraphBuilder, model_of
from tests.support.gated_net import CONV, SAMPLES, SPEC, answers

RNG = np.random.default_rng(0)


def by_hand(opcode, weights, x):
    """Mean output of an op with stride 1 and no padding, one multiplication at a time."""
    kh, kw = weights.shape[1:3]
    total = []
    for row in range(x.shape[0] - kh + 1):
        for column in range(x.shape[1] - kw + 1):
            patch = x[row : row + kh, column : column + kw]
            depthwise = opcode == "DEPTHWISE_CONV_2D"
            total.append((patch * weights[0]).sum(axis=(0, 1)) if depthwise else np.tensordot(weights, patch, 3))
    return np.mean(total, axis=0)


@pytest.mark.parametrize(("opcode", "shape"), [("CONV_2D", (5, 3, 3, 4)), ("DEPTHWISE_CONV_2D", (1, 3, 3, 4))])
def test_shift_is_that_of_the_mean_output(opcode, shape):
    weights = RNG.normal(size=shape).astype(np.float32)
    rounded = np.round(weights, 1)
    x = np.broadcast_to(RNG.normal(size=4), (6, 6, 4))
    expected = by_hand(opcode, rounded, x) - by_hand(opcode, weights, x)
    assert mean_shift(opcode, weights, rounded, x[0, 0]) == pytest.approx(expected, abs=1e-6)


def test_shift_of_a_dense_layer():
    weights = RNG.normal(size=(3, 8)).astype(np.float32)
    means = RNG.normal(size=8)
    found = mean_shift("FULLY_CONNECTED", weights, np.round(weights, 1), means)
    assert found == pytest.approx((np.round(weights, 1) - weights) @ means, abs=1e-6)


def test_layers_whose_inputs_have_no_channels_of_their_own_are_left():
    assert mean_shift("FULLY_CONNECTED", np.ones((3, 8), np.float32), np.ones((3, 8)), np.ones(4)) is None
    assert mean_shift("DEPTHWISE_CONV_2D", np.ones((1, 3, 3, 4), np.float32), np.ones((1, 3, 3, 4)), np.ones(3)) is None


def wide_layer():
    graph = GraphBuilder()
    image = graph.input((1, 8, 8, 3), name="image")
    weights = graph.constant(RNG.normal(size=(32, 8, 8, 3)).astype(np.float32))
    bias = graph.constant(np.zeros(32, np.float32))
    options = {**CONV, "padding": 1, "fusedActivationFunction": 0}
    graph.model.signatureDefs = []
    return graph.finish([graph.op("CONV_2D", [image, weights, bias], (1, 1, 1, 32), options=options, name="y")])


def test_mean_outputs_come_nearer():
    content = wide_layer()
    observations = observe(model_of(content, SPEC), SAMPLES)
    floats = read_graph(content)
    rounded = quantize_int8(floats, choose_ranges(observations, "minmax"), SPEC, io="float")
    corrected = correct_rounding(rounded, floats, observations)
    expected, before, after = (answers(model).mean(axis=0) for model in (content, rounded.content, corrected.content))
    assert np.abs(after - expected).mean() < 0.8 * np.abs(before - expected).mean()


def power(errors, distances):
    return np.einsum("kc,kl,lc->c", errors, CORRELATION**distances, errors)


def test_errors_of_a_kernel_cancel_nearly_as_well_as_in_the_best_of_all_roundings():
    kernel = RNG.uniform(-127, 127, (3, 3, 50))
    places = np.argwhere(np.ones((3, 3)))
    distances = np.linalg.norm(places[:, None] - places, axis=-1)
    real = kernel.reshape(9, 50)
    all_choices = np.array(list(itertools.product((0, 1), repeat=9)))[:, :, None]
    best = np.min([power(np.floor(real) + up - real, distances) for up in all_choices], axis=0)
    found = power(cancelled(kernel).reshape(9, 50) - real, distances)
    nearest = power(np.rint(real) - real, distances)
    assert np.abs(cancelled(kernel) - kernel).max() <= 1
    assert (found <= nearest + 1e-9).all()
    assert found.mean() < 1.3 * best.mean() < 0.4 * nearest.mean()


def test_rounded_weights_stay_symmetric():
    kernel = np.full((3, 3, 2), 126.8)
    kernel[..., 1] *= -1
    assert np.abs(cancelled(kernel)).max() == 127


def test_no_single_weight_rounded_the_other_way_would_make_the_errors_smaller():
    kernel = RNG.uniform(-127, 127, (3, 3, 200))
    places = np.argwhere(np.ones((3, 3)))
    distances = np.linalg.norm(places[:, None] - places, axis=-1)
    found, real = cancelled(kernel).reshape(9, -1), kernel.reshape(9, -1)
    least = power(found - real, distances)
    for place in range(9):
        other = found.copy()
        other[place] += np.where(found[place] > real[place], -1, 1)
        assert (power(other - real, distances) >= least - 1e-9).all()


def test_the_channels_that_a_depthwise_layer_makes_of_one_have_its_mean():
    weights = RNG.normal(size=(1, 3, 3, 6)).astype(np.float32)
    means = np.array([1.0, -2.0, 5.0])
    expected = (np.round(weights, 1) - weights).sum(axis=(0, 1, 2)) * [1, 1, -2, -2, 5, 5]
    assert mean_shift("DEPTHWISE_CONV_2D", weights, np.round(weights, 1), means) == pytest.approx(expected, abs=1e-6)


def test_depthwise_weights_lie_within_a_step_of_what_they_stand_for():
    graph = GraphBuilder()
    image = graph.input((1, 8, 8, 3), name="image")
    kernel = (RNG.normal(size=(1, 3, 3, 3)) * [0.1, 1.0, 30.0]).astype(np.float32)
    ends = [graph.constant(kernel, name="kernel"), graph.constant(np.zeros(3, np.float32), name="bias")]
    options = {**CONV, "depthMultiplier": 1, "fusedActivationFunction": 0}
    y = graph.op("DEPTHWISE_CONV_2D", [image, *ends], (1, 8, 8, 3), options=options, name="y")
    graph.model.signatureDefs = []
    content = graph.finish([y])
    observations, floats = observe(model_of(content, SPEC), SAMPLES), read_graph(content)
    made = quantize_int8(floats, choose_ranges(observations, "minmax"), SPEC, io="float")
    corrected = correct_rounding(made, floats, observations)
    (op,) = (op for op in corrected.ops if op.opcode == "DEPTHWISE_CONV_2D")
    weights = corrected.op_inputs(op)[1]
    steps = constant(corrected, weights)
    assert np.abs(steps - kernel / np.array(weights.quant.scale)).max() <= 1
    np.testing.assert_array_equal(steps[0], cancelled(kernel[0] / np.array(weights.quant.scale)))
