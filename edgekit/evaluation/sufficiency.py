"""Is the calibration set enough? Resampled from the statistics of its single images, without running the model again.

Half of the images is drawn again and again, and the ranges that this half gives are compared with those of all. For
means over images the mean square of that difference is the standard error of all images' mean (drawing n/2 of n
without replacement); for extremes it is how much the last doubling of the set moved them.

How often int8 models calibrated on two halves agree is no measure of it: their rounding differs whatever the number of
images. On Lite0, halves of 4, 12 and 50 images agreed on 100, 99.5 and 98.5 % of 200 others, on a B0 halves of 8,
25 and 100 on 98.5, 98.5 and 96.5 %.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgekit.calibration.observe import TAILS, Observations

#: Part of a range by which it may move. A range 5 % wider has steps 5 % larger, 0.4 dB more of rounding noise.
TOLERANCE = 0.05
#: How often half of the images is drawn.
ROUNDS = 64
#: A class is worth more images where it holds so many times its share of the outermost values, and
#: an image is worth others of its kind where it alone holds so large a part of them.
EXCESS, ALONE = 2.0, 0.1
#: Fewer images than this cannot be resampled.
FEWEST = 4


@dataclass(frozen=True)
class Sufficiency:
    """Whether more images would change the ranges.

    Attributes:
      images: how many there were.
      copies: how many of them are the same as another one to the model; they are left out of what follows.
      missing: what the set has no image of, in words; "" where nothing is known to be missing.
      movement: by what part of itself the middle tensor's range moves with another such set of images; tensors
        whose range is fixed, as by a ReLU6, are left out.
      worst: the same for the tensor at the 95th percentile.
      enough: whether `movement` is within TOLERANCE.
      add: about how many more images would bring it there; 0 where it is, and for "minmax", which
        more images widen further.
      classes: names of the classes that set more of the extremes than is their share, the foremost first.
      kinds: names of images that alone set a large part of the extremes.
    """

    images: int
    movement: float
    worst: float
    enough: bool
    add: int
    classes: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    copies: int = 0
    missing: str = ""

    def __str__(self) -> str:
        moved = f"another {self.images} such images would move ranges by {self.movement:.1%} of their width"
        copies = f"{self.copies} of {self.images} images are copies of others" if self.copies else ""
        if self.enough:
            return f"enough: {moved}" + (f" ({copies})" if copies else "")
        if self.missing or 2 * self.copies > self.images:
            return f"not enough: {', and '.join(filter(None, (self.missing, copies)))}; {moved}"
        if not self.add:
            return f"extremes, which more images widen further (--ranges percentile settles): {moved}"
        names = ", ".join(self.classes) or ", ".join(f"like {name}" for name in self.kinds)
        return f"add about {self.add}{f', above all {names}' if names else ''}: {moved}"


def sufficiency(
    observations: Observations,
    method: str,
    class_names: Sequence[str] = (),
    *,
    outputs: int | None = None,
    seed: int = 0,
) -> Sufficiency | None:
    """Whether the images that were observed are enough for a range method.

    Args:
      observations: from `observe`.
      method: a range method; those that are not plain means or extremes are judged as "percentile".
      class_names: of the samples that were observed.
      outputs: how many classes the model tells apart, where classes that are missing are to be told.
      seed: of the drawing of halves.

    Returns:
      None with fewer than FEWEST images.
    """
    if observations.images < FEWEST:
        return None
    ends, kept = _ends(observations, method), _distinct(observations)
    copies, missing = observations.images - len(kept), _missing(observations, class_names, outputs)
    # Too few to resample are resampled with their copies; that is told.
    ends = ends[kept] if len(kept) >= FEWEST else ends
    moves = np.sqrt(np.mean([np.square(move) for move in _moves(ends, method, seed)], axis=0))
    middle, worst = (float(np.quantile(moves[moves > 0], part)) if moves.any() else 0.0 for part in (0.5, 0.95))
    # The error of a mean shrinks with the square root of the number of images; extremes follow no such rule.
    wanted = 0.0 if method == "minmax" else observations.images * (middle / TOLERANCE) ** 2
    holders = _holders(_ends(observations, method))
    return Sufficiency(
        images=observations.images,
        movement=middle,
        worst=worst,
        enough=middle <= TOLERANCE and not missing and 2 * copies <= observations.images,
        add=_about(wanted - observations.images) if wanted > observations.images else 0,
        classes=_classes(holders, observations.labels, class_names),
        kinds=tuple(observations.names[p] for p, n in holders.most_common(3) if n >= ALONE * holders.total()),
        copies=copies,
        missing=missing,
    )


def _distinct(observations: Observations) -> list[int]:
    """The first of each of the images that are not alike in every tensor."""
    rows = observations.each.reshape(observations.images, -1)
    return sorted(np.unique(rows, axis=0, return_index=True)[1].tolist())


def _missing(observations: Observations, class_names: Sequence[str], outputs: int | None) -> str:
    """Classes without an image, in a set that is large enough to have two of each; "" where there are none."""
    seen = {label for label in observations.labels if label is not None}
    wanted = max(len(class_names), 2, outputs or 0)
    few = observations.images < 2 * wanted and len(seen) > 1
    if not seen or outputs is None or len(seen) >= wanted or few:
        return ""
    unseen = [name for label, name in enumerate(class_names) if label not in seen]
    if unseen:
        return f"there is no image of {', '.join(unseen[:3])}{' …' if len(unseen) > 3 else ''}"
    return f"there are images of {len(seen)} of the model's {wanted} classes"


def _ends(observations: Observations, method: str) -> np.ndarray:
    """float64 (images, tensors, 2): each image's lower and upper end of each tensor, as the method sees them."""
    level = 0 if method in ("minmax", "mean") else TAILS.index(0.0005)
    ends: np.ndarray = observations.each[..., level].astype(np.float64)
    return ends


def _bounds(ends: np.ndarray, method: str) -> np.ndarray:
    """(tensors, 2): what the method makes of the images' ends."""
    if method == "minmax":
        return np.stack([ends[..., 0].min(axis=0), ends[..., 1].max(axis=0)], axis=-1)
    means: np.ndarray = ends.mean(axis=0)
    return means


def _moves(ends: np.ndarray, method: str, seed: int) -> list[np.ndarray]:
    """(tensors,) for each round: by what part of its width a range moves, at the end that moves more."""
    random, bounds = np.random.default_rng(seed), _bounds(ends, method)
    widths = np.maximum(bounds[:, 1] - bounds[:, 0], np.finfo(np.float32).tiny)
    halves = (random.permutation(len(ends))[: len(ends) // 2] for _ in range(ROUNDS))
    return [np.abs(_bounds(ends[half], method) - bounds).max(axis=1) / widths for half in halves]


def _holders(ends: np.ndarray) -> "Counter[int]":
    """Image → how many tensors' lowest or highest value it holds; ends that all images share count for none."""
    lowest, highest = ends[..., 0].argmin(axis=0), ends[..., 1].argmax(axis=0)
    spread = np.ptp(ends, axis=0) > 0
    return Counter([*lowest[spread[:, 0]].tolist(), *highest[spread[:, 1]].tolist()])


def _classes(holders: "Counter[int]", labels: Sequence[int | None], class_names: Sequence[str]) -> tuple[str, ...]:
    if not class_names:
        return ()
    shares, total = Counter(labels), holders.total()
    held: Counter[int | None] = Counter()
    for image, count in holders.items():
        held[labels[image]] += count
    above = [label for label, count in held.most_common() if count / total > EXCESS * shares[label] / len(labels)]
    return tuple(class_names[label] for label in above if label is not None)[:3]


def _about(number: float) -> int:
    """Rounded up to one figure and a half: 10, 15, 20, …; 100, 150, 200 …."""
    step: int = 5 * 10 ** max(0, math.floor(math.log10(number)) - 1)
    return math.ceil(number / step) * step
