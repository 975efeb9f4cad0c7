"""Figures and tables as text."""

from typing import Iterator, Sequence, Tuple


def percent(value: float) -> str:
    """0.9834 → «98.3 %»."""
    return f"{100 * value:.1f} %"


def columns(header: Tuple[str, ...], rows: Sequence[Tuple[str, ...]]) -> Iterator[str]:
    """A table as plain aligned lines: they survive `| grep`, and a cell may be wider than any terminal."""
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    for row in [header, *rows]:
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()
