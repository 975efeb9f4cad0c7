"""How fast models are, and which gates a model meets."""

from collections.abc import Iterator, Sequence

from edgekit.reports.page.blocks import Bar, Bars, Block, Cell, Facts, Headline, Number, Table, Tile
from edgekit.reports.page.reading import (
    Document,
    bounds,
    count,
    file_name,
    flag,
    interval,
    number,
    numbers,
    share,
    shown,
    size,
    table,
    tables,
    text,
    texts,
)

_TIMES = ("load, ms", "first, ms", "preprocess, ms", "postprocess, ms")
_BESIDE = ("model, device, threads", *_TIMES, "peak memory", "memory of the model")


def benchmark_headline(document: Document) -> Headline:
    """Of several measurements the first comparison, of one its median."""
    results = tables(document, "results")
    good = flag(document, "accepted") if _slower(results) else None
    compared = next((each for each in results[1:] if number(each, "ratio") is not None), None)
    if compared:
        said: list[Cell] = ["inference of ", _title(compared), " against that of ", _title(results[0])]
        figure = shown(number(compared, "ratio"), "{:.3f} ×")
        return Headline("Benchmark", _named(results), figure, [*said, *_bounds(compared, "ratio")], good)
    first: Document = results[0] if results else {}
    which = "median" if number(table(first, "inference_ms"), "p50") is not None else "mean"
    typical = shown(_typical(first), "{:.3g} ms")
    return Headline("Benchmark", _named(results), typical, [f"{which} inference of ", _title(first)], good)


def benchmark_tiles(document: Document) -> Iterator[Tile]:
    """The median of each measurement, and its memory."""
    for each in tables(document, "results"):
        times = table(each, "inference_ms")
        rest: list[Cell] = ["p95 ", shown(number(times, "p95"), "{:.3g} ms")]
        taken = number(each, "peak_memory_bytes") or number(each, "model_memory_bytes")
        if taken is not None:
            rest += [", memory ", size(taken)]
        yield Tile(_title(each), shown(_typical(each), "{:.3g} ms"), rest)


def cost_tiles(cost: Document, before: str) -> Iterator[Tile]:
    """Size and time of one model beside another, which is called `before`."""
    sizes, milliseconds = numbers(cost, "bytes"), numbers(cost, "inference_ms")
    if len(sizes) == len(milliseconds) == 2:
        yield Tile("Size", size(sizes[1]), [f"{before} ", size(sizes[0])])
        rest: list[Cell] = [f"{before} ", shown(milliseconds[0], "{:.3g} ms"), ": ", _ratio(cost, "ratio"), " times"]
        yield Tile("Inference on one CPU core", shown(milliseconds[1], "{:.3g} ms"), rest)


def times(document: Document) -> Iterator[Block]:
    """Inference of each measurement, and what is beside it."""
    results = tables(document, "results")
    medians = [_typical(each) or 0.0 for each in results]
    most = max(medians, default=0.0) or 1.0
    bars = []
    for each, median in zip(results, medians, strict=True):
        found = table(each, "inference_ms")
        cells = [shown(_typical(each), "{:.3g}"), *(shown(number(found, part), "{:.3g}") for part in ("p95", "p99"))]
        compared = _ratio(each, "ratio") if each is not results[0] else ("1",)
        bars.append(Bar(_title(each), max(0.0, median / most), [*cells, compared]))
    if bars:
        told = all(number(table(each, "inference_ms"), "p50") is not None for each in results)
        typical = "p50, ms" if told else "p50 or mean, ms"
        header = ("model, device, threads", "shorter is better", typical, "p95, ms", "p99, ms", "ratio to the first")
        yield Bars("Inference", header, bars)
    rows = [[_title(each), *_beside(each)] for each in results]
    if rows:
        yield Table("Start, preprocess and postprocess, memory", _BESIDE, rows, numeric=[1, 2, 3, 4, 5, 6])
    slower: list[list[Cell]] = [[_title(each), _ratio(each, "slowdown")] for each in results]
    if _slower(results):
        yield Table("Time against the baseline's", ("model, device, threads", "ratio"), slower, numeric=[1])
    lost = [[_title(each), f"{text(each, 'message')} {text(each, 'hint')}"] for each in tables(document, "failed")]
    if lost:
        yield Table("Could not be timed", ("model, device, threads", "why"), lost)


def answers(document: Document) -> Iterator[Block]:
    """What a phone's accelerators answer, against the CPU interpreter, and how much of the model they take."""
    rows = [[_title(each), *_answered(each)] for each in tables(document, "results") if "agreement" in each]
    if rows:
        header = ("model, device, threads", "top-1 agreement", "images", "SQNR", "delegate took", "remark")
        yield Table("Answers beside the CPU interpreter's", header, rows, numeric=[1, 2, 3])


def _answered(each: Document) -> list[Cell]:
    found = table(each, "agreement")
    synthetic = "synthetic" if text(found, "source") == "synthetic" else ""
    broken = f"answers with {text(found, 'broken')}" if text(found, "broken") else ""
    on_cpu = ", ".join(texts(each, "on_cpu"))
    remarks = (broken, text(found, "why_not"), synthetic, f"on the CPU: {on_cpu}" if on_cpu else "")
    return [
        (share(number(found, "agreement")), " ", *bounds(interval(found, "interval"))),
        count(number(found, "images")),
        shown(number(found, "sqnr_db"), "{:.1f} dB"),
        text(each, "delegated") or "–",
        "; ".join(filter(None, remarks)),
    ]


def machine(document: Document) -> Iterator[Block]:
    """Where it was measured, and how."""
    found = table(document, "machine")
    governors = found.get("governors")
    rows: list[tuple[str, Sequence[Cell]]] = [
        ("Machine", [text(found, "processor"), *_cores(found), ", ", text(found, "system")]),
        ("Architectures", [", ".join(texts(found, "abis"))]),
        ("Benchmark binary", [text(found, "binary")]),
        ("Interpreter", [text(found, "interpreter")]),
        ("Python", [text(found, "python")]),
        ("Governor", [", ".join(map(str, governors)) if isinstance(governors, list) else ""]),
        ("Load before the run", [shown(number(found, "load"), "{:.2f}")]),
        ("Image", [text(document, "image") or ("a frame of 640×480 pixels in memory" if "image" in document else "")]),
        ("Warm-up", [count(number(document, "warm_up")), " inferences, not counted"]),
    ]
    if found:
        yield Facts([(title, cells) for title, cells in rows if any(cells)])


def _cores(found: Document) -> list[Cell]:
    cores = number(found, "cores")
    return [] if cores is None else [", ", count(cores), " cores"]


def gates_headline(document: Document) -> Headline:
    """How many gates are met."""
    gates = tables(document, "gates")
    met = sum(gate.get("met") is True for gate in gates)
    return Headline(
        "Verification", file_name(document), f"{met} of {len(gates)}", ["gates met"], flag(document, "accepted")
    )


def gates(document: Document) -> Iterator[Block]:
    """Each gate with what was found and what was asked for."""
    rows: list[list[Cell]] = [
        [
            "met" if gate.get("met") is True else "not met",
            text(gate, "gate"),
            _found(gate),
            text(gate, "asked"),
        ]
        for gate in tables(document, "gates")
    ]
    if rows:
        yield Table("What was asked, and what was found", ("", "gate", "found", "asked for"), rows)


def _found(gate: Document) -> Cell:
    value = number(gate, "value")
    return text(gate, "found") if value is None else Number(value, text(gate, "found"))


def _ratio(each: Document, key: str) -> tuple[str | Number, ...]:
    return (shown(number(each, key), "{:.3f}"), *_bounds(each, key))


def _title(each: Document) -> str:
    threads = number(each, "threads")
    said = [file_name(each), text(each, "device"), f"{threads:.0f} threads" if threads and threads > 1 else ""]
    return ", ".join(filter(None, said))


def _named(results: Sequence[Document]) -> str:
    return ", ".join(dict.fromkeys(file_name(each) for each in results)) or "Benchmark"


def _beside(each: Document) -> list[Cell]:
    keys = ("load_ms", "first_ms", "preprocess_ms", "postprocess_ms")
    memory = [number(each, key) for key in ("peak_memory_bytes", "model_memory_bytes")]
    return [*(shown(number(each, key), "{:.3g}") for key in keys), *map(size, memory)]


def _typical(each: Document) -> float | None:
    """The median inference, or the mean of a binary that tells no median."""
    found = table(each, "inference_ms")
    median = number(found, "p50")
    return number(found, "mean") if median is None else median


def _bounds(each: Document, key: str) -> tuple[str | Number, ...]:
    found = interval(each, f"{key}_interval")
    if found is None:
        return ()
    low, high = (Number(bound, f"{bound:.3f}") for bound in found)
    return (" (95 % CI ", low, "–", high, ")")


def _slower(results: Sequence[Document]) -> bool:
    return any(number(each, "slowdown") is not None for each in results)
