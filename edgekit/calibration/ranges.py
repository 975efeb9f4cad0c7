"""From statistics to ranges: which part of a tensor's values its 256 steps shall cover."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from edgekit.calibration.observe import Observations, Statistics
from edgekit.errors import DataError, UsageError
from edgekit.files import write_text

Bounds = tuple[float, float]

FORMAT = "edgekit-ranges"


@dataclass(frozen=True)
class Ranges:
    """The range of every float activation of one model.

    Attributes:
      bounds: tensor name → (low, high) in the tensor's own units.
      method: name of the method that chose them, a key of METHODS.
      pictures: how many pictures they were chosen on.
      digest: sha256 over these pictures' pixels.
    """

    bounds: Mapping[str, Bounds]
    method: str
    pictures: int
    digest: str


def min_max(statistics: Statistics) -> Bounds:
    """The true extremes over all pictures: nothing is clipped, outliers cost resolution."""
    return float(statistics.low.min()), float(statistics.high.max())


#: How to choose a range from a tensor's statistics. A new method is a function and a row here.
METHODS: Mapping[str, Callable[[Statistics], Bounds]] = {
    "minmax": min_max,
}


def choose_ranges(observations: Observations, method: str = "minmax") -> Ranges:
    """Applies one method of METHODS to every tensor.

    Raises:
      UsageError: there is no such method.
    """
    if method not in METHODS:
        raise UsageError(f"There is no range method {method!r}.", f"Choose one of: {', '.join(METHODS)}.")
    bounds = {name: METHODS[method](statistics) for name, statistics in observations.tensors.items()}
    return Ranges(bounds, method, observations.pictures, observations.digest)


def save_ranges(ranges: Ranges, path: str | Path) -> None:
    """Writes ranges as JSON that people can edit and `load_ranges` reads back exactly.

    Raises:
      OutputError: the file cannot be written.
    """
    document = {
        "format": FORMAT,
        "method": ranges.method,
        "pictures": ranges.pictures,
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
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"No ranges can be read from {path}: {_reason(error)}.") from error
    if (
        not isinstance(document, dict)
        or document.get("format") != FORMAT
        or not isinstance(document.get("bounds"), dict)
    ):
        raise DataError(f"{path} holds no ranges.", "Write them with: edgekit convert … --save-ranges FILE.json")
    bounds = {name: _bounds(path, name, value) for name, value in document["bounds"].items()}
    return Ranges(bounds, str(document.get("method")), int(document.get("pictures", 0)), str(document.get("digest")))


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or "it is not JSON"


def _bounds(path: str | Path, name: str, value: object) -> Bounds:
    pair = value if isinstance(value, list) and len(value) == 2 else []
    if not all(isinstance(v, (int, float)) and math.isfinite(v) for v in pair) or not pair or pair[0] > pair[1]:
        raise DataError(f"{path}: the range of tensor {name!r} is not a pair [low, high] of finite numbers in order.")
    return float(pair[0]), float(pair[1])
