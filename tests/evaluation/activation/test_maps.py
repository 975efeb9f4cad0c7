from dataclasses import replace

import numpy as np
import pytest

from edgekit.calibration import choose_ranges, observe, open_samples
from edgekit.converters.quantization.backend import quantize_int8
from edgekit.evaluation.activation import Explainer, correlation
from edgekit.preprocess import InputSpec
from edgekit.training.head import backbone, with_head
from tests.support.build import GraphBuilder, colour_classifier, model_of
from tests.support.float_nets import bottleneck_net
from tests.support.headed_nets import BIAS, CLASSES, OTHERS, SIZE, SUMS, expected_map, headed

SPEC = InputSpec(SIZE, SIZE, mean=(0.0,) * 3, std=(255.0,) * 3)
PIXELS = np.random.default_rng(1).integers(0, 256, (40, SIZE, SIZE, 3)).astype(np.uint8)
BATCH = PIXELS[:1].astype(np.float32) / 255


def explained(kind):
    return Explainer(model_of(headed(kind), SPEC))


@pytest.mark.parametrize("kind", SUMS)
@pytest.mark.parametrize("index", range(CLASSES))
def test_heads_that_are_sums_are_taken_apart_exactly(kind, index):
    explainer = explained(kind)
    assert explainer.way == "cam"
    np.testing.assert_allclose(
        explainer.map(explainer.see(BATCH), index), expected_map(kind, BATCH, index), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("kind", SUMS)
def test_an_exact_map_sums_to_the_score_without_its_bias(kind):
    explainer = explained(kind)
    seen = explainer.see(BATCH)
    bias = 0 * BIAS if kind == "convolution, mean" else BIAS
    sums = [explainer.map(seen, index).sum() for index in range(CLASSES)]
    np.testing.assert_allclose(sums, seen.scores - bias, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("index", range(CLASSES))
def test_other_heads_by_the_slopes_of_their_scores(kind, index):
    explainer = explained(kind)
    assert explainer.way == "grad-cam"
    np.testing.assert_allclose(
        explainer.map(explainer.see(BATCH), index), expected_map(kind, BATCH, index), rtol=2e-3, atol=2e-4
    )


@pytest.mark.parametrize("kind", [*SUMS, *OTHERS])
def test_an_int8_model_is_explained_by_its_own_integers(kind):
    pytest.importorskip("litert_quantizer")
    model = model_of(headed(kind), SPEC)
    ranges = choose_ranges(observe(model, open_samples(PIXELS, SPEC)))
    explainer = Explainer(replace(model, graph=quantize_int8(model.graph, ranges, SPEC)))
    assert explainer.way == ("cam" if kind in SUMS else "grad-cam")
    for index in range(CLASSES):
        found = explainer.map(explainer.see(BATCH), index)
        assert np.corrcoef(found.ravel(), expected_map(kind, BATCH, index).ravel())[0, 1] > 0.995


def test_a_model_without_a_feature_map_by_covering_parts_of_the_image():
    explainer = Explainer(model_of(colour_classifier("float32", size=32), InputSpec(32, 32)))
    assert explainer.way == "occlusion"
    half = np.zeros((1, 32, 32, 3), np.float32)
    half[:, :, :16, 0] = 1
    seen = explainer.see(half)
    red = explainer.map(seen, 0)
    # A patch of 8×8 takes half of their red from 64 of 1,024 pixels, and brings as much where there was none.
    np.testing.assert_allclose(red[1:7, 1:3], 32 / 1024, rtol=1e-4)
    np.testing.assert_allclose(red[1:7, 5:7], -32 / 1024, rtol=1e-4)
    np.testing.assert_allclose(red[[0, 7], 1:3], 24 / 1024, rtol=1e-4)  # at the edges 6×8 pixels are left of it
    np.testing.assert_allclose(red[1:7, [0, 7]], [[24 / 1024, -24 / 1024]] * 6, rtol=1e-4)
    np.testing.assert_allclose(explainer.map(seen, 1), 0, atol=1e-6)


def test_correlation_is_pearsons():
    first, second = np.random.default_rng(2).normal(size=(2, 5, 6))
    assert correlation(first, second) == pytest.approx(np.corrcoef(first.ravel(), second.ravel())[0, 1], abs=1e-6)
    assert correlation(first, 3 * first + 1) == pytest.approx(1)
    assert correlation(first, -first) == pytest.approx(-1)
    assert correlation(first, np.ones((5, 6))) is None


def test_a_single_score_speaks_for_the_second_class_and_against_the_first():
    graph = GraphBuilder()
    x = graph.input((1, SIZE, SIZE, 3))
    axes = graph.constant(np.array([1, 2], np.int32))
    features = graph.op("RELU", [x], (1, SIZE, SIZE, 3))
    pooled = graph.op("MEAN", [features, axes], (1, 3), options={"keepDims": False})
    weights = graph.constant(np.float32([[2, -1, 0]]))
    y = graph.op("FULLY_CONNECTED", [pooled, weights, -1], (1, 1), options={})
    explainer = Explainer(model_of(graph.finish([graph.op("LOGISTIC", [y], (1, 1))]), SPEC))
    seen = explainer.see(BATCH)
    expected = (BATCH[0] @ [2, -1, 0]) / SIZE**2
    np.testing.assert_allclose(explainer.map(seen, 1), expected, atol=1e-6)
    np.testing.assert_allclose(explainer.map(seen, 0), -expected, atol=1e-6)
    second = 1 / (1 + np.exp(-expected.sum()))
    np.testing.assert_allclose(seen.probabilities, [1 - second, second], rtol=1e-5)


def on_several_depths(bias=(0.1, -0.2, 0.3)):
    """A net whose head reads the last layer's features and the means of a finer map before them."""
    base = model_of(bottleneck_net(), InputSpec(16, 16))
    width = backbone(base).width
    weights = np.random.default_rng(5).normal(0, 1, (3, width)).astype(np.float32)
    return with_head(base, weights, np.array(bias, np.float32), ("a", "b", "c"))


def test_a_head_on_several_depths_is_taken_apart_exactly():
    model = on_several_depths()
    explainer = Explainer(model)
    seen = explainer.see(np.random.default_rng(2).uniform(0, 255, (1, 16, 16, 3)).astype(np.float32))
    assert explainer.way == "cam" and len(seen.features) > 1
    maps = [explainer.map(seen, index) for index in range(3)]
    assert {each.shape for each in maps} == {max(features.shape[:2] for features in seen.features)}
    np.testing.assert_allclose([each.sum() for each in maps], seen.scores - [0.1, -0.2, 0.3], rtol=1e-4, atol=1e-4)


def test_a_head_on_several_depths_looks_where_the_image_is():
    model = on_several_depths(bias=(0.0, 0.0, 0.0))
    explainer, plain = Explainer(model), np.zeros((1, 16, 16, 3), np.float32)
    corner = plain.copy()
    corner[:, :4, 12:] = 255
    changed = np.abs(explainer.map(explainer.see(corner), 0) - explainer.map(explainer.see(plain), 0))
    rows, columns = np.array(changed.shape) // 2
    assert changed[:rows, columns:].sum() > 0.7 * changed.sum()


def test_a_head_on_several_depths_in_int8_says_the_same():
    pytest.importorskip("litert_quantizer")
    model, images = on_several_depths(), np.random.default_rng(1).integers(0, 256, (40, 16, 16, 3)).astype(np.uint8)
    ranges = choose_ranges(observe(model, open_samples(images, model.spec)))
    int8 = Explainer(replace(model, graph=quantize_int8(model.graph, ranges, model.spec)))
    floating, batch = Explainer(model), images[:1].astype(np.float32)
    assert int8.way == "cam"
    for index in range(3):
        found, expected = (one.map(one.see(batch), index) for one in (int8, floating))
        assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.99
