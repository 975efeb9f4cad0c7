"""Intervals of proportions."""

import math

#: 97.5 % point of the normal distribution: the half-width of a 95 % interval in standard deviations.
Z95 = 1.959963984540054


def wilson_interval(successes: int, trials: int, z: float = Z95) -> tuple[float, float]:
    """Confidence interval of a proportion (E. B. Wilson, J. Am. Stat. Assoc. 22, 1927).

    Raises ValueError where `trials` is not positive.
    """
    if trials <= 0:
        raise ValueError("an interval needs at least one image")
    rate, spread = successes / trials, z * z / trials
    centre = (rate + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(rate * (1 - rate) / trials + spread / (4 * trials))
    return max(0.0, centre - half), min(1.0, centre + half)
