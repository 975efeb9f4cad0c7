"""From a command's JSON document to the sections of a page."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from edgekit.reports.page import inside, judged, measured, spread
from edgekit.reports.page.blocks import Block, Cell, Facts, Headline, Lines, Record, Section, Table, Tile
from edgekit.reports.page.reading import (
    Document,
    bounds,
    count,
    file_name,
    flag,
    interval,
    kind_of,
    number,
    share,
    shown,
    table,
    tables,
    text,
    texts,
)

#: Skipped images and class names that are told; of more class names only a few.
_SKIPPED, _LABELS, _FEW = 20, 40, 8


@dataclass(frozen=True)
class Told:
    """A document as a page tells it.

    Attributes:
      headline, tiles, alarms: its result, what comes next, and what makes it doubtful.
      sections, closing: what is told of it, and what closes the page.
    """

    headline: Headline
    tiles: tuple[Tile, ...]
    alarms: tuple[str, ...]
    sections: tuple[Section, ...]
    closing: tuple[Section, ...]


def told(document: Document) -> Told:
    """What there is to tell of a document; parts that are not in it are left out.

    Raises:
      DataError: it is none of a kind that is known.
    """
    kind = kind_of(document)
    how = _KINDS[kind]
    closing = _filled([("Notes", _notes(document)), ("Record", _record(document, kind))])
    tiles, sections = tuple(how.tiles(document)), _filled(how.parts(document))
    return Told(how.headline(document), tiles, _alarms(document), sections, closing)


def _filled(parts: Iterable[tuple[str, Iterator[Block]]]) -> tuple[Section, ...]:
    """The sections that there is something to say in."""
    found = (Section(title, list(blocks)) for title, blocks in parts)
    return tuple(section for section in found if section.blocks)


_Parts = Iterator[tuple[str, Iterator[Block]]]


def _converted(document: Document) -> _Parts:
    record, verdict = table(document, "provenance"), table(document, "verdict")
    precision = text(table(record, "recipe"), "precision", "int8")
    names = {"agreement": "top-1 agreement", "top1_float": "top-1, float", "top1_int8": f"top-1, {precision}"}
    yield "How good it is", judged.accuracy(verdict, names)
    yield "How it was made", _made(document, record)
    yield "Steps of the search", judged.steps(record)
    yield "Ranges", spread.ranges(document)


def _evaluated(document: Document) -> _Parts:
    yield "How good it is", judged.accuracy(document, {"top1": "top-1", "top5": "top-5"})
    yield "Classes", judged.classes(document)
    yield "Confusion", judged.confusion(document)


def _compared(document: Document) -> _Parts:
    names = {"agreement": "top-1 agreement", "top1_float": "top-1, A", "top1_int8": "top-1, B"}
    yield "How good it is", _chain(judged.accuracy(document, names), _difference(document))
    yield "Error per layer", inside.layers(document)
    yield "Ranges", spread.layers(document)


def _inspected(document: Document) -> _Parts:
    yield "Size and memory", inside.sizes(document)
    yield "Latency", inside.latency(document)
    yield "Memory and time", inside.figures(document)
    yield "Placement", inside.placement(document)
    yield "Ops", inside.op_counts(document)


def _trained(document: Document) -> _Parts:
    yield "How good it is", judged.accuracy(document, {"top1": "top-1, float", "top1_int8": "top-1, int8"})
    yield "Training", _chain(_training(document), judged.curve(document))
    yield "Classes", judged.classes(document)
    yield "Confusion", judged.confusion(document)
    yield "Ranges", spread.ranges(document)


def _timed(document: Document) -> _Parts:
    yield "Times and memory", measured.times(document)
    yield "Answers", measured.answers(document)
    yield "How it was measured", measured.machine(document)


def _verified(document: Document) -> _Parts:
    yield "Gates", measured.gates(document)


def _manifest(document: Document) -> _Parts:
    yield from _converted({**document, "provenance": document})


def _chain(*parts: Iterator[Block]) -> Iterator[Block]:
    for blocks in parts:
        yield from blocks


def _made(document: Document, record: Document) -> Iterator[Block]:
    """Source, preprocessing, calibration, tools."""
    source, calibration = table(record, "source"), table(record, "calibration")
    preprocessing = table(record, "preprocessing")
    rows: list[tuple[str, Sequence[Cell]]] = [
        ("Made from", [" ".join(filter(None, (text(source, "file"), text(source, "architecture"))))]),
        ("Preprocessing", [f"{text(preprocessing, 'name')}: {text(preprocessing, 'how')}"]),
        *(_calibrated(calibration) if calibration else ()),
        ("Class names", _class_names(document)),
    ]
    yield Facts([(title, cells) for title, cells in rows if any(cells)])


def _calibrated(calibration: Document) -> Iterator[tuple[str, Sequence[Cell]]]:
    images = f" images ({text(calibration, 'origin') or text(calibration, 'kind')}), ranges by "
    yield "Calibrated on", [count(number(calibration, "images")), images, text(calibration, "method")]
    yield "Corrections", [", ".join(texts(calibration, "corrections")) or "none"]


def _class_names(document: Document) -> list[Cell]:
    """Each name by itself, since some are written from right to left."""
    labels = texts(document, "labels")
    many = len(labels) > _LABELS
    named = [cell for label in labels[: _FEW if many else _LABELS] for cell in (", ", label)][1:]
    more = [", … ", f"({len(labels)})"] if many else []
    return [*named, *more] or [text(document, "labels_from")]


def _difference(document: Document) -> Iterator[Block]:
    rows: list[tuple[str, Sequence[Cell]]] = [("Output", ["SQNR ", shown(number(document, "sqnr_db"), "{:.1f} dB")])]
    if text(document, "significance"):
        rows.append(("Difference", [text(document, "significance")]))
    yield Facts([*rows, ("Classes", [text(document, "matching")])])


def _training(document: Document) -> Iterator[Block]:
    validated = table(document, "cross_validation")
    rows: list[tuple[str, Sequence[Cell]]] = [
        ("Images trained on", [count(number(document, "images_trained"))]),
        ("Images judged on", [count(number(document, "images_judged")), f" ({text(document, 'divided')})"]),
        ("Cross-validation", ["top-1 ", share(number(validated, "top1"))]),
        ("Time", [shown(number(document, "seconds"), "{:.1f} s")]),
    ]
    yield Facts(rows)


def _alarms(document: Document) -> tuple[str, ...]:
    unmet = text(document, "unmet")
    low = [f"Low agreement: {each}." for each in texts(document, "remedies")]
    return (*([f"Not met: {unmet}."] if unmet else []), *low, *texts(document, "alarms"))


def _notes(document: Document) -> Iterator[Block]:
    if texts(document, "notes"):
        yield Lines(texts(document, "notes"))
    skipped = [[text(each, "image"), text(each, "reason")] for each in tables(document, "skipped")]
    if skipped:
        yield Table(f"Skipped images ({len(skipped)})", ("image", "reason"), skipped[:_SKIPPED])


def _record(document: Document, kind: str) -> Iterator[Block]:
    """The manifest in full, of other documents what they hold of it: how the model was made, or trained."""
    made = table(document, "provenance") or table(table(document, "metadata"), "provenance")
    for title, record in (
        ("Manifest: how the model was made", document if kind == "manifest" else made),
        ("How it was trained", {} if made else table(document, "training")),
    ):
        if record:
            yield Record(title, json.dumps(record, indent=2, ensure_ascii=False, sort_keys=True))


def _converted_headline(document: Document) -> Headline:
    return judged.agreement(table(document, "verdict"), "Conversion", file_name(document), flag(document, "accepted"))


def _compared_headline(document: Document) -> Headline:
    return judged.agreement(document, "Comparison", f"{file_name(document, 'a')} and {file_name(document, 'b')}", None)


def _inspected_headline(document: Document) -> Headline:
    kind = table(document, "quantization")
    said = text(document, "verdict") or f"quantization: {text(kind, 'kind')} {text(kind, 'dtype')}".strip()
    mapped = flag(document, "fully_mapped")
    doubtful = any(op.get("certain") is False for op in tables(document, "ops"))
    known = mapped is not None and not (mapped and doubtful)
    return Headline("Inspection", file_name(document), None, [said], mapped if known else None)


def _evaluated_tiles(document: Document) -> Iterator[Tile]:
    if number(document, "top5") is not None:
        yield Tile("Top-5 accuracy", share(number(document, "top5")), bounds(interval(document, "top5_interval")))


def _trained_tiles(document: Document) -> Iterator[Tile]:
    cells: list[Cell] = ["in float ", *bounds(interval(document, "top1_interval"))]
    yield Tile("Top-1 accuracy", share(number(document, "top1")), cells)
    yield Tile("Images", count(number(document, "images_trained")), ["trained on"])


@dataclass(frozen=True)
class _Kind:
    """How a kind of document is told."""

    headline: Callable[[Document], Headline]
    tiles: Callable[[Document], Iterable[Tile]]
    parts: Callable[[Document], _Parts]


def _verdict_tiles(document: Document) -> Iterator[Tile]:
    yield from judged.verdict_tiles(table(document, "verdict"))
    yield from measured.cost_tiles(table(document, "cost"), "float")


def _compared_tiles(document: Document) -> Iterator[Tile]:
    yield from judged.verdict_tiles(document)
    yield from measured.cost_tiles(table(document, "cost"), "A")


_KINDS: Mapping[str, _Kind] = {
    "convert": _Kind(_converted_headline, _verdict_tiles, _converted),
    "manifest": _Kind(_converted_headline, _verdict_tiles, _manifest),
    "evaluate": _Kind(
        lambda d: judged.top1(d, "Evaluation", flag(d, "accepted")),
        _evaluated_tiles,
        _evaluated,
    ),
    "compare": _Kind(_compared_headline, _compared_tiles, _compared),
    "inspect": _Kind(_inspected_headline, inside.tiles, _inspected),
    "train": _Kind(
        lambda d: judged.top1(d, "Training", None, "top1_int8", "images_judged"),
        _trained_tiles,
        _trained,
    ),
    "benchmark": _Kind(measured.benchmark_headline, measured.benchmark_tiles, _timed),
    "verify": _Kind(measured.gates_headline, lambda d: (), _verified),
}
