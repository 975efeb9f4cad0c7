"""What the front of a classifier makes of augmented images: one file for each pass over them, made once.

Each pass shows every image in another crop, mirrored or not, drawn by a seed. A pass that is on disk whole is not made
again: work that was killed goes on where it was.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgekit.calibration.parallel import map_samples
from edgekit.devices.interpreter import open_interpreter
from edgekit.errors import OutputError
from edgekit.evaluation.verdict import feed
from edgekit.preprocess import normalize
from edgekit.progress import Progress, silent
from edgekit.training.dataset import Example
from edgekit.training.finetuning.tail import Tail
from edgekit.training.reading import PLAIN, View, read, show

#: Most bytes on disk; with more images there are fewer passes.
MOST_BYTES = 6 << 30
#: Part of an image's area that a crop shows at least, and how much wider or higher than the image it may be.
_AREA, _RATIO = 0.35, 4 / 3
_LARGEST = float(np.finfo(np.float16).max)


@dataclass(frozen=True)
class Passes:
    """All passes over some images.

    Attributes:
      folder: where their files are.
      tail: the classifier, cut.
      examples: the images.
      count: how many passes with augmentation there are; pass 0 shows the images as they are.
      seed: of the crops.
    """

    folder: Path
    tail: Tail
    examples: tuple[Example, ...]
    count: int
    seed: int

    def rows(self, number: int) -> np.ndarray:
        """float16 (images, numbers at the cut) of a pass that has been made, read from disk as needed."""
        made: np.ndarray = np.load(self._path(number), mmap_mode="r")
        return made

    def make(self, progress: Progress = silent) -> None:
        """Makes the passes that are not there yet.

        Raises:
          ImageError: an image that could be decoded a moment ago cannot any more.
          OutputError: there is no room for them.
        """
        for number in range(self.count + 1):
            if not self._path(number).exists():
                self._make(number, progress)

    def _make(self, number: int, progress: Progress) -> None:
        before, total = number * len(self.examples), (self.count + 1) * len(self.examples)
        views = [_view(self.seed, number, index) for index in range(len(self.examples))]
        unfinished = self._path(number).with_suffix(".part")
        shape = (len(self.examples), self.tail.width)
        try:
            made = np.lib.format.open_memmap(unfinished, "w+", np.float16, shape)
            work = zip(self.examples, views, strict=True)
            for done, (_, row) in enumerate(map_samples(lambda: _Front(self.tail), work)):
                made[done] = row
                progress("Augmented passes", before + done + 1, total)
            made.flush()
            os.replace(unfinished, self._path(number))
        except OSError as error:
            raise OutputError(
                f"{unfinished} could not be written: {error.strerror}.", "Fine-tuning needs room there."
            ) from error

    def _path(self, number: int) -> Path:
        return self.folder / f"pass-{number}.npy"


def pass_count(images: int, width: int, most: int) -> int:
    """How many augmented passes there is room for, at least one and at most so many."""
    return min(most, max(1, MOST_BYTES // (2 * images * width) - 1))


def _view(seed: int, number: int, index: int) -> View:
    """How a pass shows an image."""
    if number == 0:
        return PLAIN
    random = np.random.default_rng([seed, number, index])
    area, ratio = random.uniform(_AREA, 1.0), np.exp(random.uniform(-np.log(_RATIO), np.log(_RATIO)))
    width, height = min(1.0, float(np.sqrt(area * ratio))), min(1.0, float(np.sqrt(area / ratio)))
    left, top = random.uniform(0, 1 - width), random.uniform(0, 1 - height)
    return View(f"pass {number}", (left, top, left + width, top + height), bool(random.integers(2)))


class _Front:
    """The front for one thread."""

    def __init__(self, tail: Tail) -> None:
        self._spec = tail.model.spec
        self._run = open_interpreter(tail.front.content, threads=1)

    def __call__(self, item: tuple[Example, View]) -> np.ndarray:
        example, view = item
        (pixels,) = show(read(example.path), (view,), self._spec)
        feed(self._run, normalize(pixels, self._spec)[np.newaxis])
        outputs = [self._run.get_tensor(each["index"]).ravel() for each in self._run.get_output_details()]
        row: np.ndarray = np.clip(np.concatenate(outputs), -_LARGEST, _LARGEST).astype(np.float16)
        return row
