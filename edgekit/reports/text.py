"""Figures and tables as text."""

from typing import Dict, Iterable, Iterator, Sequence, Tuple

from edgekit.errors import EdgekitError

#: (title, text), in the order in which they are read; a title may come again.
Facts = Iterable[Tuple[str, str]]


def error_to_json(error: EdgekitError) -> Dict[str, object]:
    """An error, as every document tells it."""
    return {"error": error.kind, "message": error.message, "hint": error.hint}


def percent(value: float) -> str:
    """0.9834 → «98.3 %»."""
    return f"{100 * value:.1f} %"


def with_interval(value: float, interval: Tuple[float, float]) -> str:
    """0.988, (0.974, 0.994) → «98.8 % (95 % CI 97.4–99.4)»."""
    return f"{percent(value)} (95 % CI {interval_text(interval)})"


def interval_text(interval: Tuple[float, float]) -> str:
    """(0.974, 0.994) → «97.4–99.4», in percent."""
    return "–".join(f"{100 * bound:.1f}" for bound in interval)


def shortened(values: Sequence[str], limit: int = 5) -> str:
    """«a, b, c, d, e, … (12)»."""
    shown = ", ".join(values[:limit])
    return f"{shown}, … ({len(values)})" if len(values) > limit else shown


def columns(header: Tuple[str, ...], rows: Sequence[Tuple[str, ...]]) -> Iterator[str]:
    """A table as plain aligned lines: they survive `| grep`, and a cell may be wider than any terminal."""
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    for row in [header, *rows]:
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()
