"""What a classifier says of single images, as values that can travel to another machine."""

from dataclasses import dataclass, field
from pathlib import Path

from edgekit.devices import Classifier
from edgekit.errors import ImageError
from edgekit.files import MAX_IMAGE_BYTES, read_bytes
from edgekit.preprocess import InputSpec

#: How many classes count as «among the best».
BEST = 5


@dataclass(frozen=True)
class Subject:
    """A model to be evaluated, as plain values that can travel to another machine.

    Attributes:
      content: bytes of a `.tflite`.
      labels: class names in place of the model's own; None for its own.
      preprocess: scaling of pixels in place of the model's own, see `devices.Classifier`.
    """

    content: bytes = field(repr=False)
    labels: tuple[str, ...] | None = None
    preprocess: str | InputSpec | None = None

    def open(self) -> Classifier:
        """The model; each of its threads runs one image on one core. Raises as `Classifier`."""
        return Classifier(self.content, threads=1, labels=self.labels, preprocess=self.preprocess)

    def classes(self) -> tuple[tuple[str, ...], int]:
        """(class names or (), number of classes); a single sigmoid output tells two apart."""
        classifier = self.open()
        return classifier.labels, len(classifier.class_names)


@dataclass(frozen=True)
class Answer:
    """What a model said of one image.

    Attributes:
      best: the most probable outputs, best first; () where the image could not be decoded.
      problem: why it could not.
    """

    best: tuple[int, ...]
    problem: str | None = None


def answer(classifier: Classifier, encoded: bytes) -> Answer:
    """What a classifier says of an encoded image, broken ones included."""
    try:
        prediction = classifier.classify(encoded, k=BEST)
    except ImageError as error:
        return Answer((), error.message.removeprefix("The image in memory ").rstrip("."))
    return Answer(tuple(best.index for best in prediction.classes))


def read_image(path: Path) -> bytes | Answer:
    """An image's file, or the answer that there is none."""
    try:
        return read_bytes(path, MAX_IMAGE_BYTES)
    except OSError as error:
        return Answer((), (error.strerror or type(error).__name__).lower())
