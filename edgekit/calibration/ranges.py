"""From statistics to ranges: which part of a tensor's values its 256 steps shall cover."""

import json
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edgekit.calibration.histogram import Histogram
from edgekit.calibration.observe import TAILS, Ends, Observations, Statistics
from edgekit.errors import DataError, UsageError
from edgekit.files import read_text, write_text
from edgekit.memory import check_room_for_scipy

Bounds = tuple[float, float]

FORMAT = "edgekit-ranges"
#: Into how many equal parts each side of a range is cut where the best cut is sought.
CUTS = 64
#: Steps of an 8-bit range.
LEVELS = 256
#: Stands for no occurrence where a logarithm is taken.
_RARE = 1e-3
#: Just within float32: what lies beyond could not be stored.
_LARGEST = 3.4e38


@dataclass(frozen=True)
class Ranges:
    """The range of every float activation of one model.

    Attributes:
      bounds: tensor name → (low, high) in the tensor's own units.
      method: name of the method that chose them, a key of METHODS.
      images: how many images they were chosen on.
      digest: sha256 over these images' pixels.
    """

    bounds: Mapping[str, Bounds]
    method: str
    images: int
    digest: str


def min_max(statistics: Statistics) -> Bounds:
    """The true extremes over all images: nothing is clipped, outliers cost resolution."""
    return _bounds_at(statistics.outermost_tails, 0)


def mean_extremes(statistics: Statistics) -> Bounds:
    """The mean over the images of each one's extremes: what only a few images reach is clipped."""
    return _bounds_at(statistics.tails, 0)


def percentile(statistics: Statistics) -> Bounds:
    """The mean over the images of what each leaves 0.05 % of its values beyond, on each side."""
    return _bounds_at(statistics.tails, TAILS.index(0.0005))


def least_squares(statistics: Statistics) -> Bounds:
    """The range with the least mean squared error of rounding (step² / 12) and clipping together."""
    centres, counts = statistics.histogram.centres, statistics.histogram.counts.astype(np.float64)
    low, high = statistics.extremes
    shares = np.linspace(1.0, 0.0, CUTS, endpoint=False)
    below = np.square(np.minimum(centres - low * shares[:, None], 0)) @ counts
    above = np.square(np.maximum(centres - high * shares[:, None], 0)) @ counts
    steps = (high * shares[None, :] - low * shares[:, None]) / 255
    errors = below[:, None] + above[None, :] + np.square(steps) / 12 * counts.sum()
    at_low, at_high = np.unravel_index(errors.argmin(), errors.shape)
    return float(low * shares[at_low]), float(high * shares[at_high])


def kl_divergence(statistics: Statistics) -> Bounds:
    """The range whose 256 steps keep the values' distribution best, by the Kullback-Leibler divergence.

    Both sides are cut by the same part, and never to less than 256 bins, which steps would hold without any loss
    (S. Migacz, «8-bit inference with TensorRT», GTC 2017).
    """
    low, high = statistics.extremes
    counted, shares = statistics.histogram, np.linspace(1.0, 0.0, CUTS, endpoint=False)
    cuts = [(low * share, high * share) for share in shares if (high - low) * share >= LEVELS * counted.width]
    return min(cuts, key=lambda cut: _divergence(counted, *cut), default=(low, high))


def _divergence(counted: Histogram, low: float, high: float) -> float:
    """How far the values, cut to [low, high], are from what 256 steps make of those that are not cut."""
    check_room_for_scipy()
    from scipy.special import rel_entr

    inside = (counted.centres > low) & (counted.centres < high)
    kept = counted.counts[inside].astype(np.float64)
    if not kept.any():
        return math.inf
    cut = kept.copy()
    cut[0] += counted.counts[counted.centres <= low].sum()
    cut[-1] += counted.counts[counted.centres >= high].sum()
    level = ((counted.centres[inside] - low) * (LEVELS / (high - low))).astype(int)
    # A level's values are spread over those of its bins that had any.
    spread = np.bincount(level, kept, LEVELS) / np.maximum(np.bincount(level, kept > 0, LEVELS), 1)
    rounded = np.maximum(spread[level] * (kept > 0), _RARE)
    return float(rel_entr(cut / cut.sum(), rounded / rounded.sum()).sum())


def _bounds_at(ends: Ends, part: int) -> Bounds:
    return float(ends.low[part]), float(ends.high[part])


#: How to choose a range from a tensor's statistics. A new method is a function and a row here.
METHODS: Mapping[str, Callable[[Statistics], Bounds]] = {
    "minmax": min_max,
    "mean": mean_extremes,
    "percentile": percentile,
    "mse": least_squares,
    "kl": kl_divergence,
}


def choose_ranges(
    observations: Observations, method: str = "minmax", *, unclipped: Collection[str] = frozenset()
) -> Ranges:
    """Applies one method of METHODS to every tensor.

    Args:
      unclipped: tensors that keep their true extremes whatever the method, since the largest value is what counts.

    Raises:
      UsageError: there is no such method.
    """
    if method not in METHODS:
        raise UsageError(f"There is no range method {method!r}.", f"Choose one of: {', '.join(METHODS)}.")
    bounds = {
        name: min_max(statistics) if name in unclipped else METHODS[method](statistics)
        for name, statistics in observations.tensors.items()
    }
    return Ranges(bounds, method, observations.images, observations.digest)


def limited(ranges: Ranges, limits: Mapping[str, Bounds]) -> Ranges:
    """The ranges, cut to what the limits allow for the tensors they name."""
    bounds = dict(ranges.bounds)
    for name, (lowest, highest) in limits.items():
        low, high = bounds[name]
        bounds[name] = min(max(low, lowest), highest), max(min(high, highest), lowest)
    return replace(ranges, bounds=bounds)


def widened(ranges: Ranges, margins: Mapping[str, Bounds]) -> Ranges:
    """The ranges, with the ends that the margins ask for at least, for the tensors they name."""
    bounds = dict(ranges.bounds)
    for name, (lowest, highest) in margins.items():
        low, high = bounds[name]
        bounds[name] = min(low, lowest), max(high, highest)
    return replace(ranges, bounds=bounds)


def save_ranges(ranges: Ranges, path: str | Path) -> None:
    """Writes ranges as JSON that people can edit and `load_ranges` reads back exactly.

    Raises:
      OutputError: the file cannot be written.
    """
    document = {
        "format": FORMAT,
        "method": ranges.method,
        "images": ranges.images,
        "digest": ranges.digest,
        "bounds": {name: list(bounds) for name, bounds in ranges.bounds.items()},
    }
    write_text(path, json.dumps(document, indent=1))


def load_ranges(path: str | Path) -> Ranges:
    """Reads ranges that `save_ranges` wrote, by hand edited or not.

    Raises:
      DataError: no such file, no ranges in it, or a bound that is not a finite pair in order.
    """
    try:
        document = json.loads(read_text(path))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"No ranges can be read from {path}: {_reason(error)}.") from error
    if (
        not isinstance(document, dict)
        or document.get("format") != FORMAT
        or not isinstance(document.get("bounds"), dict)
    ):
        raise DataError(f"{path} holds no ranges.", "Write them with: edgekit convert … --save-ranges FILE.json")
    bounds = {name: _bounds(path, name, value) for name, value in document["bounds"].items()}
    images = document.get("images")
    return Ranges(
        bounds,
        method=str(document.get("method")),
        images=images if isinstance(images, int) else 0,
        digest=str(document.get("digest")),
    )


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or "it is not JSON"


def _bounds(path: str | Path, name: str, value: object) -> Bounds:
    pair = value if isinstance(value, list) and len(value) == 2 else []
    if not all(isinstance(v, (int, float)) and abs(v) <= _LARGEST for v in pair) or not pair or pair[0] > pair[1]:
        raise DataError(f"{path}: the range of tensor {name!r} is not a pair [low, high] of finite numbers in order.")
    return float(pair[0]), float(pair[1])
