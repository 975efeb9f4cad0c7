import numpy as np
import pytest

from edgekit.tflite.scores import centred

SCORES = np.random.default_rng(3).normal(size=(2, 3, 5))


def softmax(scores):
    powers = np.exp(scores)
    return powers / powers.sum(axis=-1, keepdims=True)


def test_scores_that_softmax_takes_for_the_same_are_the_same_once_centred():
    shifted = SCORES + np.arange(6.0).reshape(2, 3, 1)
    np.testing.assert_allclose(centred(shifted), centred(SCORES), atol=1e-12)
    np.testing.assert_allclose(softmax(centred(SCORES)), softmax(SCORES), atol=1e-12)
    np.testing.assert_allclose(centred(SCORES).sum(axis=-1), 0, atol=1e-12)


@pytest.mark.parametrize(("classes", "stays"), [(1, True), (2, False)])
def test_the_one_score_of_two_classes_stays_as_it_is(classes, stays):
    assert np.array_equal(centred(SCORES[..., :classes]), SCORES[..., :classes]) == stays
