"""What became of a compilation: its JSON document, and what is shown of it."""

from pathlib import Path
from typing import Dict, Iterator, List, Tuple

from edgekit.edgetpu.compiler.comparison import differences
from edgekit.edgetpu.compiler.compiler import CompileReport, cpu_ops
from edgekit.edgetpu.placement.placement import CPU, EDGETPU, OpPlacement
from edgekit.edgetpu.placement.words import name, reasons
from edgekit.reports.graph import op_to_json
from edgekit.reports.text import columns
from edgekit.sizes import size_text


def compilation_to_json(report: CompileReport) -> Dict[str, object]:
    """A report as a JSON-ready document."""
    mapped = set(report.mapped)
    said = [
        {
            "on_chip_bytes": log.on_chip_used,
            "remaining_bytes": log.on_chip_remaining,
            "streamed_bytes": log.streamed,
            "table": [{"op": row.opcode, "count": row.count, "status": row.status} for row in log.rows],
        }
        for log in report.logs
    ]
    return {
        "model": report.model,
        "compiled": list(report.outputs),
        "compiler_version": report.compiler_version,
        "attempts": report.attempts,
        "fully_mapped": report.fully_mapped,
        "subgraphs": report.subgraphs,
        "min_runtime": max(compiled.min_runtime for compiled in report.compiled),
        "ops": [_op_to_json(placed, placed.op.index in mapped) for placed in report.prediction.ops],
        "compiler": said,
        "differences": list(differences(report)),
    }


def _op_to_json(placed: OpPlacement, mapped: bool) -> Dict[str, object]:
    return {
        **op_to_json(placed.op),
        "device": EDGETPU if mapped else CPU,
        "reasons": [] if mapped else list(reasons(placed)),
    }


def compilation_lines(report: CompileReport) -> Iterator[str]:
    """What runs on the Edge TPU, what stays on the CPU and why, and the files that were written."""
    total, mapped = len(report.graph.ops), len(report.mapped)
    told = (
        f"all {total} ops run on the Edge TPU"
        if report.fully_mapped
        else f"{mapped} of {total} ops run on the Edge TPU"
    )
    yield f"Edge TPU: {told}"
    if report.attempts > 1:
        yield f"  edgetpu_compiler crashed {report.attempts - 1} times before it succeeded."
    for log in report.logs:
        if log.on_chip_used is not None and log.streamed is not None:
            cached, streamed = size_text(log.on_chip_used), size_text(log.streamed)
            yield f"  {cached} cached on chip, {streamed} streamed at each inference"
    left = _left_on_cpu(report)
    if left:
        yield ""
        yield from columns(("op", "kind", "why it stays on the CPU"), left)
    for difference in differences(report):
        yield f"  Differs from the prediction: {difference}."
    for output in report.outputs:
        yield f"Wrote {output}"
    if Path(report.outputs[0]).parent.resolve() != Path(report.model).parent.resolve():
        yield f"Its CPU twin is {report.model}: copy it beside {Path(report.outputs[0]).name}."


def _left_on_cpu(report: CompileReport) -> List[Tuple[str, ...]]:
    rows: List[Tuple[str, ...]] = []
    for op in cpu_ops(report):
        why = reasons(report.prediction.ops[op.index])
        rows.append((str(op.index), name(op), " ".join(why) or "the compiler did not map it"))
    return rows
