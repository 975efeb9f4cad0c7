"""Which preprocessing is right, by how often a model is right on labelled images under each."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from edgekit.calibration.class_matching import Matching, match_samples
from edgekit.calibration.samples import Sample, Samples
from edgekit.converters.sources.source import Source
from edgekit.evaluation.plausibility import plausibility
from edgekit.evaluation.verdict import decide
from edgekit.memory import check_room_for_scipy

#: Labelled images looked at. A lead of 98.5 % over 94.5 % is significant on 200 of them, not on 100.
IMAGES = 200
#: How often chance alone may put the wrong convention so far ahead of the right one.
SIGNIFICANCE = 0.05
#: On so many, conventions between which they do not decide differ by little.
MANY = 100
#: Images that the model is run on at once.
_BATCH = 16


@dataclass(frozen=True)
class Contest:
    """How often a model is right under each of some conventions.

    Attributes:
      shares: convention → share of the images that the model is right on, the highest first.
      images: how many there are.
      better: whether under the first it is better than guessing.
      leads: whether the first leads by more than chance explains.
    """

    shares: Mapping[str, float]
    images: int
    better: bool
    leads: bool

    @property
    def best(self) -> str:
        """The convention under which the model is right most often."""
        return next(iter(self.shares))

    @property
    def clear(self) -> bool:
        """Whether chance explains neither that the model is right nor that the first leads."""
        return self.better and self.leads

    @property
    def settles(self) -> bool:
        """Whether the first may be taken: it leads, or the images are many, so that the next is nearly as good."""
        return self.better and (self.leads or self.images >= MANY)

    def __str__(self) -> str:
        told = [f"{name} {share:.1%}" for name, share in islice(self.shares.items(), 3)]
        return f"right on {self.images} labelled images: {', '.join(told)}"


def by_labels(source: Source, samples: Samples, conventions: Sequence[str]) -> Contest | None:
    """Classifies labelled images under each of several conventions; None where the labels are not the model's."""
    matching = match_samples(samples, source.labels, source.classes)
    labelled = [sample for sample in islice(samples, IMAGES) if sample.label is not None]
    if not matching.ways or not labelled:
        return None
    labels = [sample.label or 0 for sample in labelled]
    pairs = {name: _pairs(labels, list(_answers(source, name, labelled)), matching) for name in conventions}
    right = {name: np.array([truth == answer for truth, answer in pairs[name]]) for name in conventions}
    ranked = sorted(conventions, key=lambda name: -right[name].sum())
    found = plausibility(pairs[ranked[0]], source.classes)
    shares = {name: float(right[name].mean()) for name in ranked}
    leads = all(_leads(right[ranked[0]], right[name]) for name in ranked[1:])
    return Contest(shares, len(labels), better=found is not None and not found.at_chance, leads=leads)


def _pairs(labels: Sequence[int], answers: Sequence[int], matching: Matching) -> list[tuple[int, int]]:
    """(the output that is right, the output that was named) for each image."""
    way = matching.settle(zip(labels, answers, strict=True))
    return [(way.outputs[label], answer) for label, answer in zip(labels, answers, strict=True)] if way else []


def _answers(source: Source, convention: str, images: Sequence[Sample]) -> Iterator[int]:
    """The output that the model names for each image under a convention."""
    spec = source.spec.with_convention(convention)
    for first in range(0, len(images), _BATCH):
        batch = np.concatenate([image.input(spec) for image in images[first : first + _BATCH]])
        yield from (decide(scores, source.output) for scores in source.predict(batch))


def _leads(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether the first is right more often than chance explains, by the sign test on where the two differ."""
    check_room_for_scipy()
    from scipy.stats import binomtest

    wins, losses = int(np.sum(first & ~second)), int(np.sum(second & ~first))
    return wins > losses and bool(binomtest(wins, wins + losses).pvalue < SIGNIFICANCE)
