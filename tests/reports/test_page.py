import json
import re

import pytest

from edgekit.errors import DataError, UsageError
from edgekit.reports.page import Figure, Figures, render
from tests.support.page import Page, numbers

pytest.importorskip("jinja2")

HOSTILE = "</td><script>alert(1)</script><img src=x onerror=alert(2)>&\"'{{ 7*7 }}"
STEPS = [
    {"name": "minmax", "ranges": "minmax", "group": None, "sqnr_db": 5.33, "gain_db": None, "kept": True},
    {"name": HOSTILE, "ranges": "mse", "group": None, "sqnr_db": 17.78, "gain_db": 12.45, "kept": False},
]
VERDICT = {
    "agreement": 0.9850000000000001, "interval": [0.9568, 0.9949], "images": 200, "source": "data",
    "top1_float": 0.8834, "top1_int8": 0.8795,
}  # fmt: skip
RECORD = {
    "tool": "edgekit", "recipe": {}, "source": {"file": HOSTILE, "architecture": "B0"}, "steps": STEPS,
    "calibration": {"images": 123, "method": "mse", "origin": HOSTILE, "corrections": ["rounding"]},
    "preprocessing": {"name": "raw", "how": HOSTILE}, "verdict": VERDICT,
}  # fmt: skip
SPREAD = {"first": -3.0, "width": 0.5, "counts": [2, 0, 40, 900, 70, 1]}
FIT = {"tensor": HOSTILE, "low": -2.25, "high": 0.75, "clipped": 0.0125, "sqnr_db": 19.75, "distribution": SPREAD}
CONVERSION = {
    "ranges": [FIT, {**FIT, "tensor": "second", "clipped": 0.0}],
    "model": f"/home/somebody/{HOSTILE}", "accepted": True, "unmet": None, "verdict": VERDICT, "preprocess": "raw",
    "provenance": RECORD, "labels": ["cat", HOSTILE], "notes": [HOSTILE], "alarms": [HOSTILE], "skipped": [],
}  # fmt: skip
CLASSES = [
    {"index": i, "label": label, "images": 50 + i, "top1": top1, "interval": [top1 - 0.05, top1 + 0.03],
     "specificity": 0.9712, "precision": None}
    for i, (label, top1) in enumerate([("cat", 0.9123), (HOSTILE, 0.8456)])
]  # fmt: skip
CAT, OTHER = (0, "cat"), (1, HOSTILE)
CONFUSION = [
    {"truth": a, "answer": b, "images": n, "truth_index": i, "answer_index": j}
    for (i, a), (j, b), n in [(CAT, CAT, 46), (OTHER, CAT, 7), (OTHER, OTHER, 44)]
]
EVALUATION = {
    "model": "m.tflite", "images": 101, "top1": 0.8811881188118812, "top1_interval": [0.8034, 0.9306], "top5": 1.0,
    "top5_interval": [0.9633, 1.0], "mapping": "by name", "classes": CLASSES, "confusion": CONFUSION, "alarms": [],
    "skipped": [{"image": HOSTILE, "reason": "is broken"}], "accepted": False, "unmet": "top-1 is too low",
}  # fmt: skip
LAYER = {
    "index": 3, "op": "CONV_2D", "name": HOSTILE, "scores_db": 21.25, "accumulated_db": 11.5, "local_db": 13.75,
    "cause": "clipped", "meaning": "range clipped", "remedy": "a wider range", "swallowed": False,
    "low": -4.5, "high": 8.25, "distribution": SPREAD,
}  # fmt: skip
COMPARISON = {
    "a": "/x/a.h5", "b": "/x/b.tflite", **VERDICT, "sqnr_db": 25.15, "significance": "no difference",
    "matching": "by name",
    "layers": [LAYER, {**LAYER, "index": 4, "scores_db": None, "distribution": None}], "alarms": [], "skipped": [],
}  # fmt: skip
PLACES = [("CONV_2D", "edgetpu", True), ("MEAN", "edgetpu", False), ("EXP", "cpu", True)]
OPS = [
    {"index": i, "op": op, "device": device, "status": "s", "reasons": [HOSTILE], "certain": certain}
    for i, (op, device, certain) in enumerate(PLACES)
]
COSTLY = {"index": 0, "op": "CONV_2D", "macs": 3612672, "parameter_bytes": 1664, "streamed": True, "ms": 0.3432}
INSPECTION = {
    "model": "m.tflite", "size": 5357056, "op_counts": {"CONV_2D": 1, "EXP": 1},
    "quantization": {"kind": "full", "dtype": "int8"},
    "inputs": [{"name": HOSTILE, "shape": [1, 8, 8, 3], "dtype": "uint8"}], "outputs": [], "ops": OPS,
    "advice": [HOSTILE],
    "verdict": "2 of 3 ops map", "fully_mapped": False, "on_chip_bytes": 6205568, "streamed_bytes": 1024,
    "latency_ms": {"usb3": [5.243, 6.816, 8.9]}, "savings": [], "cautions": [HOSTILE],
    "costliest": [COSTLY],
}  # fmt: skip
TRAINING = {
    **EVALUATION, "top1_int8": 0.8712, "top1_int8_interval": [0.81, 0.92], "images_trained": 400, "images_judged": 101,
    "curve": {"points": [{"images": 100, "top1": 0.71, "interval": [0.65, 0.77]}],
              "twice_as_many": {"images": 800, "top1": 0.91, "interval": [0.88, 0.94]}},
    "training": {"base": HOSTILE}, "cross_validation": {"top1": 0.886}, "seconds": 25.4, "divided": "by file",
}  # fmt: skip
MEASUREMENT = {
    "model": f"/home/somebody/{HOSTILE}", "device": "cpu", "threads": 1, "load_ms": 231.5, "first_ms": 10.75,
    "inference_ms": {"p50": 13.625, "p95": 15.25, "p99": 18.5}, "preprocess_ms": 6.125, "postprocess_ms": None,
    "runs": 500, "peak_memory_bytes": 111169536, "model_memory_bytes": 62464000, "ratio": None, "ratio_interval": None,
    "slowdown": 1.0312, "slowdown_interval": [1.0109, 1.0512],
}  # fmt: skip
BENCHMARK = {
    "machine": {"processor": HOSTILE, "cores": 2, "system": "Linux", "governors": ["performance"], "load": 0.25},
    "image": HOSTILE, "warm_up": 10, "notes": [HOSTILE], "accepted": False, "unmet": "slower by 3.1 %",
    "results": [MEASUREMENT, {**MEASUREMENT, "model": "b.tflite", "ratio": 0.467, "ratio_interval": [0.391, 0.504]}],
}  # fmt: skip
VERIFICATION = {
    "model": "m.tflite", "accepted": False,
    "gates": [
        {"gate": "max_size", "met": True, "value": 5300000, "found": "5.1MiB", "asked": "at most 6MiB"},
        {"gate": "min_top1", "met": False, "value": 0.8125, "found": HOSTILE, "asked": "at least 90.0 %"},
    ],
}  # fmt: skip
DOCUMENTS = {
    "benchmark": BENCHMARK,
    "verify": VERIFICATION,
    "convert": CONVERSION,
    "manifest": RECORD,
    "evaluate": EVALUATION,
    "compare": COMPARISON,
    "inspect": INSPECTION,
    "train": TRAINING,
}


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
            },
        ),
        (
            "benchmark",
            {13.625, 15.25, 18.5, 231.5, 10.75, 6.125, 111169536, 0.467, 0.391, 0.504, 1.0312, 1.0109, 10, 0.25},
        ),
        ("verify", {5300000, 0.8125}),
        ("manifest", {0.9850000000000001, 123, 5.33}),
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
