"""What is in a model: placement, memory and latency, ops, the error of each layer."""

from collections.abc import Iterator, Mapping
from itertools import groupby

from edgekit.edgetpu.estimate.profiles import HOSTS
from edgekit.reports.page.blocks import (
    Band,
    Bar,
    Bars,
    Block,
    Cell,
    Facts,
    Folded,
    Lines,
    Number,
    Run,
    Strip,
    Table,
    Tile,
)
from edgekit.reports.page.reading import Document, count, number, shown, size, table, tables, text, texts

#: Rows of the tables of layers and of ops that stay on the CPU.
_LAYERS, _OPS = 12, 40
#: More than this is as good as without error.
_BEST_DB = 60.0


def sizes(document: Document) -> Iterator[Block]:
    """How large a model is, what it takes and gives."""
    quantization = table(document, "quantization")
    rows: list[tuple[str, list[Cell]]] = [("File", [size(number(document, "size"))])]
    kind = {"full": "every op", "partial": "some ops", "weights": "weights only", "none": "none"}
    rows.append(("Quantized", [f"{kind.get(text(quantization, 'kind'), '?')} {text(quantization, 'dtype')}".strip()]))
    for title in ("inputs", "outputs"):
        for tensor in tables(document, title):
            shape = tensor.get("shape")
            sides = "×".join(str(side) for side in shape) if isinstance(shape, list) else "?"
            rows.append((title[:-1].capitalize(), [f"{text(tensor, 'dtype')} {sides}, {text(tensor, 'name')}"]))
    for title, key in (("On-chip memory", "on_chip"), ("Streamed at each inference", "streamed")):
        if number(document, f"{key}_bytes"):
            rows.append((title, [size(number(document, f"{key}_bytes")), *_likely(document, f"{key}_interval")]))
    yield Facts(rows)


def tiles(document: Document) -> Iterator[Tile]:
    """How large, how fast, and how much of the on-chip memory."""
    quantization = table(document, "quantization")
    yield Tile("Size", size(number(document, "size")), [f"{text(quantization, 'kind')} {text(quantization, 'dtype')}"])
    for host, found in list(table(document, "latency_ms").items())[:1]:
        low, expected, high = _times(found)
        cells: list[Cell] = ["likely ", low, " to ", high, f", {_host(host)}"]
        yield Tile("Edge TPU, estimated", (expected, " ms"), cells)
    if number(document, "on_chip_bytes") is not None:
        streamed = number(document, "streamed_bytes")
        rest: list[Cell] = [size(streamed), " streamed"] if streamed else ["nothing streamed"]
        cells = [*rest, *_likely(document, "on_chip_interval")]
        yield Tile("On-chip memory", size(number(document, "on_chip_bytes")), cells)


def _times(found: object) -> tuple[str | Number, str | Number, str | Number]:
    values = [each for each in found if isinstance(each, (int, float))] if isinstance(found, list) else []
    low, expected, high = values if len(values) == 3 else (None, None, None)
    return shown(low, "{:.1f}"), shown(expected, "{:.1f}"), shown(high, "{:.1f}")


def _host(name: str) -> str:
    return HOSTS[name].title if name in HOSTS else name


def _likely(document: Document, key: str) -> Iterator[Cell]:
    """The interval of an estimated size, where the document has one."""
    found = document.get(key)
    ends = [end for end in found if isinstance(end, (int, float))] if isinstance(found, list) else []
    if len(ends) == 2:
        yield from (", likely ", size(ends[0]), " to ", size(ends[1]))
    yield " (estimated)"


def latency(document: Document) -> Iterator[Block]:
    """Estimated times, and where they go."""
    rows = []
    for host, found in table(document, "latency_ms").items():
        low, expected, high = _times(found)
        if expected != "–":
            rows.append([_host(host), expected, low, high])
    if rows:
        header = ("where", "expected, ms", "likely from", "to")
        yield Table("Latency of one inference on the Edge TPU (estimated)", header, rows, numeric=[1, 2, 3])
    costly = tables(document, "costliest")
    most = max((number(layer, "ms") or 0.0 for layer in costly), default=0.0) or 1.0
    bars = [
        Bar(
            f"{number(layer, 'index') or 0:.0f} {text(layer, 'op')}",
            (number(layer, "ms") or 0.0) / most,
            [
                shown(number(layer, "ms"), "{:.2f}"),
                count(number(layer, "macs")),
                size(number(layer, "parameter_bytes")),
            ],
            marked=layer.get("streamed") is True,
        )
        for layer in costly
    ]
    if bars:
        yield Bars("Slowest ops", ("op", "share of the slowest", "ms", "multiply-adds", "parameters"), bars)
    hints = [*texts(document, "savings"), *texts(document, "cautions")]
    if hints:
        yield Lines(hints)


def figures(document: Document) -> Iterator[Block]:
    """What an accelerator's own compiler tells of memory and time."""
    found = table(document, "figures")
    rows: list[tuple[str, list[Cell]]] = [("Judged by", [text(document, "judge")])] if text(document, "judge") else []
    for key in found:
        title, unit = key.rpartition("_")[::2] if key.endswith(("_bytes", "_ms")) else (key, "")
        value = number(found, key)
        cell = size(value) if unit == "bytes" else shown(value, "{:,.1f}" if unit else "{:,.0f}")
        rows.append((title.replace("_", " ").capitalize(), [cell, f" {unit}" if unit == "ms" else ""]))
    if rows:
        yield Facts(rows)
    if texts(document, "notes"):
        yield Lines(texts(document, "notes"))


def placement(document: Document) -> Iterator[Block]:
    """Where each op would run, as a band, with the reasons of those that stay on the CPU."""
    ops = [op for op in tables(document, "ops") if "device" in op]
    if not ops:
        return
    runs = []
    for fate, group in groupby(ops, _fate):
        found = list(group)
        first = int(number(found[0], "index") or 0)
        names = ", ".join(dict.fromkeys(text(op, "op") for op in found))
        runs.append(Run(first, len(found), fate, f"ops {first} to {first + len(found) - 1}: {names}"))
    places = _places(document)
    yield Band("Where the ops run, first to last", runs, len(ops), places)
    rows = _elsewhere([op for op in ops if _fate(op) != "edgetpu"], places)
    if rows:
        more = f" (the first {_OPS} of {len(rows)})" if len(rows) > _OPS else ""
        yield Table(f"Not certain to run there{more}", ("kind", "ops", "runs on", "reason"), rows[:_OPS])
    advice = texts(document, "advice")
    if advice:
        yield Lines(advice)


def _elsewhere(ops: list[Document], names: Mapping[str, str]) -> list[list[Cell]]:
    """A row for the ops of one kind and one reason."""
    alike: dict[tuple[str, str, str], list[str | Number]] = {}
    for op in ops:
        places = alike.setdefault((text(op, "op"), names[_fate(op)], _why(op)), [])
        index = number(op, "index") or 0
        places += [", ", Number(index, f"{index:.0f}")]
    return [[kind, tuple(places[1:]), place, why] for (kind, place, why), places in alike.items()]


def _fate(op: Document) -> str:
    if text(op, "device") == "cpu":
        return "cpu"
    return "edgetpu" if op.get("certain") is True else "unsure"


def _places(document: Document) -> Mapping[str, str]:
    """Fate → where that is, for people."""
    there = text(document, "accelerator") or "Edge TPU"
    return {"edgetpu": there, "unsure": f"{there}, not certain", "cpu": text(document, "elsewhere") or "CPU"}


def _why(op: Document) -> str:
    return " ".join(texts(op, "reasons")) or text(op, "status")


def op_counts(document: Document) -> Iterator[Block]:
    """How many ops there are of each kind."""
    found = table(document, "op_counts")
    most = max((number(found, kind) or 0.0 for kind in found), default=0.0) or 1.0
    rows = [Bar(kind, (number(found, kind) or 0.0) / most, [count(number(found, kind))]) for kind in found]
    if rows:
        yield Bars("Ops of each kind", ("kind", "share of the most frequent", "count"), rows)


def layers(document: Document) -> Iterator[Block]:
    """The layers whose error costs the scores most, and what can be done; then all in order."""
    found = tables(document, "layers")
    known = [layer for layer in found if number(layer, "scores_db") is not None and layer.get("swallowed") is not True]
    worst = sorted(known, key=lambda layer: number(layer, "scores_db") or 0.0)[:_LAYERS]
    if worst:
        header = ("layer", "error", "scores, dB", "added, dB", "so far, dB", "cause", "tensor")
        yield Bars("Error per layer: what costs the scores most (SQNR, less is worse)", header, [*map(_layer, worst)])
        causes = dict.fromkeys((text(layer, "meaning"), text(layer, "remedy")) for layer in worst)
        yield Lines([f"{meaning}. Remedy: {remedy}." for meaning, remedy in causes])
    if found:
        bars = [_layer(layer) for layer in found]
        yield Strip("Error per layer, first to last", [bar.part for bar in bars], _profile(bars))
        table_of_all = Bars("Error of every layer", ("layer", "error", *_COLUMNS, "cause", "tensor"), bars)
        yield Folded(f"All {len(bars)} layers in order", table_of_all)


def _profile(bars: list[Bar]) -> str:
    worst = max(bars, key=lambda bar: bar.part)
    return f"A column for each of {len(bars)} layers, the higher the more error; the highest is {worst.label}"


_COLUMNS = ("scores, dB", "added, dB", "so far, dB")


def _layer(layer: Document) -> Bar:
    ratios = [number(layer, key) for key in ("scores_db", "local_db", "accumulated_db")]
    name = text(layer, "name").split(";")[0]
    error = ratios[0] if ratios[0] is not None else ratios[1]
    part = 0.0 if error is None else min(1.0, max(0.0, 1 - error / _BEST_DB))
    cells = [*(shown(ratio, "{:.1f}") for ratio in ratios), text(layer, "cause"), name]
    return Bar(f"{number(layer, 'index') or 0:.0f} {text(layer, 'op')}", part, cells, marked=part > 0.5)
