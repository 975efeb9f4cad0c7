"""Which images a conversion calibrates on, and which it judges its result on."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgekit.calibration import Samples, open_samples
from edgekit.converters.recipe import Recipe
from edgekit.preprocess import InputSpec

Data = str | Path | np.ndarray | Iterable[object] | None

#: Synthetic images to calibrate on; more of them widen the ranges without showing anything new.
SYNTHETIC = 64
#: The most images that are kept aside for the verdict: a fifth of them, or so many of few.
HELD_OUT, OF_FEW = 200, 8
#: How many synthetic images stand in for them.
SYNTHETIC_HELD_OUT = 100
#: A single image says nothing: the verdict is then given on synthetic ones.
FEWEST_HELD_OUT = 2
#: A float model that is right on so large a part of the images has likely seen them in training.
SUSPICIOUS = 0.99


@dataclass(frozen=True)
class JudgedOn:
    """The images that a verdict was given on.

    Attributes:
      kind: "given" with --verify-data, "aside" where they were kept aside from those to calibrate on, "synthetic"
        without images, or "too few" where synthetic ones had to stand in.
      origin: what they came from, without its path.
    """

    kind: str
    origin: str

    def cautions(self, top1: float | None) -> tuple[str, ...]:
        """What the verdict does not show, in sentences.

        Args:
          top1: the float model's accuracy on these images, 0–1; None where it is not known.
        """
        seen = top1 is not None and top1 >= SUSPICIOUS
        told = [_ABOUT[self.kind].format(origin=self.origin)] if self.kind in _ABOUT else []
        if seen and self.kind == "given":
            told += [f"{_PERFECT}: if they were used in training, new ones give less"]
        elif seen and self.kind == "aside":
            told += [f"{_PERFECT}: on images of training that says nothing about new ones"]
        return tuple(told)


_PERFECT = "the float model is right on 99 % of these images or more"
_ABOUT = {
    "aside": "on images kept aside from {origin}: if the model was trained on these, it is right less often on new "
    "ones; judge it on others with --verify-data",
    "synthetic": "on synthetic images, which show how well ranges fit and no more: of 10 models 4 agreed more on "
    "photographs, 6 less; judge it on your own with --verify-data",
    "too few": "on synthetic images, since {origin} has too few to keep some aside; judge it on your own with "
    "--verify-data",
}


def choose_images(
    data: Data, verify_data: Data, spec: InputSpec, recipe: Recipe, *, verify: bool
) -> tuple[Samples, Samples, JudgedOn]:
    """(images to calibrate on, images to judge on, what the latter are); without `verify_data` none is in both.

    Raises DataError, UsageError as `open_samples` does.
    """
    calibration, aside = _calibration(data, spec, recipe, keep_aside=verify and verify_data is None)
    if verify_data is not None:
        given = open_samples(verify_data, spec, count=None, seed=recipe.seed)
        return calibration, given, JudgedOn("given", given.origin)
    if aside is not None:
        return calibration, aside, JudgedOn("aside", aside.origin)
    others = open_samples(None, spec, count=SYNTHETIC_HELD_OUT, seed=recipe.seed + 1)
    return calibration, others, JudgedOn("synthetic" if data is None else "too few", calibration.origin)


def _calibration(data: Data, spec: InputSpec, recipe: Recipe, *, keep_aside: bool) -> tuple[Samples, Samples | None]:
    if data is None:
        return open_samples(None, spec, count=min(SYNTHETIC, recipe.samples), seed=recipe.seed), None
    given = open_samples(data, spec, count=recipe.samples + HELD_OUT, seed=recipe.seed)
    few = min(OF_FEW, given.count // 2)
    aside = min(HELD_OUT, max(given.count // 5, given.count - recipe.samples, few)) if keep_aside else 0
    if aside < FEWEST_HELD_OUT:
        return given.take(recipe.samples), None
    calibration, held_out = given.split(given.count - aside)
    return calibration.take(recipe.samples), held_out
