"""The Edge TPU's part of `edgekit inspect`: where each op would run, and what to change."""

import shutil
from typing import Any, Dict, Iterator, List, Tuple

import click

from edgekit.edgetpu.estimate.estimate import Estimate, LayerCost, estimate
from edgekit.edgetpu.estimate.profiles import HOSTS
from edgekit.edgetpu.estimate.savings import savings
from edgekit.edgetpu.placement.advice import advice, name, reasons, verdict
from edgekit.edgetpu.placement.placement import EDGETPU, OpPlacement, Placement
from edgekit.edgetpu.sizes import size_text
from edgekit.reports.text import columns
from edgekit.terminal import echo
from edgekit.tflite.graph import Graph

#: How many lines of reasons and of advice fit on one screen.
_LINES = 8


def with_placement(document: Dict[str, Any], graph: Graph, placement: Placement) -> Dict[str, Any]:
    """A model's JSON document with placement and estimates added, to the whole and to each of its `ops`.

    `latency_ms` has (low, expected, high) milliseconds for each host; it is empty where nothing is mapped.
    """
    expected = estimate(graph, placement)
    ops = [{**op, **_op_to_json(placed)} for op, placed in zip(document["ops"], placement.ops)]
    return {
        **document,
        "verdict": verdict(placement),
        "fully_mapped": placement.fully_mapped,
        "refusal": placement.refusal[0] if placement.refusal else None,
        "ops": ops,
        "subgraphs": placement.subgraphs,
        "ends_at": placement.ends_at,
        "advice": list(advice(graph, placement)),
        "on_chip_bytes": expected.on_chip_bytes,
        "streamed_bytes": expected.streamed_bytes,
        "latency_ms": {host: [ms.low, ms.expected, ms.high] for host, ms in expected.latency.items()},
        "costliest": [_cost_to_json(layer) for layer in expected.costliest()],
        "savings": list(savings(expected)),
        "cautions": list(expected.cautions),
    }


def print_placement(graph: Graph, placement: Placement) -> None:
    """Prints the verdict, what to do, and the table of ops by where they run."""
    colour = "green" if placement.fully_mapped else "yellow"
    echo(title="\n" + _wrapped(f"Edge TPU: {verdict(placement)}"), colour=colour, bold=True)
    todo = _some([_wrapped(f"- {text}") for text in advice(graph, placement)])
    if todo:
        echo("\nWhat to do:\n" + "\n".join(todo))
    if placement.mapped:
        echo("\n" + "\n".join(_estimate_lines(estimate(graph, placement))))
    echo("\n" + "\n".join(columns(("op", "count", "runs on", "the compiler's words"), _rows(placement))))
    left = [placed for placed in placement.ops if placed.violations]
    if left:
        echo("\nWhy:\n" + "\n".join(_some(list(_reason_lines(left)))))


def _op_to_json(placed: OpPlacement) -> Dict[str, Any]:
    return {
        "index": placed.op.index,
        "opcode": placed.op.opcode,
        "version": placed.op.version,
        "device": placed.device,
        "status": placed.status,
        "reasons": list(reasons(placed)),
        "certain": placed.certain,
    }


def _cost_to_json(layer: LayerCost) -> Dict[str, Any]:
    return {
        "index": layer.index,
        "opcode": layer.work.kind,
        "macs": layer.work.macs,
        "parameter_bytes": layer.work.parameter_bytes,
        "streamed": layer.streamed,
        "utilization": layer.work.utilization,
        "ms": layer.ms,
    }


def _estimate_lines(expected: Estimate) -> Iterator[str]:
    streamed = f", {size_text(expected.streamed_bytes)} sent at each inference" if expected.streamed_bytes else ""
    yield f"  parameters  {size_text(expected.on_chip_bytes)} on the chip{streamed} (estimated)"
    for host, ms in expected.latency.items():
        yield f"  latency     {ms.expected:.1f} ms, likely {ms.low:.1f} to {ms.high:.1f} ({HOSTS[host].title})"
    yield "  most time   " + ", ".join(_share(layer) for layer in expected.costliest(3))
    for text in savings(expected):
        yield f"  faster      {text}"
    for caution in expected.cautions:
        yield f"  caution     {caution}"


def _share(layer: LayerCost) -> str:
    streamed = " with sending its parameters" if layer.streamed else ""
    return f"op {layer.index} {layer.work.kind} {layer.ms:.2f} ms{streamed}"


def _rows(placement: Placement) -> List[Tuple[str, ...]]:
    """One row per op, device and status; the Edge TPU's first, and what is not certain with a question mark."""
    counts: Dict[Tuple[str, str, str], int] = {}
    for placed in placement.ops:
        device = "Edge TPU" if placed.device == EDGETPU else "CPU"
        key = (name(placed.op), device + ("" if placed.certain else " ?"), placed.status)
        counts[key] = counts.get(key, 0) + 1
    ordered = sorted(counts.items(), key=lambda item: (not item[0][1].startswith("Edge"), -item[1], item[0]))
    return [(kind, str(count), device, status) for (kind, device, status), count in ordered]


def _reason_lines(placed: List[OpPlacement]) -> Iterator[str]:
    for found in placed:
        for violation in found.violations:
            doubt = "" if violation.certain else " (not certain)"
            yield _wrapped(f"op {found.op.index} {name(found.op)}: {violation.reason}{doubt}")


def _wrapped(text: str) -> str:
    """A paragraph, indented, within the terminal and at most 100 columns."""
    width = min(100, shutil.get_terminal_size().columns)
    return click.wrap_text(text, width=width, initial_indent="  ", subsequent_indent="    ")


def _some(lines: List[str]) -> List[str]:
    return lines if len(lines) <= _LINES else [*lines[: _LINES - 1], f"  … {len(lines) - _LINES + 1} more: see --json"]
