"""Range methods by role, against the harm of rounding computed by hand."""

from dataclasses import replace

import numpy as np
import pytest

from edgekit.calibration import METHODS, observe
from edgekit.converters.quantization.search.choose import forms, ranges_of
from edgekit.converters.quantization.search.refine import REFINEMENTS, refine, role_harms
from edgekit.converters.quantization.search.search import Choice, Contest
from edgekit.converters.quantization.search.tensor_groups import roles
from edgekit.tflite import read_graph
from edgekit.tflite.quant import affine_params, dequantize, quantize
from tests.support.build import model_of
from tests.support.gated_net import SAMPLES, SPEC, Net, answers

NET = Net()
GRAPH = read_graph(NET.content)
(FORM,) = forms(model_of(NET.content, SPEC, "logits"), SAMPLES, "none")
BY_METHOD = {method: ranges_of(FORM, method) for method in METHODS}


def contest():
    return Contest(FORM, list(SAMPLES), SPEC)


def test_harm_of_the_last_layers_role_is_that_of_rounding_its_answers():
    harms = role_harms(GRAPH, roles(GRAPH), BY_METHOD, list(SAMPLES), SPEC)
    expected = answers(NET.content)
    for method, ranges in BY_METHOD.items():
        scale, zero_point = affine_params(*ranges.bounds["end"])
        error = dequantize(quantize(expected, scale, zero_point, "int8"), scale, zero_point) - expected
        power = np.square(error - error.mean(axis=1, keepdims=True)).sum(axis=1)
        assert harms["FULLY_CONNECTED for the output", method] == pytest.approx(power, rel=0.02)


def test_a_range_that_cuts_everything_does_more_harm():
    cut = replace(BY_METHOD["minmax"], bounds={**BY_METHOD["minmax"].bounds, "x": (-1e-3, 1e-3)})
    harms = role_harms(GRAPH, roles(GRAPH), {"minmax": BY_METHOD["minmax"], "cut": cut}, list(SAMPLES), SPEC)
    role = next(role for role, names in roles(GRAPH).items() if "x" in names)
    assert (harms[role, "cut"] > 10 * harms[role, "minmax"]).all()
    others = [harms[other, "cut"] == harms[other, "minmax"] for other in roles(GRAPH) if other != role]
    assert np.all(others)


def test_a_bad_range_is_replaced_where_another_method_has_a_better_one():
    bad = replace(BY_METHOD["mse"], bounds={**BY_METHOD["mse"].bounds, "product": (-0.01, 0.01)})
    known = contest()
    known.enter(Choice(FORM, bad))
    start = known.noise.sum()
    refine(known, {**BY_METHOD, "mse": bad})
    won = known.won()
    first, *others = (trial for trial in won.trials if trial.role)
    assert first.role == next(role for role, names in roles(GRAPH).items() if "product" in names)
    assert first.sqnr_db > won.trials[0].sqnr_db + 3 and len(others) < REFINEMENTS
    assert known.noise.sum() < start / 2
    assert won.ranges.bounds["product"] == BY_METHOD[first.method].bounds["product"]


def test_what_brings_nothing_is_not_kept():
    known = contest()
    for ranges in BY_METHOD.values():
        known.enter(Choice(FORM, ranges))
    best = max(trial.sqnr_db for trial in known.won().trials)
    refine(known, BY_METHOD)
    trials = known.won().trials
    assert len([trial for trial in trials if trial.role]) <= REFINEMENTS
    assert max(trial.sqnr_db for trial in trials) >= best


def test_observations_name_every_tensor_of_a_role():
    known = observe(NET.content, SAMPLES, SPEC).tensors
    assert {name for names in roles(GRAPH).values() for name in names} <= set(known)
