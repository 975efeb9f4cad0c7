"""Exponential smoothing of scores over frames."""

from typing import Dict, Tuple

from edgekit.devices import ClassScore


class Smoother:
    """Mixes each frame's scores with those before: `past * old + (1 - past) * new`.

    A class that a frame does not name counts as 0 there, so that the scores are at most what they would be
    with all classes at hand.
    """

    def __init__(self, past: float) -> None:
        """`past`: the share of what was before, from 0 (no smoothing) to less than 1."""
        self._past = past
        self._scores: Dict[int, ClassScore] = {}

    def __call__(self, classes: Tuple[ClassScore, ...]) -> Tuple[ClassScore, ...]:
        """The smoothed classes, best first, as many as the frame names."""
        if not self._past:
            return classes
        if not self._scores:  # the first frame stands for all before it
            self._scores = {best.index: best for best in classes}
        new = {best.index: best for best in classes}
        mixed = (self._mixed(best, new) for best in {**self._scores, **new}.values())
        self._scores = {best.index: best for best in mixed if best.score > 1e-4}
        ranked = sorted(self._scores.values(), key=lambda best: (-best.score, best.index))
        return tuple(ranked[: len(classes)])

    def _mixed(self, best: ClassScore, new: Dict[int, ClassScore]) -> ClassScore:
        before, now = (scores[best.index].score if best.index in scores else 0.0 for scores in (self._scores, new))
        return ClassScore(best.index, best.label, self._past * before + (1 - self._past) * now)
