import numpy as np
import pytest

from edgekit.converters.quantization.scores import check_same, mean_sqnr, scores
from edgekit.errors import ConversionError
from tests.support.build import model_of
from tests.support.gated_net import SAMPLES, SPEC, Net, answers

RNG = np.random.default_rng(0)


def decibels_by_numpy(expected, found):
    signal = np.square(expected - expected.mean(axis=1, keepdims=True)).sum(axis=1)
    error = found - expected
    noise = np.square(error - error.mean(axis=1, keepdims=True)).sum(axis=1)
    return (10 * np.log10(signal / noise)).mean()


def test_the_mean_is_taken_of_decibels_of_what_softmax_sees():
    expected = RNG.normal(size=(6, 5)) * np.array([[0.1], [1], [10], [1], [1], [1]])
    found = expected + RNG.normal(size=(6, 5)) * 0.05 + 3.0
    assert mean_sqnr(expected, found) == pytest.approx(decibels_by_numpy(expected, found))


def test_an_image_without_error_counts_60_db_and_no_more():
    expected = RNG.normal(size=(2, 5))
    assert mean_sqnr(expected, expected + 7.0) == 60.0
    found = expected.copy()
    found[0] += [0.1, -0.1, 0, 0, 0]
    assert mean_sqnr(expected, found) == pytest.approx((decibels_by_numpy(expected[:1], found[:1]) + 60) / 2)
    assert mean_sqnr(expected, expected * (1 + 1e-4)) == 60.0  # 80 dB


def test_a_single_score_is_compared_as_it_is():
    assert mean_sqnr(np.array([[2.0]]), np.array([[2.2]])) == pytest.approx(20.0)


def test_scores_that_say_nothing_have_a_least_power():
    assert mean_sqnr(np.zeros((1, 2)), np.array([[1e-3, -1e-3]])) == pytest.approx(10 * np.log10(1e-12 / 2e-6))


def test_scores_are_those_of_every_image_in_order():
    content = Net().content
    found = np.stack(list(scores(model_of(content, SPEC), list(SAMPLES))))
    np.testing.assert_allclose(found, answers(content), rtol=1e-5)


def with_last_weights(factor):
    """The net, and the same with dense weights of another size."""
    from edgekit.tflite import tree

    model = tree.unpack(Net().content)
    dense = model.subgraphs[0].tensors[model.subgraphs[0].operators[-1].inputs[1]]
    values = np.frombuffer(bytes(model.buffers[dense.buffer].data), np.float32) * np.float32(factor)
    model.buffers[dense.buffer].data = np.frombuffer(values.tobytes(), np.uint8)
    return model_of(tree.pack(model), SPEC)


@pytest.mark.parametrize("factor", [1.0, 1 + 9e-4, 1 - 9e-4])
def test_float_rounding_does_not_count_as_a_change(factor):
    check_same(model_of(Net().content, SPEC), with_last_weights(factor), SAMPLES, "split-swish")


@pytest.mark.parametrize("factor", [1 + 1.1e-3, 1 - 1.1e-3, 0.0, float("nan")])
def test_a_rewrite_that_changes_the_answers_is_an_error(factor):
    with pytest.raises(ConversionError, match="split-swish changed the model's answers"):
        check_same(model_of(Net().content, SPEC), with_last_weights(factor), SAMPLES, "split-swish")
