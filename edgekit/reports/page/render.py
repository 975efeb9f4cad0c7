"""A report: one HTML file that needs nothing else, from JSON documents of edgekit's commands."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.errors import UsageError
from edgekit.install import not_importable
from edgekit.reports.page.blocks import Block, Figures, Section
from edgekit.reports.page.sections import Told, told

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
    first, *others = _titled(found)
    seen = [Section("What it looks at", [figures])] if figures is not None and figures.rows else []
    closing = [section for each in found for section in each.closing]
    alarms = dict.fromkeys(alarm for each in found for alarm in each.alarms)
    page: str = (
        environment()
        .get_template("page.html")
        .render(
            headlines=[each.headline for each in found],
            alarms=[*alarms],
            tiles=[tile for each in found for tile in each.tiles],
            sections=[*first, *seen, *(section for sections in others for section in sections), *_merged(closing)],
            style=(_HERE / "page.css").read_text(encoding="utf-8"),
        )
    )
    return page


def _titled(found: Sequence[Told]) -> list[list[Section]]:
    """The sections of each document; where several have one of a title, it says whose it is."""
    counts = Counter(section.title for each in found for section in each.sections)
    return [
        [
            replace(section, title=f"{section.title}: {each.headline.title}") if counts[section.title] > 1 else section
            for section in each.sections
        ]
        for each in found
    ]


def _merged(sections: Sequence[Section]) -> Iterator[Section]:
    """Sections of one title as one; what is in several of them once."""
    for title in dict.fromkeys(section.title for section in sections):
        blocks: list[Block] = []
        for section in sections:
            blocks += [block for block in section.blocks if section.title == title and block not in blocks]
        yield Section(title, blocks)


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
