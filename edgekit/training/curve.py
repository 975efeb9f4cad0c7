"""The learning curve: how top-1 grows with the number of images, and what twice as many would bring about.

The error is taken to fall as a power of the number of images, which is what learning curves of many tasks do within the
range where they were measured (J. Hestness et al., arXiv 1712.00409, 2017). The exponent comes from heads fitted on
an eighth, a quarter and half of the images; how sure it is comes from drawing the judged images anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgekit.evaluation.intervals import wilson_interval
from edgekit.progress import Progress, silent
from edgekit.training.probe import MOST_CLASSES, Choice, Training, fit_head, step_count

_PARTS = (0.125, 0.25, 0.5)
_REPEATS = 3
_FEWEST_EACH = 2
_DRAWS = 1000


@dataclass(frozen=True)
class Point:
    """One size of training set.

    Attributes:
      images: how many images were trained on.
      top1: part of the images kept aside that were named rightly, 0–1, averaged over draws of the training images.
      interval: its 95 % Wilson interval.
    """

    images: int
    top1: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class Extrapolation:
    """What twice as many images would bring about.

    Attributes:
      images: twice as many.
      top1: what the curve says, 0–1.
      interval: 95 % interval of that, from drawing the judged images anew; what the curve's form leaves out is not
        in it.
    """

    images: int
    top1: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class Curve:
    """The learning curve.

    Attributes:
      points: by number of images, all of them last.
      doubled: what twice as many would bring about; None where there are too few points to say.
    """

    points: tuple[Point, ...]
    doubled: Extrapolation | None


def learning_curve(
    given: Training,
    choice: Choice,
    judged: tuple[np.ndarray, np.ndarray],
    right: np.ndarray,
    *,
    seed: int = 0,
    progress: Progress = silent,
) -> Curve:
    """Fits heads on parts of the images.

    Args:
      given: all images to train on.
      choice: the views and penalty of the head.
      judged: (features (images, features), labels (images,)) of the images kept aside.
      right: bool (images,): which of these the head on all images names rightly.
      seed: of the parts.
    """
    features, labels = judged
    random, sizes, hits = np.random.default_rng(seed), list[int](), list[np.ndarray]()
    counts = np.unique(given.labels, return_counts=True)[1]
    parts = [part for part in _PARTS if part * counts.min() >= _FEWEST_EACH]
    # Of many classes there are many images to judge on, so that one draw says as much as several of few; and as many
    # steps as on all images, not more because the images are fewer: the curve then costs less than the head.
    repeats, steps = _REPEATS if len(counts) <= MOST_CLASSES else 1, step_count(given, choice)
    for number, part in enumerate(parts):
        progress("Learning curve", number, len(parts))
        drawn = [_part(given.labels, part, random) for _ in range(repeats)]
        heads = [fit_head(given.part(images), choice, steps) for images in drawn]
        hits.append(np.mean([head.probabilities(features).argmax(axis=1) == labels for head in heads], axis=0))
        sizes.append(len(drawn[0]))
    sizes.append(len(given.labels))
    hits.append(right.astype(np.float64))
    points = tuple(_point(size, row) for size, row in zip(sizes, hits, strict=True))
    return Curve(points, _doubled(sizes, np.stack(hits), random) if len(points) > 2 else None)


def _part(labels: np.ndarray, part: float, random: np.random.Generator) -> np.ndarray:
    """Indices of that part of each class."""
    starts = np.unique(np.sort(labels), return_index=True)[1][1:]
    groups = (random.permutation(group) for group in np.split(np.argsort(labels, kind="stable"), starts))
    return np.sort(np.concatenate([group[: round(part * len(group))] for group in groups]))


def _point(size: int, hits: np.ndarray) -> Point:
    return Point(size, float(hits.mean()), wilson_interval(round(float(hits.sum())), len(hits)))


def _doubled(sizes: Sequence[int], hits: np.ndarray, random: np.random.Generator) -> Extrapolation:
    drawn = random.integers(0, hits.shape[1], (_DRAWS, hits.shape[1]))
    found = np.array([_extrapolated(sizes, hits[:, images]) for images in drawn])
    low, high = np.quantile(found, [0.025, 0.975]).tolist()
    return Extrapolation(2 * sizes[-1], _extrapolated(sizes, hits), (low, high))


def _extrapolated(sizes: Sequence[int], hits: np.ndarray) -> float:
    """top-1 at twice the last size: the last error times what a doubling made of errors so far."""
    # Half an image more, so that no error at all is no logarithm of zero.
    errors = (hits.shape[1] - hits.sum(axis=1) + 0.5) / (hits.shape[1] + 1)
    slope = float(np.polyfit(np.log2(sizes), np.log2(errors), 1)[0])
    # More images of the same kind do not make a fitted head worse: a rising error is noise.
    return float(1 - (1 - hits[-1].mean()) * 2 ** min(slope, 0.0))
