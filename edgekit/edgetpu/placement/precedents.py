"""Ops that real compilers mapped, and whether an op is like one of them.

precedents.csv is written by scripts/precedents.py: one row for each trait (`traits.Trait`), with the most elements that
an op of that trait had when it was mapped, and in how many repositories that was seen.
"""

import csv
from functools import lru_cache
from pathlib import Path
from typing import Mapping, NamedTuple, Optional

from edgekit.edgetpu.placement.case import Case
from edgekit.edgetpu.placement.traits import Trait, elements_of, trait_of

TABLE = Path(__file__).with_name("precedents.csv")

COLUMNS = (*Trait._fields, "elements", "repositories")


class Precedent(NamedTuple):
    """What was seen mapped of one trait: the most elements, and in how many repositories."""

    elements: int
    repositories: int


Precedents = Mapping[Trait, Precedent]


@lru_cache(maxsize=1)
def known_precedents() -> Precedents:
    """The table that comes with edgekit."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        return {_trait(row): Precedent(int(row["elements"]), int(row["repositories"])) for row in csv.DictReader(file)}


def _trait(row: Mapping[str, str]) -> Trait:
    return Trait(row["opcode"], row["dtypes"], int(row["rank"]), row["inputs"], row["options"])


def unlike_any(case: Case, precedents: Optional[Precedents] = None) -> str:
    """How an op differs from all that were seen mapped, in a sentence; "" where it is like one of them.

    Asked only of ops that have the inputs that their kind needs, and an output.
    """
    known = known_precedents() if precedents is None else precedents
    trait, elements = trait_of(case), elements_of(case)
    same = known.get(trait)
    if same is not None and elements <= same.elements:
        return ""
    if same is not None:
        return f"One like it was seen mapped with {same.elements:,} elements at most, and it has {elements:,}."
    near = _nearest(trait, elements, known)
    return f"The nearest that was seen mapped has {_differences(near, trait)}." if near else "None was seen mapped."


def _nearest(trait: Trait, elements: int, known: Precedents) -> Optional[Trait]:
    """The trait of the same kind of op that differs least; one that was seen as large first."""
    kind = [other for other in known if other.opcode == trait.opcode]

    def distance(other: Trait) -> "tuple[int, bool]":
        return sum(ours != theirs for ours, theirs in zip(trait, other)), elements > known[other].elements

    return min(kind, key=distance, default=None)


def _differences(near: Trait, ours: Trait) -> str:
    """What the nearest has instead, part by part."""
    parts = [
        (near.dtypes, ours.dtypes),
        (f"{near.rank} dimensions", f"{ours.rank}"),
        (_INPUTS.format(near.inputs), ours.inputs),
        (near.options or "plain options", ours.options or "plain ones"),
    ]
    return ", ".join(f"{theirs}, not {own}" for (theirs, own), (a, b) in zip(parts, zip(near[1:], ours[1:])) if a != b)


_INPUTS = "inputs {} (v computed, c constant)"
