"""What a tensor took on, in few enough numbers to be shown, and how well a range fits it."""

import math
from dataclasses import dataclass

import numpy as np

from edgekit.calibration.histogram import SIDE_BINS, Histogram
from edgekit.calibration.observe import Observations
from edgekit.calibration.ranges import LEVELS, Bounds, Ranges
from edgekit.tflite.graph import Graph, Tensor
from edgekit.tflite.names import is_scaled_swish

#: The most bins of a distribution: as many as can be told apart in a small chart.
BINS = 40


@dataclass(frozen=True)
class Distribution:
    """A histogram of few bins.

    Attributes:
      first: lower end of the first bin, in the tensor's unit.
      width: of each bin, a power of two.
      counts: of the values in each bin; the first and the last are not empty.
    """

    first: float
    width: float
    counts: tuple[int, ...]

    def to_json(self) -> dict[str, object]:
        """The one JSON schema of a distribution."""
        return {"first": self.first, "width": self.width, "counts": list(self.counts)}


NO_VALUES = Distribution(0.0, 1.0, ())


@dataclass(frozen=True)
class RangeFit:
    """A tensor's range beside what the tensor took on in calibration.

    Attributes:
      tensor: its name in the float model.
      low, high: the range.
      clipped: part of the values beyond it, 0–1.
      sqnr_db: signal to quantization noise ratio that the range alone gives the tensor: its steps' rounding
        (step² / 12) and what it clips.
      distribution: of the values.
    """

    tensor: str
    low: float
    high: float
    clipped: float
    sqnr_db: float
    distribution: Distribution

    def to_json(self) -> dict[str, object]:
        """The one JSON schema of a fit."""
        return {
            "tensor": self.tensor,
            "low": self.low,
            "high": self.high,
            "clipped": self.clipped,
            "sqnr_db": round(self.sqnr_db, 2),
            "distribution": self.distribution.to_json(),
        }


def distribution(seen: Histogram, most: int = BINS) -> Distribution:
    """The histogram in at most so many bins, as many of the old ones in each as are needed."""
    filled = np.flatnonzero(seen.counts)
    if not filled.size:
        return NO_VALUES
    first, last = int(filled[0]) - SIDE_BINS, int(filled[-1]) - SIDE_BINS
    merged = 1
    while last // merged - first // merged >= most:
        merged *= 2
    places = np.arange(first, last + 1) // merged - first // merged
    counts = np.bincount(places, seen.counts[filled[0] : filled[-1] + 1])
    return Distribution(first // merged * merged * seen.width, merged * seen.width, tuple(map(int, counts)))


def worst_fits(graph: Graph, observations: Observations, ranges: Ranges, most: int = 9) -> tuple[RangeFit, ...]:
    """The tensors whose ranges alone leave the least SQNR, the worst first.

    Left out are tensors that are zero throughout, and those that are clipped on purpose: a split swish's scaled factor,
    and what sigmoids alone read, which are flat beyond the range.

    Args:
      graph: the float model that was observed.
    """
    flat = {tensor.name for tensor in graph.tensors if _read_by(graph, tensor) == {"LOGISTIC"}}
    fits = [
        _fit(name, seen.histogram, ranges.bounds[name])
        for name, seen in observations.tensors.items()
        if name in ranges.bounds and name not in flat and not is_scaled_swish(name)
    ]
    known = [fit for fit in fits if math.isfinite(fit.sqnr_db)]
    return tuple(sorted(known, key=lambda fit: (fit.sqnr_db, fit.tensor))[:most])


def _read_by(graph: Graph, tensor: Tensor) -> set[str]:
    return {op.opcode for op in graph.consumers(tensor.index)}


def _fit(name: str, seen: Histogram, bounds: Bounds) -> RangeFit:
    low, high = min(bounds[0], 0.0), max(bounds[1], 0.0)  # zero has a step of its own
    total = int(seen.counts.sum())
    beyond = seen.centres - np.clip(seen.centres, low, high)
    noise = _power(seen, beyond) + total * ((high - low) / (LEVELS - 1)) ** 2 / 12
    signal = _power(seen, seen.centres)
    ratio = 10 * math.log10(signal / noise) if high > low and signal > 0 else math.inf
    clipped = float(seen.counts[np.abs(beyond) > seen.width].sum() / total) if total else 0.0
    return RangeFit(name, float(bounds[0]), float(bounds[1]), clipped, ratio, distribution(seen))


def _power(seen: Histogram, values: np.ndarray) -> float:
    return float(np.square(values) @ seen.counts)
