"""A phone's answers against those here, with a stand-in for the session: what it gives is known exactly."""

import numpy as np
import pytest

from edgekit.devices.interpreter import open_interpreter
from edgekit.devices.phone.benchmark import Turn
from edgekit.devices.phone.tool import ACCELERATORS
from edgekit.errors import DeviceError
from edgekit.evaluation.phone import agree_on_phone, broken
from edgekit.preprocess import InputSpec
from edgekit.tflite.metadata import Metadata, write_metadata
from tests.support.build import colour_classifier

SPEC = InputSpec(8, 8, mean=(0.0,) * 3, std=(255.0,) * 3)
IMAGES = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3)).astype(np.uint8)
SCORES = np.array([[0.1, 0.9], [0.8, 0.2]])
EQUAL = np.full((2, 2), 0.5)


class StandIn:
    """Answers as the CPU interpreter here, then changed."""

    gives_outputs = True

    def __init__(self, content, change):
        self._content, self._change, self.inputs = content, change, []

    def answers(self, model, accelerator, inputs, output, *, threads):
        self.inputs = inputs
        return self._change(np.array([self._answer(value) for value in inputs]))

    def _answer(self, value):
        interpreter = open_interpreter(self._content)
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], value)  # refuses another type
        interpreter.invoke()
        return interpreter.get_tensor(interpreter.get_output_details()[0]["index"]).ravel()


@pytest.fixture
def compare(tmp_path):
    def compare(change, kind="float32", data=IMAGES, **options):
        content = write_metadata(colour_classifier(kind), Metadata(input=SPEC))
        (tmp_path / "model.tflite").write_bytes(content)
        turn = Turn(str(tmp_path / "model.tflite"), "there", ACCELERATORS["gpu"], 4)
        session = StandIn(content, change)
        (found,) = agree_on_phone(session, [turn], data, **options)
        return found, session

    return compare


@pytest.mark.parametrize("kind", ["float32", "uint8"])
def test_equal_answers_agree_without_noise(kind, compare):
    found, _ = compare(lambda scores: scores, kind)
    assert (found.agreement, found.images, found.source, found.broken) == (1, 4, "data", "")
    assert found.sqnr_db == np.inf


def test_one_other_class_of_four_is_three_quarters(compare):
    """The interval is Wilson's of 3 in 4, as R's prop.test(3, 4, correct = FALSE) prints it."""

    def turned(scores):
        return np.concatenate([scores[:3], -scores[3:]])

    found, _ = compare(turned)
    assert found.agreement == 0.75
    assert found.interval == pytest.approx((0.3006, 0.9544), abs=1e-4)
    assert found.broken == ""


def test_a_tenth_more_of_each_score_is_noise_of_20_decibels(compare):
    found, _ = compare(lambda scores: 1.1 * scores)
    assert found.sqnr_db == pytest.approx(20, abs=1e-3)  # 10 log10 of 1 / 0.1²


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_what_is_no_number_counts_as_an_answer_of_zero(value, compare):
    found, _ = compare(lambda scores: np.full_like(scores, value))
    assert found.broken == "values that are no numbers"
    assert found.sqnr_db == pytest.approx(0)  # the noise is as large as the signal


def test_the_phone_gets_the_images_as_the_model_stores_them(compare):
    _, session = compare(lambda scores: scores, "float32")
    np.testing.assert_allclose(np.concatenate(session.inputs), IMAGES / np.float32(255), rtol=1e-6)
    _, session = compare(lambda scores: scores, "uint8")
    assert {value.dtype for value in session.inputs} == {np.dtype("uint8")}


def test_as_many_images_are_compared_as_were_asked_for(compare):
    found, _ = compare(lambda scores: scores, count=2)
    assert found.images == 2


def test_without_images_synthetic_ones_are_used_and_named(compare):
    found, _ = compare(lambda scores: scores, data=None, count=3)
    assert (found.images, found.source) == (3, "synthetic")


def test_an_accelerator_that_fails_is_told_and_nothing_is_claimed(compare):
    def fail(scores):
        raise DeviceError("The driver crashed.")

    found, _ = compare(fail)
    assert (found.agreement, found.interval, found.images) == (None, (0, 1), 0)
    assert "The driver crashed." in found.why_not


@pytest.mark.parametrize(
    ("expected", "stored", "found", "told"),
    [
        (SCORES, SCORES, SCORES, ""),
        (SCORES, 0 * SCORES, SCORES, "zeros alone"),  # of a zero point other than 0
        (SCORES, SCORES, 0 * SCORES, "zeros alone"),
        (0 * SCORES, 0 * SCORES, 0 * SCORES, ""),  # as here
        (SCORES * [[1], [0]], 0 * SCORES, 0 * SCORES, "zeros alone"),
        (SCORES, SCORES * [[1], [0]], SCORES * [[1], [0]], ""),
        (SCORES, EQUAL, EQUAL, "the same score for every class"),
        (EQUAL, EQUAL, EQUAL, ""),
        (SCORES, SCORES, np.array([[0.5, 0.5], [0.2, 0.8]]), ""),
        (SCORES, SCORES, SCORES[[0, 0]], "the same scores for every image"),
        (SCORES[[1, 1]], SCORES, SCORES[[0, 0]], ""),
        (SCORES[:1], SCORES[:1], SCORES[1:], ""),
    ],
)
def test_broken_is_what_is_constant_there_and_not_here(expected, stored, found, told):
    assert broken(expected, stored, found) == told
