"""Histograms of what tensors took on, beside their ranges."""

from collections.abc import Iterator, Sequence
from math import isfinite, log1p

from edgekit.reports.page.blocks import Block, Cell, Histogram, Histograms, Number
from edgekit.reports.page.reading import Document, number, numbers, shown, table, tables, text

_NOTE = (
    "The shaded part is the range that the 256 steps cover; values beyond it are cut off. "
    "Heights are logarithmic, so that rare values are seen; the tick is zero."
)
#: What stands beside the values on either side, as a part of the whole width.
_MARGIN = 0.04


def ranges(document: Document) -> Iterator[Block]:
    """The ranges that leave their tensors the least SQNR, as a conversion tells them."""
    items = [item for each in tables(document, "ranges") for item in _histogram(each, text(each, "tensor"), _fit(each))]
    if items:
        yield Histograms("Ranges that leave the least SQNR", items, _NOTE)


def layers(document: Document) -> Iterator[Block]:
    """The values of the layers whose error costs the scores most."""
    found = [layer for layer in tables(document, "layers") if table(layer, "distribution")]
    found.sort(key=lambda layer: number(layer, "scores_db") or 0.0)
    items = [
        item for each in found for item in _histogram(each, f"{text(each, 'op')} {text(each, 'name')}", _range(each))
    ]
    if items:
        yield Histograms("Values and ranges of the layers that cost the scores most", items, _NOTE)


def _range(each: Document) -> list[Cell]:
    return ["range ", shown(number(each, "low"), "{:.3g}"), " to ", shown(number(each, "high"), "{:.3g}")]


def _fit(each: Document) -> list[Cell]:
    clipped = number(each, "clipped")
    cut: list[Cell] = [", clipped ", Number(clipped, f"{100 * clipped:.2g} %")] if clipped else []
    return [*_range(each), ", SQNR ", shown(number(each, "sqnr_db"), "{:.1f} dB"), *cut]


def _histogram(each: Document, label: str, cells: Sequence[Cell]) -> Iterator[Histogram]:
    """One item, or none where the document has not what it takes."""
    spread = table(each, "distribution")
    first, width, counts = number(spread, "first"), number(spread, "width"), numbers(spread, "counts")
    low, high = number(each, "low"), number(each, "high")
    if first is None or not width or low is None or high is None or not counts or max(counts) <= 0:
        return
    left, right = min(first, low, 0.0), max(first + width * len(counts), high, 0.0)
    margin = _MARGIN * (right - left)
    left, whole = left - margin, right - left + 2 * margin
    if not (isfinite(whole) and whole > 0):
        return

    def place(value: float) -> float:
        return 100 * (value - left) / whole

    columns: dict[bool, list[str]] = {True: [], False: []}
    for index, count in enumerate(counts):
        start, end = first + index * width, first + (index + 1) * width
        if count > 0:
            height = max(1.0, 38 * log1p(count) / log1p(max(counts)))
            columns[end > low and start < high].append(f"M{place(start):.2f} 40V{40 - height:.1f}H{place(end):.2f}V40Z")
    said = f"Values from {first:.3g} to {first + width * len(counts):.3g}, range from {low:.3g} to {high:.3g}"
    within, beyond = ("".join(columns[key]) for key in (True, False))
    yield Histogram(label, within, beyond, place(low), place(high), place(0.0), said, cells)
