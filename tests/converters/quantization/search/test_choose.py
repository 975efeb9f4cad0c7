import numpy as np
import pytest

from edgekit.converters.quantization.search.choose import BEATEN_DB, CANDIDATES, choose, explain, forms, ranges_of
from edgekit.converters.quantization.search.scores import BEST_DB, check_same, mean_sqnr, scores
from edgekit.converters.quantization.search.search import Choice, Trial
from edgekit.errors import ConversionError
from edgekit.tflite import read_graph
from edgekit.tflite.scores import score_tensor
from tests.support.build import colour_classifier, model_of
from tests.support.gated_net import SAMPLES, SPEC, Net

MODEL = model_of(Net().content, SPEC, "logits")


def db(choice, correction, method, *, rounding=False, role=""):
    wanted = (correction, method, rounding, role)
    return next(t.sqnr_db for t in choice.trials if (t.correction, t.method, t.rounding, t.role) == wanted)


def test_automatic_choice_tries_everything_and_is_never_worse_than_min_max():
    choice = choose(forms(MODEL, SAMPLES), SAMPLES, SPEC)
    tried = {(t.correction, t.method) for t in choice.trials}
    assert tried >= {("none", "minmax"), *(("split-swish", method) for method in CANDIDATES)}
    assert any(t.rounding for t in choice.trials)
    found = np.stack(list(scores(choice.quantized(SPEC), list(SAMPLES), SPEC)))
    expected = np.stack(list(scores(MODEL.graph.content, list(SAMPLES), SPEC)))
    best = max(t.sqnr_db for t in choice.trials)
    assert mean_sqnr(expected, found) == pytest.approx(best)
    assert best >= db(choice, "none", "minmax")
    assert choice.form.correction == "split-swish"
    assert "1 of them per channel" in explain(choice)[0]


def test_a_form_far_behind_is_tried_no_further():
    choice = choose(forms(MODEL, SAMPLES), SAMPLES, SPEC)
    assert db(choice, "none", "minmax") < db(choice, "split-swish", "minmax") - BEATEN_DB
    assert [t.method for t in choice.trials if t.correction == "none"] == ["minmax"]


def test_notes_name_what_was_kept():
    form = forms(MODEL, SAMPLES, "none")[0]
    trials = (Trial("none", "mse", False, "", 20.0), Trial("none", "mse", True, "", 23.0))
    trials += (Trial("none", "mean", True, "ADD", 22.0), Trial("none", "minmax", True, "MUL for CONV_2D", 24.5))
    rounding, refined = explain(Choice(form, ranges_of(form, "mse"), True, trials))
    assert "from 20.0 to 23.0 dB" in rounding
    assert "(minmax: MUL for CONV_2D): 24.5 dB" in refined
    assert explain(Choice(form, ranges_of(form, "mse"))) == ()


def test_two_choices_are_equal():
    first, second = (choose(forms(MODEL, SAMPLES), SAMPLES, SPEC) for _ in range(2))
    assert (first.trials, first.ranges, first.form.content) == (second.trials, second.ranges, second.form.content)


@pytest.mark.parametrize("correction", ["none", "split-swish"])
def test_a_method_given_with_a_correction_leaves_nothing_to_choose(correction):
    candidates = forms(MODEL, SAMPLES, correction)
    choice = choose(candidates, SAMPLES, SPEC, ranges="minmax", corrections=correction)
    assert (choice.form.correction, choice.ranges.method, choice.trials) == (correction, "minmax", ())
    assert not choice.rounding
    assert explain(choice) == ()


def test_rounding_alone_can_be_corrected():
    choice = choose(forms(MODEL, SAMPLES, "rounding"), SAMPLES, SPEC, ranges="minmax", corrections="rounding")
    assert (choice.form.correction, choice.rounding, choice.trials) == ("none", True, ())


def test_a_model_without_swish_has_one_form():
    model = model_of(colour_classifier("float32"), SPEC, "probabilities")
    assert [form.correction for form in forms(model, SAMPLES, "split-swish")] == ["none"]


@pytest.mark.parametrize("correction", ["none", "split-swish"])
def test_saved_ranges_find_their_form(correction):
    chosen = choose(forms(MODEL, SAMPLES, correction), SAMPLES, SPEC, ranges="mse", corrections=correction)
    again = choose(forms(MODEL, SAMPLES), SAMPLES, SPEC, ranges=chosen.ranges, corrections="none")
    assert again.form.content == chosen.form.content
    assert again.ranges == chosen.ranges


def test_scores_are_what_softmax_reads():
    for softmax in (True, False):
        assert score_tensor(read_graph(colour_classifier("float32", softmax=softmax))).index == 2


def test_scores_are_compared_without_what_they_share():
    scores = np.array([[1.0, 2.0], [3.0, 5.0]])
    assert mean_sqnr(scores, scores + 7) == BEST_DB
    assert mean_sqnr(scores, scores * 1.1) == pytest.approx(20.0)
    assert mean_sqnr(np.array([[2.0]]), np.array([[2.2]])) == pytest.approx(20.0)


def test_a_rewrite_that_changes_the_function_is_refused():
    with pytest.raises(ConversionError, match="changed its answers"):
        check_same(MODEL.graph.content, Net(seed=2).content, SAMPLES, SPEC)
