"""Whether an accuracy can be believed, from the classes of images and what a model named them.

An accuracy that guessing reaches, or one that another order of the outputs would multiply, tells of a mistake in the
set-up (preprocessing, labels, the wrong model or images) and nothing of the model.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from edgekit.evaluation.intervals import wilson_interval

#: Part of the images that must be right in another order of the outputs before that order is the likelier one.
PLAUSIBLE = 0.5


@dataclass(frozen=True)
class Plausibility:
    """An accuracy beside what guessing, and what another order of the outputs, would reach.

    Attributes:
      right, images: how many images were named rightly, of how many.
      guessing: part that would be right if the answers had nothing to do with the classes, 0–1 (the agreement by
        chance of J. Cohen, Educ. Psychol. Meas. 20, 1960); for images of one class, one in the number of outputs.
      reordered: part that is right if each class is given an output of its own, those first that were named most.
      classes: how many classes there are images of.
    """

    right: int
    images: int
    guessing: float
    reordered: float
    classes: int

    @property
    def at_chance(self) -> bool:
        """Whether the accuracy is not clearly above what guessing reaches."""
        return wilson_interval(self.right, self.images)[0] <= self.guessing

    @property
    def misordered(self) -> bool:
        """Whether the outputs seem to be in another order than the classes were matched in."""
        best = round(self.reordered * self.images)
        clearly = wilson_interval(best, self.images)[0] > wilson_interval(self.right, self.images)[1]
        return clearly and self.reordered >= PLAUSIBLE and self.images >= 2 * self.classes


def plausibility(pairs: Sequence[tuple[int, int]], outputs: int) -> Plausibility | None:
    """Judges an accuracy; None without images.

    Args:
      pairs: (the image's class as an output, the output that was named) for each image.
      outputs: how many outputs the model has.
    """
    if not pairs:
        return None
    total = len(pairs)
    truths, answers = Counter(truth for truth, _ in pairs), Counter(answer for _, answer in pairs)
    chance = sum(count * answers[output] for output, count in truths.items()) / total**2
    return Plausibility(
        right=sum(truth == answer for truth, answer in pairs),
        images=total,
        guessing=chance if len(truths) > 1 else 1 / max(2, outputs),
        reordered=_reordered(pairs) / total,
        classes=len(truths),
    )


def _reordered(pairs: Sequence[tuple[int, int]]) -> int:
    """How many are right if classes take outputs of their own, the most frequent pair first."""
    given: dict[int, int] = {}
    right = 0
    for (truth, answer), count in Counter(pairs).most_common():
        if truth not in given and answer not in given.values():
            given[truth] = answer
            right += count
    return right


def alarms(found: Plausibility | None, whose: str) -> tuple[str, ...]:
    """What is wrong, in sentences, each with what to check; () where nothing is.

    Args:
      found: from `plausibility`.
      whose: the model, such as "The float model".
    """
    if found is None:
        return ()
    top1 = f"{whose} is right on {100 * found.right / found.images:.1f} % of {found.images} images"
    if found.misordered:
        return (
            f"{top1}, and on {100 * found.reordered:.1f} % if its outputs are in another order than the classes: "
            "check the order of --labels, or give one.",
        )
    if found.at_chance:
        return (
            f"{top1}, which guessing reaches too ({100 * found.guessing:.1f} %): check --preprocess, the labels, "
            "and that these images are of the model's classes.",
        )
    return ()
