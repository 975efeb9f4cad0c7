"""Representative data, what a model's tensors take on over it, and the ranges chosen from that."""

from edgekit.calibration.observe import Observations, Statistics, observe
from edgekit.calibration.ranges import (
    METHODS,
    Bounds,
    Ranges,
    choose_ranges,
    limited,
    load_ranges,
    save_ranges,
    widened,
)
from edgekit.calibration.samples import Sample, Samples, open_samples

__all__ = [
    "Bounds",
    "METHODS",
    "Observations",
    "Ranges",
    "Sample",
    "Samples",
    "Statistics",
    "choose_ranges",
    "limited",
    "load_ranges",
    "observe",
    "open_samples",
    "save_ranges",
    "widened",
]
