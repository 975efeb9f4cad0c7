"""What a classifier predicts."""

from dataclasses import dataclass
from typing import Iterable, Sequence, Tuple


@dataclass(frozen=True)
class ClassScore:
    """One class and how sure the model is of it.

    Attributes:
      index: the class's place in the model's output.
      label: its name, or `class 12` where the model brings no names.
      score: probability, 0–1.
    """

    index: int
    label: str
    score: float


@dataclass(frozen=True)
class Latency:
    """How long one prediction took, in milliseconds.

    Attributes:
      preprocess: decoding, resizing and scaling the image.
      inference: running the model.
      postprocess: from its output to labels.
    """

    preprocess: float
    inference: float
    postprocess: float

    @property
    def total(self) -> float:
        """All three."""
        return self.preprocess + self.inference + self.postprocess


def spoken(device: str) -> str:
    """A device as people call it: "CPU", "Edge TPU", "Edge TPU usb:1", "emulated Edge TPU"."""
    kind, _, _ = device.partition(":")
    known = {"cpu": "CPU", "edgetpu": "Edge TPU", "emulated": "emulated Edge TPU"}
    return known.get(kind, f"Edge TPU {device}")


@dataclass(frozen=True)
class Prediction:
    """The prediction for one image.

    Attributes:
      classes: the best classes, best first.
      device: where it was computed: "cpu", "edgetpu", "usb:1", "emulated".
      reason: why there.
      latency: how long it took.
    """

    classes: Tuple[ClassScore, ...]
    device: str
    reason: str
    latency: Latency


def named(best: Iterable[Tuple[int, float]], names: Sequence[str], *, threshold: float) -> Tuple[ClassScore, ...]:
    """Classes given as (index, probability), with what `names` has for them, without those below `threshold`."""
    return tuple([ClassScore(index, names[index], score) for index, score in best if score >= threshold])


def unnamed(index: int) -> str:
    """What a class is called where the model brings no names."""
    return f"class {index}"
