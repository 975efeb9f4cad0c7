import json
import re

import pytest

from edgekit.errors import DataError, UsageError
from edgekit.reports.page import Figure, Figures, render
from tests.support.page import Page, numbers
from tests.support.reported import (
    CLASSES,
    COMPARISON,
    CONVERSION,
    DOCUMENTS,
    EVALUATION,
    FIT,
    HOSTILE,
    INSPECTION,
    LAYER,
    OPS,
    PHONE,
    SPREAD,
    TRAINING,
)

pytest.importorskip("jinja2")


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_every_figure_is_one_of_the_document_exactly(kind):
    found = {json.loads(value) for value in Page(render([DOCUMENTS[kind]])).data}
    # A matrix shows its zeros, which the document leaves out.
    assert found and found - {0} <= numbers(DOCUMENTS[kind])


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (
            "convert",
            {
                -2.25,
                0.75,
                0.0125,
                19.75,
                0.9850000000000001,
                0.9568,
                0.9949,
                200,
                0.8834,
                0.8795,
                123,
                5.33,
                17.78,
                12.45,
                5312345,
                14.875,
                0.53125,
                0.5625,
            },
        ),
        (
            "benchmark",
            {13.625, 15.25, 18.5, 231.5, 10.75, 6.125, 111169536, 0.467, 0.391, 0.504, 1.0312, 1.0109, 10, 0.25},
        ),
        ("benchmark on a phone", {8.9375, 1.5312, 0.9375, 0.8281, 48, 31.25, 62464000, 3.5}),
        ("verify", {5300000, 0.8125}),
        ("manifest", {0.9850000000000001, 123, 5.33}),
        ("manifest without calibration", {0.9850000000000001, 0.8795}),
        ("evaluate", {0.8811881188118812, 0.8034, 0.9306, 0.9123, 0.8456, 0.9712, 50, 51, 46, 7, 44}),
        ("compare", {-4.5, 8.25, 0.9850000000000001, 25.15, 21.25, 11.5, 13.75}),
        ("inspect", {5357056, 6205568, 1024, 5.243, 6.816, 8.9, 0.3432, 3612672, 1664}),
        ("train", {0.8712, 0.8811881188118812, 400, 101, 0.71, 0.91, 0.94, 25.4, 0.886}),
    ],
)
def test_what_matters_is_shown(kind, expected):
    assert expected <= {json.loads(value) for value in Page(render([DOCUMENTS[kind]])).data}


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_what_files_and_labels_are_called_never_becomes_markup(kind):
    page = Page(render([DOCUMENTS[kind]]))
    assert not {tag for tag, _ in page.tags} & {"script", "iframe", "object", "link", "form"}
    assert not [attrs for _, attrs in page.tags if any(name.startswith("on") for name in attrs)]
    assert not [tag for tag, _ in page.tags if tag == "img"]
    assert "alert(1)" in "".join(page.text) and "49" not in "".join(page.text).split("{{")[0][:50]
    assert "{{ 7*7 }}" in "".join(page.text)


def test_one_page_of_all_documents_is_whole():
    everything = [DOCUMENTS[kind] for kind in DOCUMENTS if kind != "manifest"]
    page = Page(render(everything))
    assert len(page.ids) == len(set(page.ids))
    assert {link[1:] for link in page.links} <= set(page.ids)
    headings = [tag for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert headings[0] == "h1" and set(headings[1:]) == {"h2"}


def test_nothing_is_loaded_from_elsewhere():
    text = render([EVALUATION], Figures([[Figure("data:image/png;base64,AAAA", "An image", ["a"])]], "note"))
    page = Page(text)
    for _, attrs in page.tags:
        for name in ("src", "href"):
            assert attrs.get(name, "#").startswith(("#", "data:"))
    assert "url(" not in text and "@import" not in text and "http://" not in text and "https://" not in text
    policy = next(attrs["content"] for tag, attrs in page.tags if attrs.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy


def test_a_model_without_calibration_has_none_on_its_page():
    text = render([DOCUMENTS["manifest without calibration"]])
    assert "Calibrated on" not in text and "top-1, dynamic" in text
    assert "Calibrated on" in render([DOCUMENTS["manifest"]])


def test_a_phones_page_tells_what_failed_and_what_answers_wrongly():
    told = " ".join("".join(Page(render([PHONE])).text).split())
    assert "p50 or mean, ms" in told
    assert "mean inference of" in render([{**PHONE, "results": PHONE["results"][:1]}])
    assert "a part of it" in told and "on the CPU: ARG_MAX" in told and f"answers with {HOSTILE}" in told
    assert f"b.tflite, nnapi, 4 threads{HOSTILE}" in told
    assert "SECRET1" not in told and "640×480" not in told


def test_images_have_a_text_in_their_place():
    hostile = Figures([[Figure("data:image/png;base64,AAAA", HOSTILE, [HOSTILE])]], HOSTILE)
    page = Page(render([COMPARISON], hostile))
    (image,) = [attrs for tag, attrs in page.tags if tag == "img"]
    assert image["alt"] == HOSTILE and image["src"].startswith("data:") and "onerror" not in image


def test_the_result_comes_first_with_whether_it_is_accepted():
    text = render([EVALUATION, INSPECTION])
    assert text.index("not accepted") < text.index("<h2") and text.index("Not met: top-1 is too low") < text.index(
        "<h2"
    )
    assert ">accepted<" in render([CONVERSION]) and "not accepted" not in render([CONVERSION])


def test_a_placement_that_is_not_certain_is_neither_good_nor_bad():
    certain = {**INSPECTION, "fully_mapped": True, "ops": OPS[:1]}
    assert 'class="headline good"' in render([certain]) and 'class="headline bad"' in render([INSPECTION])
    assert 'class="headline"' in render([{**certain, "ops": OPS[:2]}])


def drawn(document):
    """[(low, high, where columns inside and outside of the range begin)] of a page's histograms."""
    tags = Page(render([document])).tags
    ranges = [attrs for tag, attrs in tags if attrs.get("class") == "cover"]
    columns = {
        kind: [[float(x) for x in re.findall(r"M([\d.]+)", attrs["d"])] for tag, attrs in tags
               if tag == "path" and attrs["class"] == kind]
        for kind in ("length", "marked")
    }  # fmt: skip
    ends = [(float(each["x"]), float(each["x"]) + float(each["width"])) for each in ranges]
    return list(zip(ends, columns["length"], columns["marked"], strict=True))


@pytest.mark.parametrize("document", [CONVERSION, COMPARISON, TRAINING], ids=["convert", "compare", "train"])
def test_values_beyond_a_range_stand_out_of_it(document):
    histograms = drawn({**document, "ranges": [FIT], "layers": [{**LAYER, **FIT}]})
    assert len(histograms) == 1
    ((low, high), within, beyond) = histograms[0]
    # Of the five filled bins of half a unit from -3, those that begin at -3 and reach -2.5 are below -2.25 …
    assert len(within) == 4 and len(beyond) == 1 and beyond[0] < low < within[0] and within[-1] < high


@pytest.mark.parametrize(
    "change",
    [
        {"counts": []},
        {"counts": [0, 0]},
        {"width": 0},
        {"width": "x"},
        {"first": None},
        {"first": 1e400},
        {"counts": [-1]},
    ],
)
def test_a_distribution_of_nothing_is_not_drawn(change):
    assert drawn({**CONVERSION, "ranges": [{**FIT, "distribution": {**SPREAD, **change}}]}) == []


def test_names_from_right_to_left_are_kept_from_what_is_beside_them():
    names = ["كلب", "חתול", "🐈\u200d⬛"]
    labelled = [{**CLASSES[0], "label": name} for name in names]
    text = render([{**EVALUATION, "classes": labelled}, {**CONVERSION, "labels": names}])
    assert all(text.count(f"<bdi>{name}</bdi>") == 2 for name in names)


def test_sections_of_one_title_say_whose_they_are():
    page = Page(render([EVALUATION, {**EVALUATION, "model": "other.tflite"}]))
    titles = [title for title in "".join(page.text).splitlines() if title.startswith("Classes")]
    assert set(titles) == {"Classes: m.tflite", "Classes: other.tflite"}
    assert "Classes: " not in "".join(Page(render([EVALUATION])).text)


def test_a_training_and_the_conversion_after_it_are_two_records():
    text = render([{**TRAINING, "training": {"base": "lite0"}}, CONVERSION])
    assert re.findall(r"<summary>(.*?)</summary>", text) == ["How it was trained", "Manifest: how the model was made"]


def test_ops_of_one_reason_are_one_row():
    many = [{**OPS[2], "index": index} for index in range(3, 30)]
    text = render([{**INSPECTION, "ops": [*OPS[:1], *many]}])
    assert text.count("<bdi>EXP</bdi>") == 1 + 1  # and the chart of kinds


def test_folders_of_the_users_machine_are_left_out():
    assert "/home/somebody" not in render([CONVERSION])


def test_the_same_documents_give_the_same_page():
    assert render([CONVERSION, INSPECTION]) == render([CONVERSION, INSPECTION])


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_a_document_that_lacks_most_is_told_as_far_as_it_goes(kind):
    """What other hands left of a document: keys of other types, lists of anything."""
    for value in (None, 7, "x", [], {}, [1, "a", None, {}], {"a": 1}):
        Page(render([dict.fromkeys(DOCUMENTS[kind], value)]))


@pytest.mark.parametrize("document", [{}, {"error": "x", "message": "y"}, {"images": []}])
def test_what_is_no_document_is_refused(document):
    with pytest.raises(DataError, match="none that a report"):
        render([document])


def test_nothing_is_no_report():
    with pytest.raises(UsageError, match="nothing to report"):
        render([])
