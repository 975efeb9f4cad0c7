import csv
import io
import json
import math

import numpy as np
import pytest

from edgekit.calibration import open_samples
from edgekit.calibration.class_matching import match_samples
from edgekit.errors import UsageError
from edgekit.evaluation.comparison import compare_models
from edgekit.evaluation.verdict import Verdict, compare
from edgekit.preprocess import InputSpec
from edgekit.reports.comparison import comparison_to_json, layers_to_csv, significance
from tests.support.build import colour_classifier, model_of
from tests.support.layered_nets import IMAGES, NAMES, SPEC, float_model, int8_model


def verdict(lost, gained, labelled=100):
    return Verdict(1.0, (1.0, 1.0), labelled, "data", 30.0, labelled, 0.9, 0.9, lost=lost, gained=gained)


@pytest.mark.parametrize(("lost", "gained"), [(0, 0), (1, 0), (3, 3), (2, 9), (12, 3), (700, 640)])
def test_mcnemars_test_is_the_exact_binomial_one(lost, gained):
    stats = pytest.importorskip("scipy.stats")
    expected = stats.binomtest(lost, lost + gained).pvalue if lost + gained else 1.0
    assert verdict(lost, gained).p_value == pytest.approx(expected, rel=1e-9)


def test_significance_in_plain_words():
    assert "not a significant difference" in significance(verdict(3, 2))
    assert "A is significantly better" in significance(verdict(20, 2))
    assert "B is significantly better" in significance(verdict(2, 20))
    assert significance(verdict(0, 0, labelled=0)) == ""


@pytest.fixture(scope="module")
def comparison():
    reference, candidate = model_of(float_model(), SPEC), model_of(int8_model(conv=(0.005, 0)), SPEC)
    return compare_models(reference, candidate, open_samples(IMAGES, SPEC))


def test_the_layers_that_cost_most_come_first(comparison):
    assert [layer.name for layer in comparison.worst] == ["conv", "mean"]  # the ranges of the others are fixed
    errors = [layer.scores_db for layer in comparison.worst]
    assert errors == sorted(errors)
    assert comparison.worst[0].cause.name == "clipped"
    assert "--ranges" in comparison.worst[0].cause.remedy()


def test_json_and_csv_hold_every_layer(comparison):
    document = json.loads(json.dumps(comparison_to_json(comparison)))
    assert [layer["name"] for layer in document["layers"]] == list(NAMES)
    assert document["layers"][0]["cause"] == "clipped"
    assert document["worst"][0] == "conv"
    assert (document["top1_float"], document["p"], document["significance"]) == (None, None, None)
    rows = list(csv.DictReader(io.StringIO(layers_to_csv(comparison))))
    assert [row["name"] for row in rows] == list(NAMES)
    assert float(rows[0]["scores_db"]) == pytest.approx(comparison.layers[0].scores_db, abs=0.01)
    assert rows[-1]["scores_db"] == ""
    assert float(rows[0]["local_db"]) == pytest.approx(comparison.layers[0].local_db, abs=0.01)


def colours(size=12):
    images = np.zeros((6, size, size, 3), np.uint8)
    images[np.arange(6), ..., np.arange(6) % 3] = 200
    return images


def test_models_of_different_sizes_see_the_same_images():
    small, large = InputSpec(8, 8), InputSpec(12, 12)
    first, second = (
        model_of(colour_classifier(size=8), small),
        model_of(colour_classifier(size=12), large),
    )
    found = compare(first, second, open_samples(colours(), small))
    assert (found.agreement, found.images) == (1.0, 6)
    assert found.sqnr_db > 30


def test_models_of_different_tasks_are_refused():
    images = open_samples(colours(6), SPEC)
    with pytest.raises(UsageError, match="4 outputs, the other 3"):
        compare(
            model_of(float_model(), SPEC),
            model_of(colour_classifier(size=6), InputSpec(6, 6)),
            images,
        )


def test_logits_and_probabilities_have_no_ratio_in_common():
    spec = InputSpec(8, 8)
    first = model_of(colour_classifier(softmax=False), spec, "logits")
    found = compare_models(first, model_of(colour_classifier(), spec), open_samples(colours(), spec))
    assert found.verdict.agreement == 1.0
    assert math.isnan(found.verdict.sqnr_db)
    assert comparison_to_json(found)["sqnr_db"] is None


def test_images_that_only_one_model_gets_right_are_counted(tmp_path):
    from tests.support.colours import folder

    spec = InputSpec(8, 8)
    images = open_samples(folder(tmp_path, {"a": "rrg", "b": "g", "c": "b"}), spec, count=None)
    bgr = InputSpec(8, 8, order="bgr")
    found = compare(
        model_of(colour_classifier(), spec),
        model_of(colour_classifier(), bgr),
        images,
        matching=match_samples(images, (), 3),
    )
    assert (found.lost, found.gained, found.labelled) == (3, 0, 5)


def test_layers_are_compared_on_the_first_32_images():
    told = []
    pixels = np.random.default_rng(3).integers(0, 256, (35, 6, 6, 3)).astype(np.uint8)
    reference, candidate = model_of(float_model(), SPEC), model_of(int8_model(), SPEC)
    compare_models(reference, candidate, open_samples(pixels, SPEC), progress=lambda *given: told.append(given))
    assert [done for what, done, _ in told if what == "Comparing layers"] == [*range(1, 33)]
    assert [done for what, done, _ in told if what == "Verifying"] == [*range(1, 36)]
