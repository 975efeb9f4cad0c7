"""Giving up candidates early, and what is observed only once."""

import sys
from dataclasses import replace

import numpy as np
import pytest

from edgekit.calibration import observe
from edgekit.calibration.observe import activations
from edgekit.converters import Recipe, convert, load_source
from edgekit.converters.quantization.search import search as searching
from edgekit.converters.quantization.search.choose import forms, ranges_of
from edgekit.converters.quantization.search.effort import EFFORTS
from edgekit.converters.quantization.search.search import STAGE, Candidate, Search
from edgekit.converters.quantization.transforms.equalize import compared_channels
from edgekit.errors import UsageError
from tests.support.build import model_of
from tests.support.float_nets import colour_net
from tests.support.gated_net import SPEC, Net, images

MODEL = model_of(Net().content, SPEC, "logits")
MANY = images(3 * STAGE)


@pytest.fixture(scope="module")
def plain():
    (form,) = forms(MODEL, MANY, "none")
    return form


@pytest.fixture
def seen(monkeypatch):
    """How many images each candidate was run on."""
    counts = []
    scores = searching.scores

    def counted(model, given):
        counts.append(0)
        for answer in scores(model, given):
            counts[-1] += 1
            yield answer

    monkeypatch.setattr(searching, "scores", counted)
    return counts


def test_a_candidate_that_is_clearly_worse_is_given_up_early(plain, seen):
    good = ranges_of(plain, "minmax")
    bad = replace(good, bounds={**good.bounds, "product": (-0.01, 0.01)})
    search = Search(plain, MANY)
    assert search.attempt(Candidate(plain, good))
    assert not search.attempt(Candidate(plain, bad))
    assert seen == [3 * STAGE, 3 * STAGE, STAGE]  # of the float model, the good and the bad one
    assert search.steps[1].sqnr_db < search.steps[0].sqnr_db - 3
    assert search.best.ranges is good


@pytest.mark.parametrize(("gains", "behind"), [((0.2, -1.8), False), ((-0.05, -2.05), True), ((0.5, 0.5), False)])
def test_a_candidate_is_behind_where_the_mean_is_below_zero_by_more_than_a_standard_error(plain, gains, behind):
    """Of two gains the standard error is half their distance: 1 dB in the first two."""
    search = Search(plain, MANY)
    search.attempt(Candidate(plain, ranges_of(plain, "minmax")))
    expected, best = search._expected[:2], search._found[:2]
    found = expected + (best - expected) * 10 ** (-np.array(gains)[:, None] / 20)
    assert search._is_behind(found) == behind


def test_one_that_is_as_good_is_run_on_all_images_and_not_kept(plain, seen):
    search, ranges = Search(plain, MANY), ranges_of(plain, "minmax")
    assert search.attempt(Candidate(plain, ranges))
    assert not search.attempt(Candidate(plain, ranges))
    assert seen == [3 * STAGE] * 3 and search.steps[0].sqnr_db == search.steps[1].sqnr_db


def test_the_first_and_the_better_are_run_on_all_images(plain, seen):
    good = ranges_of(plain, "minmax")
    bad = replace(good, bounds={**good.bounds, "product": (-0.01, 0.01)})
    search = Search(plain, MANY)
    search.attempt(Candidate(plain, bad))
    assert search.attempt(Candidate(plain, good))
    assert seen == [3 * STAGE] * 3


def test_what_is_given_up_early_would_not_have_been_kept(plain, monkeypatch):
    methods = [ranges_of(plain, method) for method in ("minmax", "mean", "percentile", "mse", "kl")]
    early = Search(plain, MANY)
    kept = [early.attempt(Candidate(plain, ranges)) for ranges in methods]
    monkeypatch.setattr(searching, "STAGE", 10**6)
    patient = Search(plain, MANY)
    assert [patient.attempt(Candidate(plain, ranges)) for ranges in methods] == kept


def test_a_rewritten_model_is_observed_where_it_differs_and_nowhere_else(monkeypatch):
    watched = []
    real = observe

    def noted(model, samples, *, tensors=None, **options):
        watched.append(activations(model.graph) if tensors is None else tuple(tensors))
        return real(model, samples, tensors=tensors, **options)

    monkeypatch.setattr(sys.modules["edgekit.calibration.observe"], "observe", noted)
    split = forms(MODEL, MANY)[-1]
    assert split.corrections == ("split-swish",)
    assert 0 < len(watched[-1]) < len(activations(split.model.graph))
    monkeypatch.undo()
    expected, apart = observe(split.model, MANY), compared_channels(MODEL.graph)
    assert list(split.observations.tensors) == list(expected.tensors)
    for name, statistics in expected.tensors.items():
        found = split.observations.tensors[name]
        scale = np.abs(statistics.extremes).max()
        np.testing.assert_allclose(found.extremes, statistics.extremes, atol=1e-5 * scale)
        if name in apart:
            np.testing.assert_allclose(found.channels.high, statistics.channels.high, atol=1e-5 * scale)
        np.testing.assert_allclose(found.means, statistics.means, atol=1e-5 * scale)
    np.testing.assert_allclose(split.observations.each[..., 0], expected.each[..., 0], rtol=1e-4, atol=1e-5)


@pytest.fixture
def colours(tmp_path):
    path = tmp_path / "colours.tflite"
    path.write_bytes(colour_net())
    return load_source(path)


def test_fast_does_not_search(colours):
    made = convert(colours, recipe=Recipe(samples=8, effort="fast"), verify=False)
    record = made.artefact.provenance
    assert (record["steps"], record["calibration"]["method"]) == ([], "mse")
    assert record["recipe"]["effort"] == "fast"


def test_what_is_named_counts_for_every_effort(colours):
    made = convert(colours, recipe=Recipe(samples=8, effort="fast", ranges="minmax", corrections="none"), verify=False)
    calibration = made.artefact.provenance["calibration"]
    assert (calibration["method"], calibration["corrections"]) == ("minmax", [])


def test_full_tries_no_less_than_auto(colours):
    steps = [
        convert(colours, recipe=Recipe(samples=8, effort=effort), verify=False).artefact.provenance["steps"]
        for effort in ("auto", "full")
    ]
    assert max(step["sqnr_db"] for step in steps[1]) >= max(step["sqnr_db"] for step in steps[0]) - 0.01
    assert EFFORTS["full"].refinements > EFFORTS["auto"].refinements


def test_an_effort_that_there_is_not():
    with pytest.raises(UsageError, match="no effort 'heroic'"):
        Recipe(effort="heroic")


@pytest.mark.parametrize(("effort", "images", "changes"), [("fast", 64, 0), ("auto", 64, 12), ("full", 200, 60)])
def test_an_effort_is_a_count_of_images_and_of_changes(effort, images, changes):
    """docs/architecture.md tells those of «auto»: up to 64 calibration images, at most twelve promising changes."""
    assert (EFFORTS[effort].selection, EFFORTS[effort].refinements) == (images, changes)


def test_progress_is_told_before_each_candidate(plain):
    told = []
    good = ranges_of(plain, "minmax")
    search = Search(plain, MANY.take(2), most=7, progress=lambda *given: told.append(given))
    for _ in range(3):
        search.attempt(Candidate(plain, good))
    assert told == [("Choosing ranges", done, 7) for done in range(3)]
    assert [step.kept for step in search.steps] == [True, False, False]
    assert len(search.outcome().steps) == 3
