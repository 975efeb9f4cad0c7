"""A placement in words: the verdict, ops by kind and place, reasons."""

from typing import Dict, List, Tuple

from edgekit.edgetpu.placement.placement import CPU, NOT_JUDGED, OpPlacement, Placement
from edgekit.edgetpu.statuses import OTHER_SUBGRAPH
from edgekit.tflite.graph import Op


def verdict(placement: Placement) -> str:
    """The outcome in a sentence or two: all on the accelerator, or where it stops, why, and what to do."""
    if placement.refusal is not None:
        why, remedy = placement.refusal
        return f"{placement.judge or 'The compiler'} refuses this model. {why}. {remedy}"
    total, takes = len(placement.ops), placement.accelerator.takes
    if total == 0:
        return "The model has no ops: there is nothing to map."
    if placement.mapped == total:
        mapped = f"All {total} ops {takes[0]}" if total > 1 else f"The one op {takes[1]}"
        return f"{mapped}{_doubt(placement)}."
    if placement.mapped == 0:
        blocking = _blocking(placement)
        return f"Nothing {takes[1]}. Op {blocking.op.index} {name(blocking.op)}: {_because(blocking)}"
    found = f"{placement.mapped} of {counted(total)} {takes[0]}{_doubt(placement)}"
    blocking = _blocking(placement)
    if placement.ends_at is not None and any(placed.status == OTHER_SUBGRAPH for placed in placement.ops):
        return f"{found}. It stops at op {blocking.op.index} {name(blocking.op)}: {_because(blocking)}"
    stay = [(name(placed.op), placed.op.index) for placed in placement.ops if placed.device == CPU]
    return f"{found}. {placement.accelerator.left}: {grouped(stay)}. Op {blocking.op.index}: {_because(blocking)}"


def name(op: Op) -> str:
    """An op's kind; a custom op's own name."""
    return op.custom or op.opcode


def reasons(placed: OpPlacement) -> Tuple[str, ...]:
    """Why an op is on the CPU, or why that is uncertain: one line for each rule."""
    if placed.status == NOT_JUDGED:
        return (f"It is {NOT_JUDGED}.",)
    if placed.violations or placed.device != CPU:
        told = tuple(f"{violation.reason} {violation.remedy}" for violation in placed.violations)
        return (*told, f"{NO_PRECEDENT} {placed.unseen}") if placed.unseen else told
    return ("The Edge TPU supports it, but the mapped subgraph ends before it.",)


#: Of an op unlike all that are known to have been mapped.
NO_PRECEDENT = "No precedent is known."


def _doubt(placement: Placement) -> str:
    """How many ops are not certain to be mapped, and what is left if the gravest of them are not."""
    doubtful = [placed for placed in placement.ops if placed.device != CPU and not placed.certain]
    if not doubtful:
        return ""
    count, one = len(doubtful), len(doubtful) == 1
    if all(placed.unseen for placed in doubtful):
        said = f"{count} {'has' if one else 'have'} no precedent"
    else:
        said = f"{count} {'is' if one else 'are'} not certain"
    first = placement.stakes[0]
    total = len(placement.ops)
    return f"; {said}; if {name(first.op)} (op {first.op.index}) stays on the CPU, {first.mapped} of {total} map"


def counted(count: int) -> str:
    """A number of ops."""
    return f"{count} op" if count == 1 else f"{count} ops"


def _blocking(placement: Placement) -> OpPlacement:
    """The op to name: the one that ends the first subgraph, else the first on the CPU."""
    if placement.ends_at is not None:
        return placement.ops[placement.ends_at]
    return next(placed for placed in placement.ops if placed.device == CPU)


def _because(placed: OpPlacement) -> str:
    rejecting = [violation for violation in placed.violations if violation.rejected]
    return f"{rejecting[0].reason} {rejecting[0].remedy}" if rejecting else f"{placed.status}."


def grouped(ops: List[Tuple[str, int]]) -> str:
    """Ops by kind with their places: "RESHAPE (op 3), MEAN (op 5, 7)"."""
    places: Dict[str, List[int]] = {}
    for kind, index in ops:
        places.setdefault(kind, []).append(index)
    return ", ".join(f"{kind} (op {_listed(found)})" for kind, found in places.items())


def _listed(indices: List[int], limit: int = 4) -> str:
    shown = ", ".join(map(str, indices[:limit]))
    return f"{shown}, … {len(indices)} in all" if len(indices) > limit else shown
