"""Size and time of a model beside another's."""

import importlib
from time import get_clock_info, thread_time

import pytest

from edgekit.evaluation.cost import cost
from edgekit.preprocess import InputSpec
from edgekit.reports.cost import cost_text, cost_to_json
from tests.support.build import colour_classifier, model_of


def test_both_are_measured_in_turns_whatever_their_types():
    for first, second in (("float32", "uint8"), ("int8", "float32")):
        models = [model_of(colour_classifier(dtype), InputSpec(8, 8)) for dtype in (first, second)]
        found = cost(*models)
        assert found.sizes == tuple(model.graph.size for model in models)
        low, high = found.ratio.interval
        assert min(found.milliseconds) > 0 and 0 < low <= found.ratio.value <= high


def test_seconds_of_an_inference_are_those_between_two_looks_at_the_clock(monkeypatch):
    module = importlib.import_module("edgekit.evaluation.cost")
    run, clock = module._ready(model_of(colour_classifier(), InputSpec(8, 8))), iter((1.0, 1.25))
    monkeypatch.setattr(module, "_clock", lambda: next(clock))
    assert run() == 0.25


@pytest.mark.skipif(get_clock_info("thread_time").resolution > 1e-6, reason="the system tells it too coarsely")
def test_times_are_the_processors_which_other_programs_do_not_lengthen():
    assert importlib.import_module("edgekit.evaluation.cost")._clock is thread_time


def test_a_line_and_a_document_tell_the_same():
    model = model_of(colour_classifier(), InputSpec(8, 8))
    found = cost(model, model)
    document = cost_to_json(found)
    assert document["bytes"] == [model.graph.size] * 2 and document["ratio"] == found.ratio.value
    text = cost_text(found, "float", "int8")
    assert text.startswith(f"float 0.0 MB, {found.milliseconds[0]:.3g} ms; int8 0.0 MB, ")
    assert text.endswith(" on one CPU core") and f"{found.ratio.value:.2f} times as long (95 % CI " in text


@pytest.mark.parametrize(("between_looks", "rounds"), [(0.0, 25), (1.0, 6), (0.051, 15)])
def test_times_are_the_medians_of_rounds_for_half_a_second(monkeypatch, between_looks, rounds):
    """With stand-ins for both models, and for the clock, which goes on by so much at each look."""
    module, times, now = importlib.import_module("edgekit.evaluation.cost"), iter((0.002, 0.006)), [0.0]
    models = [model_of(colour_classifier(dtype), InputSpec(8, 8)) for dtype in ("float32", "uint8")]
    taken = []

    def ready(_model):
        taken.append(next(times))
        return lambda seconds=taken[-1]: taken.append(seconds) or seconds

    def clock():
        now[0] += between_looks
        return now[0]

    monkeypatch.setattr(module, "_ready", ready)
    monkeypatch.setattr(module, "perf_counter", clock)
    found = cost(*models)
    assert found.milliseconds == pytest.approx((2, 6)) and found.ratio.value == pytest.approx(3)
    assert len(taken) == 2 + 2 * rounds
