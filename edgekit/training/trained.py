"""What a training made and found."""

from dataclasses import dataclass, field

from edgekit.converters import Conversion
from edgekit.evaluation.accuracy import Evaluation
from edgekit.preprocess import InputSpec
from edgekit.training.curve import Curve
from edgekit.training.dataset import Dataset
from edgekit.training.finetuning.finetune import Tuned, way
from edgekit.training.probe import Choice


@dataclass(frozen=True)
class Trained:
    """What a training made and found.

    Attributes:
      conversion: the int8 model with its verdict against the float one, on images that trained nothing.
      floating: the float model as `.tflite` bytes.
      dataset: what it was trained and judged on.
      choice: the views and penalty, and what cross-validation said.
      top1: of the float model on the images kept aside, 0–1.
      interval: its 95 % Wilson interval.
      int8: the int8 model on the same images: by class, and what it confuses.
      spec: the preprocessing of `floating`.
      curve: top-1 by number of images.
      seconds: that it took.
      tuned: what fine-tuning came to; None where it was not asked for.
    """

    conversion: Conversion
    floating: bytes = field(repr=False)
    dataset: Dataset
    choice: Choice
    top1: float
    interval: tuple[float, float]
    int8: Evaluation
    spec: InputSpec
    curve: Curve
    seconds: float
    tuned: Tuned | None = None

    @property
    def way(self) -> str:
        """How it was trained: "probe" or "finetune"."""
        return way(self.tuned)

    @property
    def expected(self) -> float:
        """Part of the images to train on that was named rightly while it was kept aside, 0–1, or NaN."""
        return self.tuned.top1 if self.tuned and self.tuned.kept else self.choice.accuracy

    @property
    def alarms(self) -> tuple[str, ...]:
        """What makes the figures doubtful, in sentences."""
        expected, (low, high) = self.expected, self.interval
        if expected > high:
            return (
                f"cross-validation named {expected:.1%} of the images to train on rightly: those to judge on are of "
                "another kind, or many of those to train on show the same scene",
            )
        if expected < low:
            return (
                f"cross-validation named only {expected:.1%} of the images to train on rightly: those to judge on are "
                "easier, or copies of them in other sizes were trained on",
            )
        return ()
