"""How good a model is: the verdict, accuracy with intervals, classes and confusions."""

from collections.abc import Iterator, Mapping

from edgekit.reports.page.blocks import Bar, Bars, Block, Cell, Headline, Matrix, Number, Table, Tile
from edgekit.reports.page.reading import (
    Document,
    bounds,
    count,
    file_name,
    interval,
    number,
    share,
    shown,
    table,
    tables,
    text,
)

#: Of more classes than this a matrix is not shown but what is confused most.
_MOST_IN_MATRIX = 12
_MOST_CONFUSED = 20


def agreement(verdict: Document, kind: str, title: str, good: bool | None) -> Headline:
    """A verdict's headline; of none it says that."""
    if number(verdict, "agreement") is None:
        return Headline(kind, title, None, ["not judged"], good)
    images = "synthetic images" if text(verdict, "source") == "synthetic" else "images"
    cells: list[Cell] = ["top-1 agreement ", bounds(interval(verdict, "interval"))]
    cells += [" on ", count(number(verdict, "images")), f" {images}"]
    return Headline(kind, title, share(number(verdict, "agreement")), cells, good)


def verdict_tiles(verdict: Document) -> Iterator[Tile]:
    """Accuracy before and after, and the scores' SQNR."""
    before, after = number(verdict, "top1_float"), number(verdict, "top1_int8")
    if after is not None:
        yield Tile("Top-1 accuracy", share(after), ["reference ", share(before)])
    if number(verdict, "sqnr_db") is not None:
        yield Tile("SQNR of the scores", shown(number(verdict, "sqnr_db"), "{:.1f} dB"), ["6 dB is a bit"])


def top1(document: Document, kind: str, good: bool | None, key: str = "top1", images: str = "images") -> Headline:
    """A headline of how often a model is right."""
    cells: list[Cell] = ["top-1 accuracy ", bounds(interval(document, f"{key}_interval"))]
    cells += [" on ", count(number(document, images)), " images"]
    return Headline(kind, file_name(document), share(number(document, key)), cells, good)


def accuracy(document: Document, names: Mapping[str, str]) -> Iterator[Block]:
    """Bars of parts of one with their intervals.

    Args:
      names: key → title; the interval is under `<key>_interval`, or "interval" for the agreement.
    """
    rows = []
    for key, title in names.items():
        value = number(document, key)
        found = interval(document, "interval" if key == "agreement" else f"{key}_interval")
        if value is not None:
            rows.append(_bar(title, value, found))
    if rows:
        yield Bars("Accuracy", ("", "0 to 100 %", "share", "95 % CI"), rows)


def _bar(title: str, value: float, found: tuple[float, float] | None, *further: Cell) -> Bar:
    return Bar(title, value, [share(value), bounds(found)[1:4] if found else "–", *further], found)


def classes(document: Document) -> Iterator[Block]:
    """Each class's accuracy."""
    rows = []
    for each in tables(document, "classes"):
        value = number(each, "top1")
        if value is not None:
            rates = [share(number(each, key)) for key in ("specificity", "precision")]
            images = count(number(each, "images"))
            rows.append(_bar(text(each, "label"), value, interval(each, "interval"), *rates, images))
    if rows:
        yield Bars("By class", ("class", "0 to 100 %", "top-1", "95 % CI", "specificity", "precision", "images"), rows)


def confusion(document: Document) -> Iterator[Block]:
    """A matrix of few classes; of many what is confused most."""
    outcomes = tables(document, "confusion")
    places = sorted(
        {(number(o, f"{side}_index") or 0, text(o, side)) for o in outcomes for side in ("truth", "answer")}
    )
    if 0 < len(places) <= _MOST_IN_MATRIX:
        yield _matrix(outcomes, [name for _, name in places])
    wrong = [outcome for outcome in outcomes if outcome.get("truth_index") != outcome.get("answer_index")]
    rows = [[text(o, "truth"), text(o, "answer"), count(number(o, "images"))] for o in wrong[:_MOST_CONFUSED]]
    if rows:
        yield Table("Most confused", ("is", "taken for", "images"), rows, numeric=[2])


def _matrix(outcomes: list[Document], names: list[str]) -> Matrix:
    counts = {(text(o, "truth"), text(o, "answer")): number(o, "images") or 0 for o in outcomes}
    rows = [[counts.get((truth, answer), 0) for answer in names] for truth in names]
    shares = [[value / (sum(row) or 1) for value in row] for row in rows]
    return Matrix("Confusion: rows are the truth", names, [[Number(v, f"{v:g}") for v in row] for row in rows], shares)


def curve(document: Document) -> Iterator[Block]:
    """What more training images bring."""
    found = table(document, "curve")
    points = [(point, "") for point in tables(found, "points")]
    twice = table(found, "twice_as_many")
    rows = [
        _bar(f"{number(point, 'images') or 0:,.0f}{how}", number(point, "top1") or 0.0, interval(point, "interval"))
        for point, how in [*points, *([(twice, " (expected)")] if twice else [])]
    ]
    if rows:
        yield Bars("Top-1 by number of training images", ("images", "0 to 100 %", "top-1", "95 % CI"), rows)


def steps(record: Document) -> Iterator[Block]:
    """What the search for the best int8 form tried."""
    found = tables(record, "steps")
    most = max((number(step, "sqnr_db") or 0.0 for step in found), default=0.0) or 1.0
    rows = [
        Bar(
            text(step, "name"),
            max(0.0, (number(step, "sqnr_db") or 0.0) / most),
            [
                shown(number(step, "sqnr_db"), "{:.1f} dB"),
                shown(number(step, "gain_db"), "{:+.1f} dB"),
                "kept" if step.get("kept") is True else "dropped",
            ],
            faint=step.get("kept") is not True,
        )
        for step in found
    ]
    if rows:
        yield Bars("Steps of the search: SQNR of the scores", ("step", "more is better", "SQNR", "gain", ""), rows)
