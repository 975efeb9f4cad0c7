import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.calibration import open_samples
from edgekit.calibration.class_matching import Matching, Way, match_samples
from edgekit.errors import DataError
from edgekit.evaluation import compare
from edgekit.evaluation.intervals import wilson_interval
from edgekit.evaluation.plausibility import Plausibility
from edgekit.evaluation.verdict import Verdict, _with_accuracy, decibels, decide
from edgekit.preprocess import InputSpec
from edgekit.tflite import read_graph
from edgekit.tflite.model import Model
from tests.support.build import GraphBuilder, colour_classifier, model_of

SPEC = InputSpec(8, 8)


def images(*colours):
    return open_samples(np.array([np.full((8, 8, 3), colour, np.uint8) for colour in colours]), SPEC)


RED, GREEN, BLUE = (200, 10, 10), (10, 200, 10), (10, 10, 200)


def scores_model(values):
    """A float model that answers `values`, whatever the image."""
    graph = GraphBuilder()
    x = graph.input((1, 8, 8, 3))
    axes = graph.constant(np.array([1, 2, 3], np.int32))
    mean = graph.op("MEAN", [x, axes], (1,), options={"keepDims": False})
    nothing = graph.op("MUL", [mean, graph.constant(np.zeros((1, 1), np.float32))], (1, 1), options={})
    answer = graph.constant(np.array([values], np.float32))
    return model_of(graph.finish([graph.op("ADD", [nothing, answer], (1, len(values)), options={})]), SPEC)


@settings(deadline=None)  # the first one imports scipy
@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_is_wilsons(counts):
    stats = pytest.importorskip("scipy.stats")
    successes, trials = counts
    expected = stats.binomtest(successes, trials).proportion_ci(method="wilson")
    assert wilson_interval(successes, trials) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_no_trial_has_no_interval():
    with pytest.raises(ValueError, match="at least one"):
        wilson_interval(0, 0)


@pytest.mark.parametrize(
    ("scores", "output", "expected"),
    [
        ([0.1, 0.7, 0.2], "probabilities", 1),
        ([-3.0, -1.0], "logits", 1),
        ([0.5, 0.5], "probabilities", 0),
        ([0.4], "probabilities", 0),
        ([0.5], "probabilities", 1),
        ([0.2], "logits", 1),
        ([-0.2], "logits", 0),
    ],
)
def test_the_class_that_a_model_names(scores, output, expected):
    assert decide(np.array(scores), output) == expected


@pytest.mark.parametrize(
    ("signal", "noise", "expected"),
    [(100, 1, 20), (1, 1000, -30), (5, 0, math.inf), (0, 0, math.inf), (0, 1, -math.inf)],
)
def test_decibels(signal, noise, expected):
    assert decibels(signal, noise) == pytest.approx(expected)


def test_a_model_agrees_with_itself():
    model = model_of(colour_classifier("float32"), SPEC)
    verdict = compare(model, model, images(RED, GREEN, BLUE))
    assert (verdict.agreement, verdict.images, verdict.sqnr_db, verdict.labelled) == (1, 3, math.inf, 0)
    assert verdict.interval == wilson_interval(3, 3)
    assert verdict.drop is None


def test_every_input_and_output_type_is_compared():
    float_model = Model(
        read_graph(colour_classifier("float32", softmax=False, std=100.0)), InputSpec(8, 8, std=(100.0,) * 3)
    )
    for dtype in ("uint8", "int8"):
        spec = InputSpec(8, 8, std=(100.0,) * 3)
        quantized = model_of(colour_classifier(dtype, softmax=False, std=100.0), spec)
        verdict = compare(float_model, quantized, images(RED, GREEN, BLUE, (30, 20, 10)))
        assert verdict.agreement == 1
        assert verdict.sqnr_db > 60


def test_the_ratio_of_signal_to_noise():
    reference, candidate = scores_model([0.9, 0.3, 0.1]), scores_model([0.8, 0.35, 0.1])
    verdict = compare(reference, candidate, images(RED, BLUE), source="synthetic")
    assert verdict.sqnr_db == pytest.approx(10 * math.log10((0.81 + 0.09 + 0.01) / (0.01 + 0.0025)), abs=1e-4)
    assert verdict.source == "synthetic"


def test_accuracy_where_folders_name_classes(tmp_path):
    from PIL import Image

    for index, (name, colour) in enumerate((("red", RED), ("green", GREEN), ("blue", RED), ("red", RED))):
        (tmp_path / name).mkdir(exist_ok=True)
        Image.new("RGB", (8, 8), colour).save(tmp_path / name / f"{index}.png")
    samples = open_samples(tmp_path, SPEC)
    matching = match_samples(samples, ("red", "green", "blue"), 3)
    always_red = scores_model([1.0, 0.0, 0.0])
    verdict = compare(model_of(colour_classifier("float32"), SPEC), always_red, samples, matching=matching)
    assert (verdict.labelled, verdict.distinct) == (4, 2)
    assert (verdict.top1_reference, verdict.top1_candidate, verdict.agreement) == (0.75, 0.5, 0.75)
    assert verdict.drop == 0.25
    assert (verdict.lost, verdict.gained) == (1, 0)
    assert compare(always_red, always_red, samples, matching=matching).lost == 0
    back = compare(always_red, model_of(colour_classifier("float32"), SPEC), samples, matching=matching)
    assert (back.lost, back.gained, back.drop, back.distinct) == (0, 1, -0.25, 1)


def test_progress_counts_the_images():
    model, calls = model_of(colour_classifier("float32"), SPEC), []
    compare(model, model, images(RED, GREEN), progress=lambda *call: calls.append(call))
    assert calls == [("Verifying", 1, 2), ("Verifying", 2, 2)]


def test_nothing_to_compare_on():
    model = model_of(colour_classifier("float32"), SPEC)
    with pytest.raises(DataError, match="no image to verify on"):
        compare(model, model, [])


def test_a_better_candidate_drops_less_than_nothing():
    assert Verdict(1, (0, 1), 4, "data", 20.0, 4, 0.5, 0.75).drop == -0.25


def judged(agreement=1.0, drop=0.0, found=None, matching="by name"):
    top1 = (None, None) if drop is None else (0.5, 0.5 - drop)
    return Verdict(agreement, (0, 1), 100, "data", 20.0, 100, *top1, matching=matching, plausibility=found)


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        (judged(), None),
        (judged(drop=0.01), None),
        (judged(drop=0.02), "top-1 fell by 2.0%"),
        (judged(agreement=0.97), "agreement 97.0%"),
        (judged(drop=None, matching="2 of the 2 class folders are strange"), "not known: 2 of the 2 class folders"),
        (judged(found=Plausibility(50, 100, 0.5, 0.5, 2)), "says nothing. The reference model is right on 50.0 %"),
        (judged(found=Plausibility(22, 100, 0.2, 0.9, 5)), "in another order"),
    ],
)
def test_demands_that_are_not_met_are_told(verdict, words):
    told = verdict.unmet(0.01, 0.98)
    assert (told is None) if words is None else (words in told)


def test_an_array_with_labels_has_an_accuracy(tmp_path):
    pixels = np.array([np.full((8, 8, 3), colour, np.uint8) for colour in (RED, GREEN, BLUE, RED)])
    np.savez(tmp_path / "labelled.npz", x=pixels, y=[0, 1, 2, 1])
    samples = open_samples(tmp_path / "labelled.npz", SPEC)
    model = model_of(colour_classifier("float32"), SPEC)
    verdict = compare(model, model, samples, matching=match_samples(samples, (), 3))
    assert (verdict.top1_reference, verdict.matching) == (0.75, "labels in labelled.npz are the outputs' numbers")


@pytest.mark.parametrize(
    ("agreement", "asked", "met"), [(0.9, 0.9, True), (0.9, 0.91, False), (0.9, 0.89, True), (0.9, None, True)]
)
def test_exactly_the_agreement_that_was_asked_for_is_enough(agreement, asked, met):
    assert (Verdict(agreement, (0, 1), 10, "data", 30.0).unmet(None, asked) is None) is met


@pytest.mark.parametrize(
    ("allowed", "met"), [(0.1, True), (0.1 - 1e-12, True), (0.099, False), (0.2, True), (0.0, False)]
)
def test_exactly_the_drop_that_is_allowed_is_allowed(allowed, met):
    found = Verdict(1.0, (0, 1), 10, "data", 30.0, 10, 0.8, 0.7)
    assert (found.unmet(allowed, None) is None) is met


def highest_scores(values, dtype="int8", softmax=True):
    """A classifier of 8 bits whose scores are these, whatever it sees."""
    graph = GraphBuilder()
    x = graph.input((1, 2, 2, 3), dtype, quant=(1.0, 0))
    zero = graph.constant(np.zeros((len(values), 12), dtype), quant=(1.0, 0))
    bias = graph.constant(np.array(values, np.int32), quant=(1.0, 0), name="bias")
    y = graph.op("FULLY_CONNECTED", [x, zero, bias], (1, len(values)), dtype, quant=(1.0, 0), options={}, version=4)
    if softmax:
        y = graph.op("SOFTMAX", [y], (1, len(values)), dtype, quant=(1 / 256, -128), options={"beta": 1.0}, version=2)
    return graph.finish([y])


@pytest.mark.parametrize(
    ("scores", "softmax", "output", "saturated"),
    [
        ((127, 0), True, "probabilities", 4),
        ((126, 0), True, "probabilities", 0),
        ((0, -128), True, "probabilities", 0),
        ((127, 5, 3), False, "logits", 4),
        ((126, 5, 3), False, "logits", 0),
        ((127, 5, 3), False, "probabilities", 0),
        ((127,), False, "logits", 0),
    ],
)
def test_scores_at_the_end_of_their_8_bits_are_counted(scores, softmax, output, saturated):
    model = model_of(highest_scores(scores, softmax=softmax), InputSpec(2, 2), output)
    images = open_samples(np.zeros((4, 2, 2, 3), np.uint8), InputSpec(2, 2))
    assert compare(model, model, images).saturated == saturated


def test_accuracy_lost_and_gained_is_counted_on_images_of_known_class():
    rows = [(0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 1, 1), (1, 1, 0), (None, 0, 0), (1, 2, 2), (1, 1, 2)]
    found = _with_accuracy(Verdict(1.0, (0, 1), 8, "data", 30.0), rows, Matching((Way((0, 1, 2), "by place"),)), 3)
    assert (found.labelled, found.top1_reference, found.top1_candidate) == (7, 5 / 7, 3 / 7)
    assert (found.lost, found.gained, found.matching) == (3, 1, "by place")
    assert found.drop == pytest.approx(2 / 7)


def test_without_images_of_known_class_the_reason_is_told():
    verdict = Verdict(1.0, (0, 1), 1, "data", 30.0)
    way = Matching((Way((0,), "by place"),), "no class fits")
    assert _with_accuracy(verdict, [(None, 0, 0)], way, 1).matching == "no class fits"


@pytest.mark.parametrize(("upper", "low"), [(0.9699, True), (0.97, False), (1.0, False)])
def test_an_agreement_is_low_where_its_interval_ends_below_97_percent(upper, low):
    assert Verdict(0.9, (0.8, upper), 100, "data", 20.0).low is low


@pytest.mark.parametrize(
    ("sqnr_db", "written"), [(20.126, 20.13), (math.inf, None), (-math.inf, None), (math.nan, None)]
)
def test_a_verdict_in_json_has_no_numbers_that_json_lacks(sqnr_db, written):
    found = Verdict(0.9, (0.8, 0.95), 100, "data", sqnr_db, 40, 0.5, 0.75).to_json()
    assert found["sqnr_db"] == written and (found["top1_float"], found["top1_int8"]) == (0.5, 0.75)
    assert found["top1_float_interval"] == list(wilson_interval(20, 40))
    assert found["top1_int8_interval"] == list(wilson_interval(30, 40))
    assert Verdict(0.9, (0.8, 0.95), 100, "data", 20.0).to_json()["top1_float_interval"] is None
