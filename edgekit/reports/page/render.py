"""A report: one HTML file that needs nothing else, from JSON documents of edgekit's commands."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.errors import UsageError
from edgekit.install import not_importable
from edgekit.reports.page.blocks import Figures, Section
from edgekit.reports.page.sections import told

if TYPE_CHECKING:
    from jinja2 import Environment

_HERE = Path(__file__).parent


def render(documents: Sequence[Mapping[str, object]], figures: Figures | None = None) -> str:
    """A page that tells documents one after the other, the first one's result on top.

    Every figure on it stands in a `data` element with its exact value of the document. Nothing is loaded from
    elsewhere, no script runs, and all texts are escaped. The same documents give the same page.

    Args:
      documents: what commands print with `--json`, or manifests.
      figures: images to show behind the first document.

    Raises:
      DataError: a document is of no kind that is known.
      UsageError: there is no document.
      MissingDependencyError: jinja2 is not installed.
    """
    if not documents:
        raise UsageError("There is nothing to report.", "Give a JSON document.")
    found = [told(document) for document in documents]
    sections = [list(each.sections) for each in found]
    if figures is not None and figures.rows:
        sections[0].insert(1, Section("What it looks at", [figures]))
    page: str = (
        environment()
        .get_template("page.html")
        .render(
            headlines=[each.headline for each in found],
            sections=[section for group in sections for section in group],
            style=(_HERE / "page.css").read_text(encoding="utf-8"),
        )
    )
    return page


def environment() -> "Environment":
    """Jinja, which escapes all that it is told. Raises MissingDependencyError where it is not installed."""
    try:
        import jinja2
    except ImportError as error:
        raise not_importable("A report", "jinja2", "report", error) from error
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(str(_HERE)),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
