"""What decides what comes out of a training, apart from the images."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import UsageError
from edgekit.training.base import DEFAULT_BASE
from edgekit.training.reading import CROPS, FLIP, PLAIN

#: Views by how many of them are trained on.
VIEWS = (PLAIN, FLIP, *CROPS)
#: Name → how many of VIEWS.
AUGMENTATIONS: Mapping[str, int] = {"none": 1, "flip": 2, "crops": 4}


@dataclass(frozen=True)
class TrainingPlan:
    """Everything that decides what comes out of a training, apart from the images.

    Attributes:
      base: a zoo model, or the file of a float classifier.
      labels_csv: a table file,label, for images without class folders.
      test: a folder of the same classes to judge on, in place of a part of the images.
      augment: a key of AUGMENTATIONS.
      preprocess: how the base's images are scaled, where its file does not tell.
      size: (height, width) that the base's input must have; None for any.
      interpolation: how images are resized, in place of the base's own way.
      seed: of the division, the folds, and the choice of calibration images.
      finetune: whether the last blocks are trained as well, in Keras.
      name: what the model is called in its file.
      float_suffix: of the float model's file, one of `saving.SUFFIXES`: a base that cannot be written so is refused
        before the work.
    """

    base: str | Path = DEFAULT_BASE
    labels_csv: Path | None = None
    test: Path | None = None
    augment: str = "crops"
    preprocess: str | None = None
    size: tuple[int, int] | None = None
    interpolation: str | None = None
    seed: int = 0
    finetune: bool = False
    name: str = "classifier"
    float_suffix: str = ".tflite"

    def __post_init__(self) -> None:
        """Raises UsageError where a field names nothing."""
        if self.augment not in AUGMENTATIONS:
            raise UsageError(
                f"There is no augmentation {self.augment!r}.", f"Choose one of: {', '.join(AUGMENTATIONS)}."
            )
        if self.seed < 0:
            raise UsageError(f"The seed is {self.seed}.", "Give a number that is not negative.")
