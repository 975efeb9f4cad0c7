"""A placement: which ops an accelerator would run, why not the others, and what to change."""

from typing import Dict, Iterator, List, Tuple

from edgekit.edgetpu.estimate.estimate import Estimate, LayerCost, bytes_text, estimate, milliseconds_text
from edgekit.edgetpu.estimate.profiles import HOSTS
from edgekit.edgetpu.estimate.savings import savings
from edgekit.edgetpu.placement.advice import advice
from edgekit.edgetpu.placement.placement import CPU, EDGE_TPU, OpPlacement, Placement
from edgekit.edgetpu.placement.words import NO_PRECEDENT, name, reasons, verdict
from edgekit.reports.graph import op_to_json
from edgekit.reports.text import columns
from edgekit.tflite.graph import Graph

#: How many lines of reasons and of advice fit on one screen.
_LINES = 8


def placement_to_json(graph: Graph, placement: Placement) -> Dict[str, object]:
    """Placement of a model, with where each of its `ops` runs; of the Edge TPU estimates, of others figures.

    `latency_ms` has (low, expected, high) milliseconds for each host; it is empty where nothing is mapped. The
    intervals are (low, high).
    `figures` are what the accelerator's own compiler tells, each in the unit that ends its name.
    """
    return {
        "target": placement.accelerator.name,
        "accelerator": placement.accelerator.title,
        "elsewhere": placement.accelerator.elsewhere,
        "judge": placement.judge or None,
        "verdict": verdict(placement),
        "fully_mapped": placement.fully_mapped,
        "refusal": placement.refusal[0] if placement.refusal else None,
        "ops": [_op_to_json(placed) for placed in placement.ops],
        "subgraphs": placement.subgraphs,
        "ends_at": placement.ends_at,
        "stakes": [
            {"op": stake.op.index, "opcode": name(stake.op), "mapped": stake.mapped} for stake in placement.stakes
        ],
        "advice": list(advice(graph, placement)),
        **(_estimates(graph, placement) if placement.accelerator == EDGE_TPU else _told(placement)),
    }


def _told(placement: Placement) -> Dict[str, object]:
    return {
        "figures": {figure.key: figure.value for figure in placement.figures},
        "notes": list(placement.notes),
        "handoff": list(placement.handoff),
    }


def _estimates(graph: Graph, placement: Placement) -> Dict[str, object]:
    expected = estimate(graph, placement)
    return {
        "on_chip_bytes": expected.on_chip_bytes,
        "on_chip_interval": [int(expected.on_chip.low), int(expected.on_chip.high)],
        "streamed_bytes": expected.streamed_bytes,
        "streamed_interval": [int(expected.streamed.low), int(expected.streamed.high)],
        "latency_ms": {host: [ms.low, ms.expected, ms.high] for host, ms in expected.latency.items()},
        "costliest": [_cost_to_json(layer) for layer in expected.costliest()],
        "savings": list(savings(expected)),
        "cautions": list(expected.cautions),
    }


def placement_lines(graph: Graph, placement: Placement) -> Iterator[str]:
    """The verdict, what to do, and the table of ops by where they run."""
    yield f"\n  {placement.accelerator.title}: {verdict(placement)}"
    if placement.judge:
        yield f"  by {placement.judge}"
    todo = _some([f"  - {text}" for text in advice(graph, placement)])
    if todo:
        yield "\nWhat to do:"
        yield from todo
    if placement.accelerator != EDGE_TPU:
        yield from _figure_lines(placement)
    elif placement.mapped:
        yield ""
        yield from _estimate_lines(estimate(graph, placement))
    yield ""
    yield from columns(("op", "count", "runs on", "compiler status"), _rows(placement))
    why = [*_reason_lines(placement), *_unseen_lines(placement)]
    if why:
        yield "\nWhy:"
        yield from _some(why)
    if placement.handoff:
        yield "\nNext:"
        yield from (f"  {line}" for line in placement.handoff)


def _figure_lines(placement: Placement) -> Iterator[str]:
    if placement.figures:
        yield ""
    yield from (f"  {figure.title:<15}{figure.text}" for figure in placement.figures)
    yield from (f"  {'note':<15}{note}" for note in placement.notes)


def _op_to_json(placed: OpPlacement) -> Dict[str, object]:
    return {
        **op_to_json(placed.op),
        "device": placed.device,
        "status": placed.status,
        "reasons": list(reasons(placed)),
        "certain": placed.certain,
        "precedent": not placed.unseen,
    }


def _cost_to_json(layer: LayerCost) -> Dict[str, object]:
    return {
        "index": layer.index,
        "op": layer.work.kind,
        "macs": layer.work.macs,
        "parameter_bytes": layer.work.parameter_bytes,
        "streamed": layer.streamed,
        "utilization": layer.work.utilization,
        "ms": layer.ms,
    }


def _estimate_lines(expected: Estimate) -> Iterator[str]:
    yield f"  parameters  {bytes_text(expected.on_chip)} on chip (estimated)"
    if expected.streamed.high:
        yield f"  streamed    {bytes_text(expected.streamed)} at each inference"
    for host, ms in expected.latency.items():
        yield f"  latency     {milliseconds_text(ms)} ({HOSTS[host].title})"
    yield "  slowest ops " + ", ".join(_share(layer) for layer in expected.costliest(3))
    for text in savings(expected):
        yield f"  to speed up {text}"
    for caution in expected.cautions:
        yield f"  note        {caution}"


def _share(layer: LayerCost) -> str:
    streamed = " (parameters streamed)" if layer.streamed else ""
    return f"op {layer.index} {layer.work.kind} {layer.ms:.2f} ms{streamed}"


def _rows(placement: Placement) -> List[Tuple[str, ...]]:
    """One row per op, device and status; the Edge TPU's first, and what is not certain with a question mark."""
    counts: Dict[Tuple[str, str, str], int] = {}
    for placed in placement.ops:
        device = placement.accelerator.there if placed.device != CPU else placement.accelerator.elsewhere
        key = (name(placed.op), device + ("" if placed.certain else " ?"), placed.status)
        counts[key] = counts.get(key, 0) + 1
    there = placement.accelerator.there
    ordered = sorted(counts.items(), key=lambda item: (not item[0][1].startswith(there), -item[1], item[0]))
    return [(kind, str(count), device, status) for (kind, device, status), count in ordered]


def _reason_lines(placement: Placement) -> Iterator[str]:
    for found in placement.ops:
        for violation in found.violations:
            doubt = "" if violation.certain else " (not certain)"
            yield (f"  op {found.op.index} {name(found.op)}: {violation.reason}{doubt}")


def _unseen_lines(placement: Placement) -> Iterator[str]:
    """One line for each kind of op without precedent: the first, and how many more there are."""
    kinds: Dict[str, List[OpPlacement]] = {}
    for placed in placement.ops:
        if placed.unseen:
            kinds.setdefault(name(placed.op), []).append(placed)
    for kind, ops in kinds.items():
        more = f" {len(ops) - 1} more like it." if len(ops) > 1 else ""
        yield f"  op {ops[0].op.index} {kind}: {NO_PRECEDENT} {ops[0].unseen}{more}"


def _some(lines: List[str]) -> List[str]:
    return lines if len(lines) <= _LINES else [*lines[: _LINES - 1], f"  … {len(lines) - _LINES + 1} more: see --json"]
