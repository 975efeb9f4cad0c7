"""Reports, judged for people who read them by keyboard or screen reader: by axe, in a browser."""

import os
from pathlib import Path

import pytest

from edgekit.reports.page import Figure, Figures, render
from tests.support import browser
from tests.support.reported import DOCUMENTS

#: Where axe-core's axe.min.js is, see CONTRIBUTING.md.
AXE = os.environ.get("EDGEKIT_AXE")
#: A grey pixel.
PIXEL = "data:image/gif;base64,R0lGODlhAQABAIAAAICAgAAAACH5BAAAAAAALAAAAAABAAEAAAICRAEAOw=="
RUN = """
axe.run(document).then(found => found.violations.map(
  each => `${each.impact} ${each.id}: ${each.nodes[0].html.slice(0, 200)}`))
"""

pytest.importorskip("jinja2")
pytestmark = [
    pytest.mark.skipif(browser.CHROMIUM is None, reason="no Chromium is installed"),
    pytest.mark.skipif(not AXE, reason="EDGEKIT_AXE does not name axe-core's axe.min.js"),
]
PAGES = {**{kind: [document] for kind, document in DOCUMENTS.items()}, "all": [*DOCUMENTS.values()]}


@pytest.mark.parametrize("kind", PAGES)
def test_axe_finds_nothing_serious(tmp_path, kind):
    figures = Figures([[Figure(PIXEL, "a grey image", ["grey", "كلب"])] * 3] * 2, "Of 2 images all.")
    (tmp_path / "report.html").write_text(render(PAGES[kind], figures), encoding="utf-8")
    page = browser.Browser(tmp_path / "profile", (tmp_path / "report.html").as_uri())
    try:
        page.run(Path(AXE).read_text(encoding="utf-8") + ";0")
        found = []
        for width, scheme in ((1280, "light"), (1280, "dark"), (400, "light"), (400, "dark")):
            page.resize(width, 900)
            page.prefer(scheme)
            found += [each for each in page.run(RUN) if each.startswith(("serious", "critical"))]
        assert found == []
    finally:
        page.close()
