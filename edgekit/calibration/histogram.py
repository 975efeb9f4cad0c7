"""Histograms that merge exactly: bins whose width is a power of two and that start at multiples of it.

Two such histograms are brought to the same bins by adding up whole bins, so that the sum over many images does not
depend on their order, and its memory does not depend on their number.
"""

import math
from dataclasses import dataclass

import numpy as np

#: Upper bound of bins on either side of zero; the outermost value lies in the outer half of them.
SIDE_BINS = 1024
#: log2 of the least width, whose inverse is still a float32.
FINEST = -100


@dataclass(frozen=True)
class Histogram:
    """How often which values occurred.

    Attributes:
      counts: int64 (2 * SIDE_BINS,); bin i covers [i - SIDE_BINS, i - SIDE_BINS + 1) * width.
      exponent: log2 of the width.
    """

    counts: np.ndarray
    exponent: int

    @property
    def width(self) -> float:
        """Width of a bin, in the values' unit."""
        return math.ldexp(1.0, self.exponent)

    @property
    def centres(self) -> np.ndarray:
        """float64 (2 * SIDE_BINS,): the middle of each bin."""
        return (np.arange(-SIDE_BINS, SIDE_BINS) + 0.5) * self.width


#: Of no values.
NOTHING = Histogram(np.zeros(2 * SIDE_BINS, np.int64), FINEST)


def histogram(values: np.ndarray, magnitude: float) -> Histogram:
    """Counts float values, none of which is larger than `magnitude` in magnitude."""
    exponent = max(math.frexp(magnitude)[1] + 1 - SIDE_BINS.bit_length(), FINEST) if magnitude > 0 else FINEST
    bins = np.floor(values.ravel() * np.float32(math.ldexp(1.0, -exponent))).astype(np.int32)
    np.clip(bins, -SIDE_BINS, SIDE_BINS - 1, out=bins)
    return Histogram(np.bincount(bins + SIDE_BINS, minlength=2 * SIDE_BINS), exponent)


def merge(first: Histogram, second: Histogram) -> Histogram:
    """The histogram of the values of both."""
    exponent = max(first.exponent, second.exponent)
    return Histogram(_widened(first, exponent) + _widened(second, exponent), exponent)


def _widened(narrow: Histogram, exponent: int) -> np.ndarray:
    """The counts in bins of width 2**exponent."""
    steps = exponent - narrow.exponent
    if steps == 0:
        return narrow.counts
    half = SIDE_BINS >> steps
    if half == 0:  # every value falls into the two bins beside zero
        sides = narrow.counts.reshape(2, SIDE_BINS).sum(axis=1)
        counts = np.zeros_like(narrow.counts)
        counts[SIDE_BINS - 1 : SIDE_BINS + 1] = sides
        return counts
    counts = np.zeros_like(narrow.counts)
    counts[SIDE_BINS - half : SIDE_BINS + half] = narrow.counts.reshape(2 * half, -1).sum(axis=1)
    return counts


def tail_values(of: Histogram, fractions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(values below which, values above which) so large a part of all lies, to within one bin."""
    total = np.cumsum(of.counts)
    below = np.searchsorted(total, fractions * total[-1], side="right")
    above = np.searchsorted(total, (1.0 - fractions) * total[-1], side="left") + 1
    return (below - SIDE_BINS) * of.width, (above - SIDE_BINS) * of.width
