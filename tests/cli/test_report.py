import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from edgekit.cli import main
from edgekit.preprocess import InputSpec
from edgekit.reports.page import render
from edgekit.tflite.metadata import Metadata, write_metadata
from tests.support import browser
from tests.support.browser import Browser
from tests.support.float_nets import SIZE, bottleneck_net, colour_net, save_images
from tests.support.page import Page, numbers
from tests.support.reported import INSPECTION

PAGE = Path(__file__).parents[2] / "docs" / "reports.md"

pytest.importorskip("jinja2")
pytest.importorskip("litert_quantizer")

#: The least contrast of any text with the page's ground, as WCAG 2 defines it.
CONTRAST = """
(() => {
  const part = value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const light = colour => {
    const [r, g, b] = colour.match(/[\\d.]+/g).map(value => part(value / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
  };
  const ground = light(getComputedStyle(document.body).backgroundColor);
  const texts = [...document.querySelectorAll('body *')].filter(
    each => [...each.childNodes].some(node => node.nodeType === 3 && node.textContent.trim()));
  const ratios = texts.map(each => light(getComputedStyle(each).color) / ground);
  return Math.min(...ratios.map(ratio => Math.max(ratio, 1 / ratio)));
})()
"""


def run(*arguments):
    return CliRunner().invoke(main, [*map(str, arguments)])


def document(*arguments):
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """A float model, its images, and what every command says and reports of it."""
    root = tmp_path_factory.mktemp("reports")
    described = Metadata(labels=("blue", "green", "red"), input=InputSpec(SIZE, SIZE), output="probabilities")
    # The greens are taken for blue, so that there are mistakes.
    weights = 6 * np.eye(3)[::-1]
    weights[1] = -weights[0]
    (root / "float.tflite").write_bytes(write_metadata(colour_net(dense=weights), described))
    (root / "base.tflite").write_bytes(bottleneck_net())
    images = save_images(root / "images", each=12)
    said = {
        "convert": document(
            *("convert", root / "float.tflite", "--data", images, "-o", root / "m.tflite"),
            *("--report", root / "convert.html"),
        )
    }
    model = root / "m.tflite"
    said["evaluate"] = document("evaluate", model, "--data", images, "--report", root / "evaluate.html")
    said["compare"] = document(
        "compare", root / "float.tflite", model, "--data", images, "--report", root / "compare.html"
    )
    said["inspect"] = document("inspect", model, "--edgetpu", "--report", root / "inspect.html")
    return root, said


@pytest.mark.parametrize("command", ["convert", "evaluate", "compare", "inspect"])
def test_every_figure_of_a_report_is_in_what_json_prints(case, command):
    root, said = case
    found = {json.loads(value) for value in Page((root / f"{command}.html").read_text(encoding="utf-8")).data}
    assert len(found) > 5
    assert found - {0} <= numbers(said[command]) | numbers(said["inspect"])


@pytest.mark.parametrize("command", ["convert", "evaluate", "compare"])
def test_the_images_that_tell_most_are_shown_with_what_was_looked_at(case, command):
    page = Page((case[0] / f"{command}.html").read_text(encoding="utf-8"))
    images = [attrs for tag, attrs in page.tags if tag == "img"]
    assert len(images) == (6 * 2 if command == "evaluate" else 6 * 3)
    assert all(attrs["src"].startswith("data:image/jpeg;base64,") and attrs["alt"] for attrs in images)
    assert (case[0] / f"{command}.html").stat().st_size < 3_000_000
    assert command != "evaluate" or "taken for" in "".join(page.text)


def test_a_training_is_reported(case):
    root, _ = case
    report = root / "train.html"
    arguments = ("train", root / "images", "--base", root / "base.tflite", "--preprocess", "raw")
    result = run(*arguments, "-o", root / "t.tflite", "--report", report, "--json")
    if "scikit-learn" in result.output:
        pytest.skip("scikit-learn is not installed")
    assert result.exit_code == 0, result.output
    found = {json.loads(value) for value in Page(report.read_text(encoding="utf-8")).data}
    inspected = document("inspect", root / "t.tflite", "--edgetpu")
    assert found - {0} <= numbers(json.loads(result.stdout)) | numbers(inspected)


def test_a_report_from_documents_has_the_same_figures(case, monkeypatch):
    root, said = case
    monkeypatch.chdir(root)
    for name in ("evaluate", "inspect"):
        (root / f"{name}d.json").write_text(json.dumps(said[name]))
    result = run("report", "evaluated.json", "inspectd.json", "-o", "both.html")
    assert result.exit_code == 0 and "Wrote both.html" in result.stdout
    assert Page((root / "both.html").read_text()).data == Page((root / "evaluate.html").read_text()).data
    assert run("report", "m.json").exit_code == 0  # the manifest
    assert "top-1 agreement" in (root / "m.html").read_text()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "no JSON document"),
        ("[" * 100_000, "no JSON document"),
        ("[1]", "no document of edgekit"),
        ('{"a": 1}', "none that a report can be made of"),
        (None, "cannot be read"),
    ],
)
def test_what_is_no_document_is_said(tmp_path, text, words):
    if text is not None:
        (tmp_path / "d.json").write_text(text)
    result = run("report", tmp_path / "d.json", "-o", tmp_path / "r.html")
    assert result.exit_code == 2 and words in result.stderr and not (tmp_path / "r.html").exists()


def test_a_report_that_cannot_be_written_is_said_before_the_work(case):
    root, _ = case
    result = run("convert", root / "float.tflite", "-o", root / "n.tflite", "--report", root / "none" / "r.html")
    assert result.exit_code == 2 and "no folder" in result.stderr and not (root / "n.tflite").exists()


@pytest.mark.skipif(browser.CHROMIUM is None, reason="no Chromium is installed")
@pytest.mark.parametrize("width", [400, 1280])
def test_a_page_fits_its_window_and_is_reached_by_keyboard(case, tmp_path, width):
    page = Browser(tmp_path, (case[0] / "evaluate.html").as_uri())
    try:
        page.resize(width, 900)
        assert page.run("document.documentElement.scrollWidth") <= width
        assert page.run("[...document.images].every(image => image.naturalWidth > 0)")
        assert page.run("getComputedStyle(document.body).fontFamily") != ""
        # What can be wider than the window scrolls by itself, and takes the focus for that.
        assert page.run(
            "[...document.querySelectorAll('table')].every(table => table.closest('[tabindex=\"0\"][aria-label]'))"
        )
        for scheme in ("light", "dark"):
            page.prefer(scheme)
            assert page.run(CONTRAST) >= 4.5
    finally:
        page.close()


@pytest.mark.skipif(browser.CHROMIUM is None, reason="no Chromium is installed")
def test_reasons_are_read_on_a_phone_without_scrolling_sideways(tmp_path):
    (tmp_path / "report.html").write_text(render([INSPECTION]), encoding="utf-8")
    page = Browser(tmp_path / "profile", (tmp_path / "report.html").as_uri())
    right = (
        "Math.max(...[...document.querySelectorAll('table.prose td')].map(cell => cell.getBoundingClientRect().right))"
    )
    try:
        page.resize(400, 900)
        assert 300 < page.run(right) <= 400
    finally:
        page.close()


def test_the_pages_commands_run_as_printed(case, tmp_path, monkeypatch):
    root, _ = case
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flowers.h5").write_bytes((root / "float.tflite").read_bytes())  # files are told by what is in them
    (tmp_path / "flowers.tflite").write_bytes((root / "m.tflite").read_bytes())
    (tmp_path / "flowers.json").write_bytes((root / "m.json").read_bytes())
    for name in ("photos", "validation"):
        (tmp_path / name).symlink_to(root / "images")
    lines = re.findall(r"^edgekit (.+)$", PAGE.read_text(encoding="utf-8"), re.M)
    assert len(lines) == 10
    for line in lines:
        command, _, target = line.partition(" > ")
        result = run(*shlex.split(command))
        assert result.exit_code == 0, result.output
        if target:
            (tmp_path / target).write_text(result.stdout, encoding="utf-8")
    assert "top-1" in (tmp_path / "flowers.html").read_text(encoding="utf-8")
