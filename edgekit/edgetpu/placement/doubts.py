"""Ops that have no precedent, and the correction of `edgekit convert` that writes each as ops that have one."""

from typing import Mapping

from edgekit.edgetpu.placement.placement import CPU, OpPlacement, Placement
from edgekit.edgetpu.placement.precedents import known_precedents
from edgekit.edgetpu.placement.traits import Trait

SMALL_MEANS, SPREAD_GATES = "small-means", "spread-gates"

#: Op → the correction that takes the doubt about it away.
_CORRECTIONS: Mapping[str, str] = {"MEAN": SMALL_MEANS, "AVERAGE_POOL_2D": SMALL_MEANS, "MUL": SPREAD_GATES}


def largest_mean() -> int:
    """The most elements that an int8 mean over an image had where it was seen mapped."""
    return known_precedents()[Trait("MEAN", "int8", 4, "vc", "over -3 -2")].elements


def largest_pooling() -> int:
    """The same of an average pooling."""
    return known_precedents()[Trait("AVERAGE_POOL_2D", "int8", 4, "v", "")].elements


def without_doubt(placement: Placement) -> str:
    """What to give to `--corrections` to take the doubts away, as far as they can be; "" where none can."""
    helping = {_correction(placed) for placed in placement.ops if placed.device != CPU and not placed.certain}
    named = [correction for correction in (SMALL_MEANS, SPREAD_GATES) if correction in helping]
    return ",".join(["auto", *named]) if named else ""


def _correction(placed: OpPlacement) -> str:
    """The correction that is for a doubt; of a product only where one factor is a gate. "" where there is none."""
    if placed.op.opcode == "MUL" and "broadcast" not in placed.unseen:
        return ""
    return _CORRECTIONS.get(placed.op.opcode, "")
