import numpy as np
import pytest

from edgekit.calibration import Ranges
from edgekit.converters.quantization.corrections import Wanted, parse_corrections
from edgekit.converters.quantization.scores import BEST_DB, check_same, mean_sqnr, scores
from edgekit.converters.quantization.search.choose import BEATEN_DB, CANDIDATES, choose, forms, ranges_of
from edgekit.converters.quantization.search.explain import explain
from edgekit.converters.quantization.search.search import Candidate, Step
from edgekit.errors import ConversionError, UsageError
from edgekit.tflite import read_graph
from edgekit.tflite.scores import score_tensor
from tests.support.build import colour_classifier, model_of
from tests.support.gated_net import SAMPLES, SPEC, Net

MODEL = model_of(Net().content, SPEC, "logits")
SPLIT = ("split-swish",)


def first_db(outcome, corrections, method):
    tried = (s for s in outcome.steps if (s.candidate.corrections, s.method, s.kind) == (corrections, method, "ranges"))
    return next(tried).sqnr_db


@pytest.fixture(scope="module")
def outcome():
    return choose(forms(MODEL, SAMPLES), SAMPLES)


def test_automatic_choice_tries_everything_and_is_never_worse_than_min_max(outcome):
    tried = {(step.candidate.form.corrections, step.method) for step in outcome.steps}
    assert tried >= {((), "minmax"), *((SPLIT, method) for method in CANDIDATES)}
    assert any(step.candidate.adjusted == ("rounding",) for step in outcome.steps)
    made = model_of(outcome.best.quantized().content, SPEC, "logits")
    expected, found = (np.stack(list(scores(model, list(SAMPLES)))) for model in (MODEL, made))
    best = max(step.sqnr_db for step in outcome.steps)
    assert mean_sqnr(expected, found) == pytest.approx(best)
    assert best >= first_db(outcome, (), "minmax")
    assert outcome.best.form.corrections == SPLIT


def test_a_form_far_behind_is_tried_no_further(outcome):
    assert first_db(outcome, (), "minmax") < first_db(outcome, SPLIT, "minmax") - BEATEN_DB
    assert [step.method for step in outcome.steps if not step.candidate.form.corrections] == ["minmax"]


def test_every_step_says_what_it_tried_and_whether_it_was_kept(outcome):
    best = -np.inf
    for step in outcome.steps:
        assert step.before_db == best
        assert step.kept == (step.sqnr_db > best)
        best = max(best, step.sqnr_db)
    assert [step.name for step in outcome.steps[:2]] == ["minmax", "split-swish, minmax"]
    assert outcome.best is [step.candidate for step in outcome.steps if step.kept][-1]


def test_notes_are_read_from_the_steps(outcome):
    assert "split-swish (1 places)" in explain(outcome.steps)[0]
    form = forms(MODEL, SAMPLES, "none")[0]
    plain = Candidate(form, ranges_of(form, "mse"))
    rounded = Candidate(form, plain.ranges, ("rounding",))
    steps = (
        Step("ranges", plain, "mse", "", 20.0, -np.inf),
        Step("adjustment", rounded, "mse", "", 23.0, 20.0),
        Step("group", rounded, "mean", "ADD for CONV_2D", 22.0, 23.0),
        Step("group", rounded, "minmax", "MUL for CONV_2D", 24.5, 23.0),
    )
    adjusted, refined = explain(steps)
    assert "rounding" in adjusted and "20.0 → 23.0 dB" in adjusted
    assert "(MUL for CONV_2D: minmax): SQNR 24.5 dB" in refined
    assert explain(()) == ()


def test_two_choices_are_equal(outcome):
    again = choose(forms(MODEL, SAMPLES), SAMPLES)
    assert [(s.name, s.sqnr_db) for s in again.steps] == [(s.name, s.sqnr_db) for s in outcome.steps]
    assert again.best.quantized().content == outcome.best.quantized().content


@pytest.mark.parametrize(("named", "made"), [("none", ()), ("split-swish", SPLIT)])
def test_a_method_given_with_a_correction_leaves_nothing_to_choose(named, made):
    found = choose(forms(MODEL, SAMPLES, named), SAMPLES, ranges="minmax", corrections=named)
    assert (found.best.corrections, found.best.ranges.method, found.steps) == (made, "minmax", ())


@pytest.mark.parametrize("named", ["split-swish,rounding", "rounding, split-swish"])
def test_named_corrections_are_all_done_in_the_order_of_the_list(named):
    found = choose(forms(MODEL, SAMPLES, named), SAMPLES, ranges="minmax", corrections=named)
    assert (found.best.corrections, found.steps) == (("split-swish", "rounding"), ())


def test_what_is_named_beside_auto_is_in_every_form_and_the_rest_is_chosen():
    named = "auto,spread-gates"
    made = forms(MODEL, SAMPLES, named)
    assert [form.corrections for form in made] == [("spread-gates",), ("split-swish", "spread-gates")]
    found = choose(made, SAMPLES, corrections=named)
    assert (
        "spread-gates" in found.best.corrections and len({step.candidate.form.corrections for step in found.steps}) == 2
    )
    assert "rounding" in {name for step in found.steps for name in step.candidate.adjusted}


def test_rounding_alone_can_be_corrected():
    found = choose(forms(MODEL, SAMPLES, "rounding"), SAMPLES, ranges="minmax", corrections="rounding")
    assert (found.best.form.corrections, found.best.adjusted, found.steps) == ((), ("rounding",), ())


def test_corrections_that_there_are_not_are_refused():
    assert parse_corrections("auto") == Wanted(auto=True) and parse_corrections("none") == Wanted()
    with pytest.raises(UsageError, match="no correction 'bias'") as caught:
        parse_corrections("split-swish,bias")
    assert "rounding" in caught.value.hint


def test_a_model_without_swish_has_one_form():
    model = model_of(colour_classifier("float32"), SPEC, "probabilities")
    assert [form.corrections for form in forms(model, SAMPLES, "split-swish")] == [()]


@pytest.mark.parametrize("named", ["none", "split-swish"])
def test_saved_ranges_find_their_form(named):
    chosen = choose(forms(MODEL, SAMPLES, named), SAMPLES, ranges="mse", corrections=named).best
    again = choose(forms(MODEL, SAMPLES), SAMPLES, ranges=chosen.ranges, corrections="none").best
    assert again.form.model.graph == chosen.form.model.graph
    assert again.ranges == chosen.ranges


def test_ranges_chosen_before_are_tried_with_the_weights_corrections():
    known = ranges_of(forms(MODEL, SAMPLES, "none")[0], "mse")
    found = choose(forms(MODEL, SAMPLES), SAMPLES, ranges=Ranges(known.bounds, "mse", 6, ""))
    assert [step.name for step in found.steps] == ["mse", "rounding"]


def test_scores_are_what_softmax_reads():
    for softmax in (True, False):
        assert score_tensor(read_graph(colour_classifier("float32", softmax=softmax))).index == 2


def test_scores_are_compared_without_what_they_share():
    scores = np.array([[1.0, 2.0], [3.0, 5.0]])
    assert mean_sqnr(scores, scores + 7) == BEST_DB
    assert mean_sqnr(scores, scores * 1.1) == pytest.approx(20.0)
    assert mean_sqnr(np.array([[2.0]]), np.array([[2.2]])) == pytest.approx(20.0)


def test_a_rewrite_that_changes_the_function_is_refused():
    with pytest.raises(ConversionError, match="split-swish changed the model's answers"):
        check_same(MODEL, model_of(Net(seed=2).content, SPEC, "logits"), SAMPLES, "split-swish")
