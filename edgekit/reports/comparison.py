"""A comparison of two models: its facts and tables as text, its JSON document, its layers as CSV."""

import csv
import io
import math
from collections.abc import Iterator

from edgekit.evaluation.comparison import Comparison
from edgekit.evaluation.layers import Layer
from edgekit.evaluation.verdict import Verdict
from edgekit.reports.cost import cost_text, cost_to_json
from edgekit.reports.text import Facts, columns
from edgekit.reports.verdict import accuracy_text, agreement_text

#: Rows of the table of layers; the files hold all.
_WORST = 8
#: Of so many of the worst layers the distribution of their values is told.
_DRAWN = 9
#: Two models differ by more than chance below this probability.
_SIGNIFICANT = 0.05
_CSV = (
    *("index", "op", "name", "scores_db", "accumulated_db", "local_db", "cause"),
    *("share", "low", "high", "seen_low", "seen_high", "swallowed"),
)


def comparison_facts(found: Comparison) -> Facts:
    """Titles and texts, in the order in which they are read."""
    verdict = found.verdict
    yield "Agreement", agreement_text(verdict)
    if not math.isnan(verdict.sqnr_db):
        yield "Output", f"SQNR {verdict.sqnr_db:.1f} dB"
    yield "Size, time", cost_text(found.cost, "A", "B")
    if verdict.top1_reference is None:
        yield "Accuracy", f"not compared: {verdict.matching}"
    else:
        yield "Accuracy", f"{accuracy_text(verdict, 'A', 'B')}; {significance(verdict)}"
        yield "Classes", verdict.matching
    yield "Class names", found.names_from
    for alarm in found.alarms:
        yield "Alarm", alarm
    for name, reason in list(found.skipped.items())[:3]:
        yield "Skipped", f"{name}: {reason}"


def significance(verdict: Verdict) -> str:
    """Whether the difference in accuracy is more than chance; "" without labelled images."""
    if not verdict.labelled:
        return ""
    differing = f"only A is right on {verdict.lost} images, only B on {verdict.gained}"
    if verdict.p_value >= _SIGNIFICANT:
        return f"{differing}: not a significant difference (p = {verdict.p_value:.2g})"
    better = "A" if verdict.lost > verdict.gained else "B"
    return f"{differing}: {better} is significantly better (p = {verdict.p_value:.2g})"


def layer_lines(found: Comparison) -> Iterator[str]:
    """The layers that cost the scores most, as a table, with the causes and what can be done."""
    if not found.layers:
        yield "No per-layer report: it needs a float A and the int8 B made from it, with tensors of one name."
        return
    worst = found.worst[:_WORST]
    yield f"The layers whose error costs the scores most ({len(found.layers)} compared). SQNR in dB, less is worse:"
    yield "of the scores if this layer alone erred, of what the layer adds, of its output after all layers before it"
    yield from columns(("layer", "op", "scores", "added", "so far", "cause", "tensor"), [_row(c) for c in worst])
    yield ""
    for cause in dict.fromkeys(layer.cause for layer in worst):
        yield f"  {cause.meaning}."
        yield f"    Remedy: {cause.remedy(found.tried)}."


def _row(layer: Layer) -> tuple[str, ...]:
    ratios = (layer.scores_db, layer.local_db, layer.accumulated_db)
    return (str(layer.index), layer.op, *map(_db, ratios), layer.cause.name, _short(layer.name))


def _db(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _short(name: str) -> str:
    """The first of the names that TensorFlow joins by semicolons, at a readable length."""
    first = name.split(";")[0]
    return first if len(first) <= 60 else f"…{first[-59:]}"


def comparison_to_json(found: Comparison) -> dict[str, object]:
    """The verdict's document, with the layers in order and the names of the worst."""
    verdict, drawn = found.verdict, {layer.index for layer in found.worst[:_DRAWN]}
    return {
        **verdict.to_json(),
        "alarms": list(found.alarms),
        "labels_from": found.names_from,
        "cost": cost_to_json(found.cost),
        "p": verdict.p_value if verdict.labelled else None,
        "significance": significance(verdict) or None,
        "layers": [_layer_to_json(layer, found, drawn=layer.index in drawn) for layer in found.layers],
        "worst": [layer.name for layer in found.worst[:10]],
        "skipped": [{"image": name, "reason": reason} for name, reason in found.skipped.items()],
    }


def _layer_to_json(layer: Layer, found: Comparison, *, drawn: bool) -> dict[str, object]:
    return {
        "index": layer.index,
        "op": layer.op,
        "name": layer.name,
        "scores_db": layer.scores_db,
        "accumulated_db": layer.accumulated_db,
        "local_db": layer.local_db,
        "cause": layer.cause.name,
        "meaning": layer.cause.meaning,
        "remedy": layer.cause.remedy(found.tried),
        "share": layer.share,
        "low": layer.low,
        "high": layer.high,
        "seen": list(layer.seen),
        "swallowed": layer.swallowed,
        "distribution": layer.distribution.to_json() if drawn else None,
    }


def layers_to_csv(found: Comparison) -> str:
    """The per-layer report as a table, one row for each layer in order."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(_CSV)
    for layer in found.layers:
        ratios = ("" if r is None else f"{r:.2f}" for r in (layer.scores_db, layer.accumulated_db, layer.local_db))
        figures = (f"{value:.6g}" for value in (layer.share, layer.low, layer.high, *layer.seen))
        writer.writerow([layer.index, layer.op, layer.name, *ratios, layer.cause.name, *figures, int(layer.swallowed)])
    return stream.getvalue()
