"""From a command's JSON document to the sections of a page."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from edgekit.reports.page import inside, judged
from edgekit.reports.page.blocks import Block, Cell, Facts, Headline, Lines, Record, Section, Table
from edgekit.reports.page.reading import Document, count, kind_of, number, shown, table, tables, text, texts

#: Skipped images that are named.
_SKIPPED = 20


@dataclass(frozen=True)
class Told:
    """A document as a page tells it: its result, its sections, and those that close the page."""

    headline: Headline
    sections: tuple[Section, ...]
    closing: tuple[Section, ...]


def told(document: Document) -> Told:
    """What there is to tell of a document; parts that are not in it are left out.

    Raises:
      DataError: it is none of a kind that is known.
    """
    kind = kind_of(document)
    headline, parts = _KINDS[kind]
    closing = [("Alarms and notes", _remarks(document)), ("Record", _record(document, kind))]
    return Told(headline(document), _filled(parts(document)), _filled(closing))


def _filled(parts: Iterable[tuple[str, Iterator[Block]]]) -> tuple[Section, ...]:
    """The sections that there is something to say in."""
    found = (Section(title, list(blocks)) for title, blocks in parts)
    return tuple(section for section in found if section.blocks)


_Parts = Iterator[tuple[str, Iterator[Block]]]


def _converted(document: Document) -> _Parts:
    record, verdict = table(document, "provenance"), table(document, "verdict")
    names = {"agreement": "top-1 agreement", "top1_float": "top-1, float", "top1_int8": "top-1, int8"}
    yield "How good it is", judged.accuracy(verdict, names)
    yield "How it was made", _made(document, record)
    yield "Steps of the search", judged.steps(record)


def _evaluated(document: Document) -> _Parts:
    yield "How good it is", judged.accuracy(document, {"top1": "top-1", "top5": "top-5"})
    yield "Classes", judged.classes(document)
    yield "Confusion", judged.confusion(document)


def _compared(document: Document) -> _Parts:
    names = {"agreement": "top-1 agreement", "top1_float": "top-1, A", "top1_int8": "top-1, B"}
    yield "How good it is", _chain(judged.accuracy(document, names), _difference(document))
    yield "Error per layer", inside.layers(document)


def _inspected(document: Document) -> _Parts:
    yield "Size and memory", inside.sizes(document)
    yield "Latency", inside.latency(document)
    yield "Placement", inside.placement(document)
    yield "Ops", inside.op_counts(document)


def _trained(document: Document) -> _Parts:
    yield "How good it is", judged.accuracy(document, {"top1": "top-1, float", "top1_int8": "top-1, int8"})
    yield "Training", _chain(_training(document), judged.curve(document))
    yield "Classes", judged.classes(document)
    yield "Confusion", judged.confusion(document)


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
        (
            "Calibrated on",
            [
                count(number(calibration, "images")),
                f" images ({text(calibration, 'origin') or text(calibration, 'kind')}), ranges by ",
                text(calibration, "method"),
            ],
        ),
        ("Corrections", [", ".join(texts(calibration, "corrections")) or "none"]),
        ("Class names", [", ".join(texts(document, "labels")) or text(document, "labels_from")]),
    ]
    yield Facts([(title, cells) for title, cells in rows if any(cells)])


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
        ("Cross-validation", ["top-1 ", shown(number(validated, "top1"), "{:.3f}")]),
        ("Time", [shown(number(document, "seconds"), "{:.1f} s")]),
    ]
    yield Facts(rows)


def _remarks(document: Document) -> Iterator[Block]:
    unmet = text(document, "unmet")
    alarms = [*([f"Not met: {unmet}."] if unmet else []), *texts(document, "alarms")]
    if alarms:
        yield Lines(alarms, alarm=True)
    if texts(document, "notes"):
        yield Lines(texts(document, "notes"))
    skipped = [[text(each, "image"), text(each, "reason")] for each in tables(document, "skipped")]
    if skipped:
        yield Table(f"Skipped images ({len(skipped)})", ("image", "reason"), skipped[:_SKIPPED])


def _record(document: Document, kind: str) -> Iterator[Block]:
    """The manifest in full; of what is long only what is no list of ops or layers."""
    record = (
        table(document, "provenance") or table(table(document, "metadata"), "provenance") or table(document, "training")
    )
    shown = document if kind == "manifest" else record
    if shown:
        yield Record("Manifest: how the model was made", json.dumps(shown, indent=2, ensure_ascii=False))


def _file(document: Document, key: str = "model") -> str:
    """A file's name without its folders, which are nobody else's business."""
    return text(document, key).replace("\\", "/").rpartition("/")[2]


def _accepted(document: Document) -> bool | None:
    found = document.get("accepted")
    return found if isinstance(found, bool) else None


def _converted_headline(document: Document) -> Headline:
    return judged.agreement(table(document, "verdict"), _file(document), _accepted(document))


def _inspected_headline(document: Document) -> Headline:
    kind = table(document, "quantization")
    said = text(document, "verdict") or f"quantization: {text(kind, 'kind')} {text(kind, 'dtype')}".strip()
    mapped = document.get("fully_mapped")
    doubtful = any(op.get("certain") is False for op in tables(document, "ops"))
    known = isinstance(mapped, bool) and not (mapped and doubtful)
    return Headline(_file(document), [said], mapped is True if known else None)


_KINDS: Mapping[str, tuple[Callable[[Document], Headline], Callable[[Document], _Parts]]] = {
    "convert": (_converted_headline, _converted),
    "manifest": (_converted_headline, _manifest),
    "evaluate": (lambda d: judged.top1(d, _file(d), _accepted(d)), _evaluated),
    "compare": (lambda d: judged.agreement(d, f"{_file(d, 'a')} and {_file(d, 'b')}", None), _compared),
    "inspect": (_inspected_headline, _inspected),
    "train": (lambda d: judged.top1(d, _file(d), None, "top1_int8", "images_judged"), _trained),
}
