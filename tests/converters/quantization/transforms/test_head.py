"""The last layer fitted to its int8 inputs, judged on images that it was not fitted to."""

from dataclasses import replace

import numpy as np
import pytest

from edgekit.calibration import choose_ranges, observe, open_samples
from edgekit.converters.quantization.backend import quantize_int8
from edgekit.converters.quantization.scores import mean_sqnr, outputs_of, scores
from edgekit.converters.quantization.search.choose import choose, forms
from edgekit.converters.quantization.transforms.head import FEWEST, RESTRAINTS, Layer, fit, last_layer, with_head
from tests.support.build import GraphBuilder, model_of
from tests.support.gated_net import CONV, SPEC

RNG = np.random.default_rng(0)


def net(dense):
    """Eight channels of noise of different brightness, averaged, and a last layer of five classes."""
    g, random = GraphBuilder(), np.random.default_rng(0)
    image = g.input((1, 8, 8, 3), name="image")
    weights, bias = random.normal(size=(8, 3, 3, 3)).astype(np.float32), random.normal(size=8).astype(np.float32)
    options = {**CONV, "fusedActivationFunction": 1}
    x = g.op("CONV_2D", [image, g.constant(weights), g.constant(bias)], (1, 8, 8, 8), options=options, name="x")
    axes, keeps = g.constant(np.array([1, 2], np.int32)), dense == "CONV_2D"
    pooled = g.op("MEAN", [x, axes], (1, 1, 1, 8) if keeps else (1, 8), options={"keepDims": keeps}, name="pooled")
    shape = (5, 1, 1, 8) if keeps else (5, 8)
    numbers = [g.constant(random.normal(size=size).astype(np.float32)) for size in (shape, (5,))]
    options = {**CONV, "fusedActivationFunction": 0} if keeps else {"keepNumDims": False, "fusedActivationFunction": 0}
    end = g.op(dense, [pooled, *numbers], (1, 1, 1, 5) if keeps else (1, 5), options=options, name="end")
    g.model.signatureDefs = []
    return model_of(g.finish([end]), SPEC, "logits")


def images(count, seed):
    random = np.random.default_rng(seed)
    bright = random.uniform(0.1, 1, (count, 1, 1, 3))
    return open_samples((random.uniform(0, 255, (count, 8, 8, 3)) * bright).astype(np.uint8), SPEC, count=count)


def clipping(observations):
    """Ranges of which one cuts the brightest half of the features' off."""
    ranges = choose_ranges(observations, "minmax")
    low, high = ranges.bounds["pooled"]
    return replace(ranges, bounds={**ranges.bounds, "pooled": (low, high / 2)})


def sqnr(floats, graph, given):
    found = (np.stack(list(scores(model, list(given)))) for model in (floats, replace(floats, graph=graph)))
    return mean_sqnr(*found)


@pytest.mark.parametrize("dense", ["FULLY_CONNECTED", "CONV_2D"])
def test_what_clipping_does_to_features_is_taken_back_on_other_images(dense):
    floats, seen, others = net(dense), images(40, 1), images(40, 2)
    graph = quantize_int8(floats.graph, clipping(observe(floats, seen)), SPEC)
    layer = last_layer(graph, floats.graph)
    features = np.stack(list(outputs_of(replace(floats, graph=graph), layer.op.inputs[0], list(seen))))
    head = fit(layer, features, np.stack(list(scores(floats, list(seen)))))
    fitted = with_head(graph, floats.graph, head)
    assert sqnr(floats, fitted, others) > sqnr(floats, graph, others) + 2


def ridge(features, missing, restraint):
    """Change of weights and offset by the normal equations, the offset free."""
    wide = np.column_stack([features, np.ones(len(features))])
    held = restraint * np.diag([*np.ones(features.shape[1]), 0])
    return np.linalg.solve(wide.T @ wide + held, wide.T @ missing)


def test_the_gain_is_that_of_leaving_each_image_out_in_turn():
    features, weights = RNG.normal(size=(20, 6)), RNG.normal(size=(3, 6))
    expected = features @ weights.T * 1.1 + 0.3 + 0.1 * RNG.normal(size=(20, 3))
    layer = Layer(None, weights, np.zeros(3))
    missing = expected - features @ weights.T
    spread = features - features.mean(axis=0)
    found = []
    for restraint in RESTRAINTS:
        left = np.empty_like(missing)
        for one in range(20):
            rest = np.arange(20) != one
            change = ridge(features[rest], missing[rest], restraint * np.square(spread).sum() / 20)
            left[one] = missing[one] - np.append(features[one], 1) @ change
        found.append(mean_sqnr(expected, expected - left))
    before = mean_sqnr(expected, expected - missing)
    assert fit(layer, features, expected).gain_db == pytest.approx(max(found) - before, abs=1e-6)


def test_nothing_is_changed_where_nothing_is_missing_or_little_was_seen():
    features, weights = RNG.normal(size=(40, 6)), RNG.normal(size=(3, 6))
    layer = Layer(None, weights, np.zeros(3))
    assert fit(layer, features, features @ weights.T) is None
    few = features[: FEWEST - 1]
    assert fit(layer, few, few @ weights.T + 1) is None
    assert fit(layer, features[:, :5], features @ weights.T + 1) is None  # several rows at once


def test_the_layer_is_fitted_last_and_only_where_real_images_are_seen():
    floats = net("FULLY_CONNECTED")
    made = {}
    for name, given in (("real", images(40, 1)), ("synthetic", open_samples(None, SPEC, count=40))):
        found = forms(floats, given)
        made[name] = choose(found, given, ranges=clipping(found[0].observations))
    assert made["real"].best.corrections[-1] == "head" and made["real"].steps[-1].kind == "head"
    assert "head" not in made["synthetic"].best.corrections
    none = choose(forms(floats, images(40, 1), "none"), images(40, 1), corrections="none")
    assert none.best.head is None
