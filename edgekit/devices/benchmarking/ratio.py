"""Ratios of times, with intervals that assume nothing about how times are distributed."""

from dataclasses import dataclass
from typing import Tuple

import numpy as np


@dataclass(frozen=True)
class Ratio:
    """How many times as long one takes as another.

    Attributes:
      value: 1 for equal times, 2 for twice as long.
      interval: its 95 % confidence interval.
    """

    value: float
    interval: Tuple[float, float]


def paired_ratio(times: np.ndarray, reference: np.ndarray) -> Ratio:
    """The median ratio of times (blocks,) to those of a reference in the same blocks."""
    ratios = times / reference
    return Ratio(float(np.median(ratios)), median_interval(ratios))


def unpaired_ratio(times: np.ndarray, reference: np.ndarray) -> Ratio:
    """The ratio of two medians from runs of their own.

    Each median's interval holds it with 97.5 %, so that both do with at least 95 % (Bonferroni).
    """
    (low, high), (reference_low, reference_high) = (median_interval(each, 0.975) for each in (times, reference))
    value = float(np.median(times) / np.median(reference))
    return Ratio(value, (low / reference_high, high / reference_low))


def median_interval(values: np.ndarray, confidence: float = 0.95) -> Tuple[float, float]:
    """An interval that holds the median of what the values (n,) are drawn from, with at least this confidence.

    Its ends are two of the values, equally many steps from the lowest and the highest: how many values lie below the
    median is binomial with p = 1/2 whatever the distribution (Conover, Practical Nonparametric Statistics, 3.2). Of
    fewer values than such a confidence needs (6 for 95 %), it is from the lowest to the highest.
    """
    ordered = np.sort(values)
    count, steps = len(ordered), 0
    probability = below = 0.5**count  # of a value's count below the median being `steps`; being that or less
    while 2 * below <= 1 - confidence:
        steps += 1
        probability *= (count - steps + 1) / steps
        below += probability
    outside = max(0, steps - 1)
    return float(ordered[outside]), float(ordered[count - 1 - outside])
