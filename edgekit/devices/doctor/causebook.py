"""How the causes of `causes.py` are written down: one small function each, in one list.

A cause's docstring is what users read. Its first paragraph says what is wrong, its second what to do.
The function answers with the evidence where the cause is there, else None. `edgekit doctor` runs them
all; docs/doctor.md is written from them.
"""

from functools import lru_cache
from importlib import import_module
from typing import Callable, List, NamedTuple, Optional, Tuple

from edgekit.devices.doctor.machine import Machine

Check = Callable[[Machine], Optional[str]]


class Cause(NamedTuple):
    """A cause: its function and what that says."""

    check: Check

    @property
    def name(self) -> str:
        """Stable name for machines, such as `no-library`."""
        return self.check.__name__.replace("_", "-")

    @property
    def what(self) -> str:
        """What is wrong, in a sentence or two."""
        return self._paragraphs()[0]

    @property
    def fix(self) -> str:
        """What to do about it."""
        return self._paragraphs()[1]

    def _paragraphs(self) -> List[str]:
        return [" ".join(part.split()) for part in (self.check.__doc__ or "").split("\n\n")]


_CAUSES: List[Cause] = []


@lru_cache(maxsize=None)
def all_causes() -> Tuple[Cause, ...]:
    """Every cause, in the order in which they are written."""
    import_module("edgekit.devices.doctor.causes")
    return tuple(_CAUSES)


def cause(check: Check) -> Check:
    """Registers a function as a cause."""
    _CAUSES.append(Cause(check))
    return check
