"""A low agreement is told for every precision, with what else to try."""

from dataclasses import replace

import pytest

from edgekit import Recipe, convert, load_source
from edgekit.converters.pipeline import DEFAULT
from edgekit.converters.remedies import remedies
from edgekit.converters.several import ForTarget
from edgekit.evaluation.intervals import wilson_interval
from edgekit.reports.conversion import Written, conversions_facts, conversions_to_json
from edgekit.reports.page import render
from tests.support.float_nets import colour_net, save_images

pytest.importorskip("litert_quantizer")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("remedies")
    (folder / "m.tflite").write_bytes(colour_net(size=32))
    save_images(folder / "images")
    return convert(load_source(folder / "m.tflite"), folder / "images")


def judged(made, right, images, recipe=DEFAULT, source="data"):
    """The conversion as if its model had agreed on so many of so many images."""
    found = wilson_interval(right, images)
    verdict = replace(made.verdict, agreement=right / images, interval=found, images=images, source=source)
    settings = {"target": recipe.target, "precision": recipe.precision, "effort": recipe.effort}
    record = {**made.artefact.provenance, "recipe": {**made.artefact.provenance["recipe"], **settings}}
    return replace(made, verdict=verdict, artefact=replace(made.artefact, provenance=record))


@pytest.mark.parametrize(
    ("recipe", "advised", "not_advised"),
    [
        (Recipe(), ["compare", "--effort full", "a model that int8 suits"], ["--float16"]),
        (Recipe(effort="full"), ["compare"], ["--effort full"]),
        (Recipe(target="coral-npu"), ["a model that int8 suits"], ["--float16"]),
        (Recipe(target="android"), ["compare", "--float16"], ["a model that int8 suits"]),
        (Recipe(target="ios", precision="dynamic"), ["--float16", "--int8"], ["--effort"]),
        (Recipe(target="cpu", precision="float16"), ["compare", "--int8"], ["--effort"]),
    ],
)
def test_each_precision_gets_another_one_that_its_target_takes(made, recipe, advised, not_advised):
    (said,) = remedies(judged(made, 470, 500, recipe))
    assert f"the {recipe.precision} model" in said
    assert [each for each in advised if each not in said] == []
    assert [each for each in not_advised if each in said] == []


@pytest.mark.parametrize(("right", "images", "low"), [(470, 500, True), (480, 500, False), (9, 10, False)])
def test_it_is_told_only_where_the_interval_leaves_no_doubt(made, right, images, low):
    assert bool(remedies(judged(made, right, images))) == low


def test_on_synthetic_images_doubt_comes_first(made):
    assert "--verify-data" in remedies(judged(made, 60, 100, source="synthetic"))[0]


def test_it_stands_in_the_text_the_document_and_the_page(made, tmp_path):
    found = judged(made, 470, 500, Recipe(target="cpu", precision="dynamic"))
    (said,) = remedies(found)
    written = Written(ForTarget("cpu", found), tmp_path / "m.tflite", tmp_path / "m.json")
    assert ("Low agreement", said) in [row for _, rows in conversions_facts([written]) for row in rows]
    document = conversions_to_json([written])
    assert document["remedies"] == [said]
    page = render([document])
    assert "Low agreement: " in page and "top-1 agreement" in page


def test_a_page_names_the_precision_that_was_judged(made, tmp_path):
    found = judged(made, 500, 500, Recipe(target="cpu", precision="dynamic"))
    document = conversions_to_json([Written(ForTarget("cpu", found), tmp_path / "m.tflite", tmp_path / "m.json")])
    document["verdict"] = {**document["verdict"], "top1_float": 0.5, "top1_int8": 0.5}
    assert "top-1, dynamic" in render([document])
