"""Checks that document themselves: small functions whose docstrings are what users read.

A check's docstring has two paragraphs: what is asked or what is wrong, and what to do about it. Numbers in it stand in
braces (`{limit:,}`) and are given where the function is registered, so that text and comparison share one number. A
registry holds the checks of one kind in the order in which they are written; messages and a page of the documentation
are made from it.
"""

from dataclasses import dataclass
from typing import Callable, Generic, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple, TypeVar

#: What a check looks at, what it answers with, and what is known of it beside its text.
Subject = TypeVar("Subject")
Found = TypeVar("Found")
Facts = TypeVar("Facts")

_NO_NUMBERS: Mapping[str, float] = {}


@dataclass(frozen=True)
class Check(Generic[Subject, Found, Facts]):
    """One check.

    Attributes:
      name: the function's name.
      what: what is asked or what is wrong, in a sentence or two.
      remedy: what to do about it.
      run: the function; None as its answer means that nothing is wrong.
      facts: what else is known of it.
    """

    name: str
    what: str
    remedy: str
    run: Callable[[Subject], Optional[Found]]
    facts: Facts


class Registry(Generic[Subject, Found, Facts]):
    """The checks of one kind, in order."""

    def __init__(self) -> None:
        """An empty one; `check` fills it."""
        self._checks: List[Check[Subject, Found, Facts]] = []

    def check(
        self, facts: Facts, numbers: Mapping[str, float] = _NO_NUMBERS
    ) -> Callable[[Callable[[Subject], Optional[Found]]], Callable[[Subject], Optional[Found]]]:
        """Registers the decorated function. `numbers` fill the braces of its docstring."""

        def register(function: Callable[[Subject], Optional[Found]]) -> Callable[[Subject], Optional[Found]]:
            what, remedy = _paragraphs(function.__doc__, numbers)
            self._checks.append(Check(function.__name__, what, remedy, function, facts))
            return function

        return register

    def __iter__(self) -> Iterator[Check[Subject, Found, Facts]]:
        return iter(self._checks)


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> List[str]:
    """The lines of a table for a generated page."""
    return [_row(header), "|" + " --- |" * len(header), *map(_row, rows)]


def _paragraphs(docstring: Optional[str], numbers: Mapping[str, float]) -> Tuple[str, str]:
    """The two paragraphs, each on one line; empty where Python runs without docstrings (-OO)."""
    parts = [" ".join(part.split()) for part in (docstring or "").split("\n\n")]
    what, remedy = (part.format(**numbers) if numbers else part for part in (*parts, "")[:2])
    return what, remedy


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
