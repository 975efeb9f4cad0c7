"""Room for the scores of real images, where ranges come from synthetic ones."""

from dataclasses import replace

import numpy as np
import pytest

from edgekit.calibration import observe, open_samples, save_ranges
from edgekit.calibration.ranges import min_max
from edgekit.converters import Recipe, convert, load_source
from edgekit.converters.quantization.head_margin import head_margins
from edgekit.preprocess import InputSpec
from edgekit.reports.verdict import verdict_lines
from tests.support.build import model_of
from tests.support.float_nets import SIZE, colour_net, save_images

SPEC = InputSpec(SIZE, SIZE)


def margins_of(content, images):
    model = model_of(content, SPEC)
    return model, observe(model, images), head_margins(model, observe(model, images), list(images))


def test_the_margin_lies_between_what_was_seen_and_what_features_so_far_from_their_mean_can_score():
    images, matrix = open_samples(None, SPEC, count=12), np.random.default_rng(3).normal(size=(5, 3))
    model, seen, margins = margins_of(colour_net(dense=matrix), images)
    # Features as the net's own mean of each channel gives them: its logits, the weights turned back.
    features, _ = np.linalg.lstsq(matrix, logits(model, images).T, rcond=None)[:2]
    middle, away = features.mean(axis=1), features - features.mean(axis=1, keepdims=True)
    usual = np.quantile(np.linalg.norm(away, axis=0), 0.95)
    reachable = matrix @ middle + usual * np.linalg.norm(matrix, axis=1)
    low, high = min_max(seen.tensors["logits"])
    assert margins["logits"][1] == pytest.approx(np.sqrt(high * reachable.max()), rel=1e-3)
    assert low >= margins["logits"][0] and high < margins["logits"][1] < reachable.max()
    lowest = (matrix @ middle - usual * np.linalg.norm(matrix, axis=1)).min()
    assert lowest < low < 0 and margins["logits"][0] == pytest.approx(-np.sqrt(low * lowest), rel=1e-3)


def logits(model, images):
    from edgekit.converters.quantization.scores import scores

    return np.stack(list(scores(model, list(images))))


@pytest.mark.parametrize("activation", ["SOFTMAX", "LOGISTIC", None])
def test_every_kind_of_head_has_one(activation):
    _, seen, margins = margins_of(colour_net(activation=activation), open_samples(None, SPEC, count=12))
    assert set(margins) == {"logits"}
    assert margins["logits"][1] > min_max(seen.tensors["logits"])[1]


def test_real_images_need_none_and_synthetic_ones_get_it(tmp_path):
    pytest.importorskip("litert_quantizer")
    (tmp_path / "m.tflite").write_bytes(colour_net())
    source, images = load_source(tmp_path / "m.tflite"), save_images(tmp_path / "images", each=20)
    recipe = Recipe(ranges="minmax", corrections="none")
    bounds = {}
    for data in (None, images):
        made = convert(source, data, recipe=recipe, verify=False)
        bounds[data] = made.artefact.ranges.bounds["logits"]
    model = model_of(colour_net(), SPEC)
    synthetic = open_samples(None, SPEC, count=64)
    seen = min_max(observe(model, synthetic).tensors["logits"])
    assert bounds[None][1] > 1.1 * seen[1]
    # And so the scores of images of one colour, which no synthetic one is, saturate no more.
    assert bounds[None][1] > bounds[images][1]


def test_saturated_scores_are_counted_and_told(tmp_path):
    pytest.importorskip("litert_quantizer")
    (tmp_path / "m.tflite").write_bytes(colour_net())
    source, images = load_source(tmp_path / "m.tflite"), save_images(tmp_path / "images", each=20)
    made = convert(source, images, recipe=Recipe(ranges="minmax"))
    assert made.verdict.saturated <= 1 and "8 bits" not in " ".join(verdict_lines(made.verdict))
    ranges = made.artefact.ranges
    low, high = ranges.bounds["logits"]
    save_ranges(replace(ranges, bounds={**ranges.bounds, "logits": (low, high / 2)}), tmp_path / "narrow.json")
    narrow = convert(source, images, recipe=Recipe(ranges=str(tmp_path / "narrow.json")))
    assert narrow.verdict.saturated == narrow.verdict.images
    told = " ".join(verdict_lines(narrow.verdict))
    assert f"at the end of its 8 bits on {narrow.verdict.images} of {narrow.verdict.images} images" in told
