import numpy as np
import pytest

from edgekit.calibration import choose_ranges, observe
from edgekit.converters.bias import correct_biases, mean_shift
from edgekit.converters.quantize import quantize_int8
from tests.converters.test_equalize import CONV, SAMPLES, SPEC, answers
from tests.tflite.build import GraphBuilder

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
    picture = graph.input((1, 8, 8, 3), name="picture")
    weights = graph.constant(RNG.normal(size=(32, 8, 8, 3)).astype(np.float32))
    bias = graph.constant(np.zeros(32, np.float32))
    options = {**CONV, "padding": 1, "fusedActivationFunction": 0}
    graph.model.signatureDefs = []
    return graph.finish([graph.op("CONV_2D", [picture, weights, bias], (1, 1, 1, 32), options=options, name="y")])


def test_mean_outputs_come_nearer():
    content = wide_layer()
    observations = observe(content, SAMPLES, SPEC)
    rounded = quantize_int8(content, choose_ranges(observations, "minmax"), SPEC, io="float")
    corrected = correct_biases(rounded, content, observations)
    expected, before, after = (answers(model).mean(axis=0) for model in (content, rounded, corrected))
    assert np.abs(after - expected).mean() < 0.8 * np.abs(before - expected).mean()
