"""Range methods by group, against the sensitivity computed by hand."""

from dataclasses import replace

import numpy as np
import pytest

from edgekit.calibration import METHODS, observe
from edgekit.converters.quantization.search.choose import forms, ranges_of
from edgekit.converters.quantization.search.effort import EFFORTS
from edgekit.converters.quantization.search.refine import _gain, group_sensitivities, refine
from edgekit.converters.quantization.search.search import Candidate, Search, kept
from edgekit.converters.quantization.search.tensor_groups import tensor_groups
from edgekit.tflite.quant import choose_qparams, dequantize, quantize
from tests.support.build import model_of
from tests.support.gated_net import SAMPLES, SPEC, Net, answers

NET = Net()
MODEL = model_of(NET.content, SPEC, "logits")
GROUPS = tensor_groups(MODEL.graph)
(FORM,) = forms(MODEL, SAMPLES, "none")
BY_METHOD = {method: ranges_of(FORM, method) for method in METHODS}
AUTO = replace(EFFORTS["auto"], spread_db=0.0)
EVERYTHING = [(sample, 0.0) for sample in SAMPLES]


def search(*ranges):
    found = Search(FORM, SAMPLES)
    for one in ranges:
        found.attempt(Candidate(FORM, one))
    return found


def test_the_sensitivity_of_the_last_layer_is_that_of_quantizing_its_answers():
    found = group_sensitivities(MODEL, GROUPS, BY_METHOD, EVERYTHING)
    expected = answers(NET.content)
    for method, ranges in BY_METHOD.items():
        scale, zero_point = choose_qparams(*ranges.bounds["end"])
        error = dequantize(quantize(expected, scale, zero_point, "int8"), scale, zero_point) - expected
        power = np.square(error - error.mean(axis=1, keepdims=True)).sum(axis=1)
        assert found["FULLY_CONNECTED for the output", method] == pytest.approx(power, rel=0.02)


def test_a_range_that_cuts_everything_costs_more():
    cut = replace(BY_METHOD["minmax"], bounds={**BY_METHOD["minmax"].bounds, "x": (-1e-3, 1e-3)})
    found = group_sensitivities(MODEL, GROUPS, {"minmax": BY_METHOD["minmax"], "cut": cut}, EVERYTHING)
    group = next(group for group, names in GROUPS.items() if "x" in names)
    assert (found[group, "cut"] > 10 * found[group, "minmax"]).all()
    others = [found[other, "cut"] == found[other, "minmax"] for other in GROUPS if other != group]
    assert np.all(others)


def test_a_bad_range_is_replaced_where_another_method_has_a_better_one():
    bad = replace(BY_METHOD["mse"], bounds={**BY_METHOD["mse"].bounds, "product": (-0.01, 0.01)})
    known = search(bad)
    start = known.noise.sum()
    refine(known, {**BY_METHOD, "mse": bad}, AUTO)
    first, *others = (step for step in known.steps if step.kind == "group")
    assert first.group == next(group for group, names in GROUPS.items() if "product" in names)
    assert first.sqnr_db > known.steps[0].sqnr_db + 3 and len(others) < AUTO.refinements
    assert known.noise.sum() < start / 2
    assert known.best.ranges.bounds["product"] == BY_METHOD[first.method].bounds["product"]


def test_what_brings_nothing_is_not_kept():
    known = search(*BY_METHOD.values())
    best = max(step.sqnr_db for step in known.steps)
    refine(known, BY_METHOD, AUTO)
    tried = [step for step in known.steps if step.kind == "group"]
    assert len(tried) <= AUTO.refinements
    assert kept(known.steps, "group") == tuple(step for step in tried if step.sqnr_db > step.before_db)
    assert max(step.sqnr_db for step in known.steps) >= best


def test_observations_name_every_tensor_of_a_group():
    known = observe(model_of(NET.content, SPEC), SAMPLES).tensors
    assert {name for names in GROUPS.values() for name in names} <= set(known)


def test_groups_that_cost_next_to_nothing_are_not_measured_further():
    everything = group_sensitivities(MODEL, GROUPS, BY_METHOD, EVERYTHING)
    first = next(iter(BY_METHOD))
    noise = float(max(powers.max() for (_, method), powers in everything.items() if method == first))
    found = group_sensitivities(MODEL, GROUPS, BY_METHOD, [(sample, noise) for sample in SAMPLES])
    for (group, method), powers in found.items():
        left = everything[group, first] < 0.005 * noise
        np.testing.assert_array_equal(powers, np.where(left, everything[group, first], everything[group, method]))


def test_where_methods_hardly_differ_no_group_is_tried():
    known = search(*BY_METHOD.values())
    tried = [step.sqnr_db for step in known.steps]
    refine(known, BY_METHOD, replace(AUTO, spread_db=max(tried) - tried[0] + 0.01))
    assert len(known.steps) == len(tried)


def test_the_estimated_gain_is_the_mean_of_decibels_that_the_noise_would_lose():
    """Of a noise of 8 and 10, powers of 4 and 1 become 2 and 3; 5 % of it stay whatever is saved."""
    found = {("g", "old"): np.array([4.0, 1.0]), ("g", "new"): np.array([2.0, 3.0]), ("g", "none"): np.zeros(2)}
    noise = np.array([8.0, 10.0, 99.0])
    gain = _gain(("g", "new"), {"g": "old"}, found, noise)
    assert gain == pytest.approx((10 * np.log10(8 / 6) + 10 * np.log10(10 / 12)) / 2)
    assert _gain(("g", "none"), {"g": "old"}, found, np.array([4.0, 1.0])) == pytest.approx(-10 * np.log10(0.05))
    assert _gain(("g", "none"), {"g": "none"}, found, np.zeros(2)) == 0.0
