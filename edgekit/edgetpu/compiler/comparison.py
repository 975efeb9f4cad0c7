"""The compiler's word beside the prediction: each difference in a sentence, none hidden."""

from typing import Dict, Iterator, List, Set, Tuple

from edgekit.edgetpu.compiler.compiler import CompileReport
from edgekit.edgetpu.estimate.estimate import around, bytes_text, estimate
from edgekit.edgetpu.placement.placement import EDGETPU, OpPlacement
from edgekit.sizes import size_text

# Memory differs by a few KiB of alignment; only more than this share is told.
_TOLERANCE = 0.1


def differences(report: CompileReport) -> Tuple[str, ...]:
    """What the compiler did otherwise than predicted; () where it did as expected."""
    found: List[str] = []
    prediction = report.prediction
    if prediction.refusal is not None:
        found.append(f"expected a refusal ({prediction.refusal[0]}), but it compiled")
    misplaced = _misplaced(report)
    found += [_moved(placed) for placed in misplaced]
    if len(report.outputs) == 1 and report.subgraphs != prediction.subgraphs:
        found.append(f"expected {prediction.subgraphs} Edge TPU subgraphs, got {report.subgraphs}")
    found += _statuses(report, {placed.op.opcode for placed in misplaced})
    return tuple(found + list(_memory(report)))


def _misplaced(report: CompileReport) -> List[OpPlacement]:
    mapped = set(report.mapped)
    return [placed for placed in report.prediction.ops if (placed.op.index in mapped) != (placed.device == EDGETPU)]


def _moved(placed: OpPlacement) -> str:
    expected, real = ("the Edge TPU", "the CPU") if placed.device == EDGETPU else ("the CPU", "the Edge TPU")
    doubt = "" if placed.certain else " (not certain)"
    return f"op {placed.op.index} {placed.op.custom or placed.op.opcode}: expected on {expected}{doubt}, runs on {real}"


def _statuses(report: CompileReport, misplaced: Set[str]) -> Iterator[str]:
    """Other words for the same placement; kinds of op that are placed otherwise have been told op by op."""
    said: Dict[Tuple[str, str], int] = {}
    for row in (row for log in report.logs for row in log.rows):
        said[row.opcode, row.status] = said.get((row.opcode, row.status), 0) + row.count
    expected = report.prediction.table()
    for opcode, status in sorted(set(said) | set(expected)) if said else ():
        counts = expected.get((opcode, status), 0), said.get((opcode, status), 0)
        if opcode not in misplaced and counts[0] != counts[1]:
            yield f"{opcode}: expected {counts[0]} times «{status}», the compiler reports {counts[1]}"


def _memory(report: CompileReport) -> Iterator[str]:
    """Cached and streamed together: how they are divided depends on the models compiled along."""
    if len(report.logs) != 1 or report.logs[0].on_chip_used is None or report.logs[0].streamed is None:
        return
    expected = estimate(report.graph, report.prediction)
    taken, said = (
        expected.on_chip_bytes + expected.streamed_bytes,
        report.logs[0].on_chip_used + report.logs[0].streamed,
    )
    if abs(taken - said) > max(_TOLERANCE * said, 16 * 1024):
        yield f"expected {bytes_text(around(taken))} of parameters, the compiler has {size_text(said)}"
