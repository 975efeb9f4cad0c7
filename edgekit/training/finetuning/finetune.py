"""Fine-tuning: the last blocks are trained from the probe's head on, and kept only where they beat it.

How many epochs, and whether it is worth it, is decided on images that are trained on otherwise: parts of the training
set take turns at being kept aside, as many as it takes to judge on some hundreds. Then all images train for as many
epochs as were best. Everything on the way is kept in a folder of its own, and what was killed goes on from there.
"""

import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import accumulate
from pathlib import Path

import numpy as np

from edgekit.files import make_folder
from edgekit.progress import Progress, silent
from edgekit.tflite.model import Model
from edgekit.training.dataset import Dataset
from edgekit.training.finetuning.descent import Descent, Epoch, Lesson, Schedule, best_epoch, step_count
from edgekit.training.finetuning.gradient import import_keras
from edgekit.training.finetuning.passes import Passes, pass_count
from edgekit.training.finetuning.tail import Tail, Weights, tail_of, with_weights
from edgekit.training.head import with_head
from edgekit.training.probe import Dense, Probe, fit_head, folds
from edgekit.training.reading import digest

#: Images that are kept aside in all, where there are so many; one part of five is kept aside at a time.
ENOUGH = 300
#: Images that all epochs of a run show together, at most, and the fewest and most epochs that come of it.
_SHOWN, _FEWEST, _MOST = 24_000, 4, 12
#: For which a training that was killed is kept.
_DAYS = 30


@dataclass(frozen=True)
class Tuned:
    """What fine-tuning came to.

    Attributes:
      model: the fine-tuned classifier, or None where the probe is as good.
      aside: how many images were kept aside, in turns.
      top1: part of them that was named rightly after as many epochs as were best, 0–1.
      probe: part of the same that the probe named rightly, fitted on the same images.
      epochs: how many were best.
      passes: augmented passes over the images.
      share: of the base's multiply-adds that were trained, 0–1.
      history: of each epoch, the mean over the turns.
      folder: what it left on disk, to be deleted by `forget` once all is done.
    """

    model: Model | None = field(repr=False)
    aside: int
    top1: float
    probe: float
    epochs: int
    passes: int
    share: float
    history: tuple[Epoch, ...]
    folder: Path | None = field(default=None, repr=False)

    @property
    def kept(self) -> bool:
        """Whether it beat the probe."""
        return self.model is not None

    def to_json(self) -> dict[str, object]:
        """A JSON-ready record: what was tried, what came of it, whether it was kept."""
        named = ("kept", "aside", "top1", "probe", "epochs", "passes", "share")
        return {name: getattr(self, name) for name in named}


def way(tuned: Tuned | None) -> str:
    """How a classifier was trained: "finetune" where that was kept, else "probe"."""
    return "finetune" if tuned and tuned.kept else "probe"


@dataclass(frozen=True)
class _Turn:
    """A part of the images kept aside while the others train, and how many of it the probe of these names rightly."""

    train: np.ndarray
    aside: np.ndarray
    head: Dense
    right: int


def finetune(
    base: Model,
    dataset: Dataset,
    probe: Probe,
    *,
    work: Path | None,
    seed: int = 0,
    progress: Progress = silent,
) -> Tuned:
    """Trains the last blocks of a base.

    Args:
      base: the network.
      dataset: its `train` images are trained on; the others are not looked at.
      probe: what is to be beaten, and where the head starts from.
      work: a folder for what is not to be lost; None to keep nothing.
      seed: of crops, of turns, of the order of images.

    Raises:
      MissingDependencyError: TensorFlow is not installed.
      UnsupportedModelError: the base's last blocks have an op that Keras has no layer for.
      OutputError: there is no room for the passes.
    """
    import_keras()
    turns, labels = list(_turns(probe, seed)), probe.given.labels
    tail = _tail(base, probe.head, dataset)
    schedule = Schedule(epochs=int(np.clip(_SHOWN // len(dataset.train), _FEWEST, _MOST)), seed=seed)
    count = pass_count(len(dataset.train), tail.width, schedule.epochs)
    if not turns:
        return Tuned(None, 0, float("nan"), float("nan"), 0, 0, tail.share, ())
    with _folder(work, tail, dataset, schedule) as folder:
        passes = Passes(folder, tail, dataset.train, count, seed)
        passes.make(progress)
        lessons = [
            Lesson(f"turn{number}", passes, labels, turn.train, turn.aside, _tail(base, turn.head, dataset).weights)
            for number, turn in enumerate(turns)
        ]
        everything = Lesson("all", passes, labels, np.arange(len(labels)), np.arange(0), tail.weights)
        found = _tuned(tail, schedule, turns, [*lessons, everything], progress)
        return replace(found, folder=folder if work else None)


def forget(tuned: Tuned | None) -> None:
    """Deletes what a training that is over has left behind; others may be under way."""
    if tuned is not None and tuned.folder is not None:
        shutil.rmtree(tuned.folder, ignore_errors=True)


def _tuned(
    tail: Tail, schedule: Schedule, turns: Sequence[_Turn], lessons: Sequence[Lesson], progress: Progress
) -> Tuned:
    descent = Descent(tail, schedule, len(tail.model.labels))
    plan = [schedule.epochs * step_count(len(lesson.train), schedule.batch) for lesson in lessons]
    before = [0, *accumulate(plan)]

    def run(number: int, epochs: int) -> tuple[Weights, tuple[Epoch, ...]]:
        return descent.run(
            lessons[number], epochs, lambda done: progress("Fine-tuning", before[number] + done, before[-1])
        )

    history = _mean([run(number, schedule.epochs)[1] for number in range(len(turns))], turns)
    epochs = best_epoch(history)
    aside = sum(len(turn.aside) for turn in turns)
    probe, top1 = sum(turn.right for turn in turns) / aside, history[epochs - 1].aside_top1
    model = with_weights(tail, run(len(turns), epochs)[0]) if _better(top1, probe) else None
    return Tuned(model, aside, top1, probe, epochs, lessons[0].passes.count, tail.share, history)


def _better(top1: float, probe: float) -> bool:
    return top1 > probe


def _mean(histories: Sequence[tuple[Epoch, ...]], turns: Sequence[_Turn]) -> tuple[Epoch, ...]:
    """What came of each epoch that all turns had, each turn counted by its images."""
    sizes = [len(turn.aside) for turn in turns]
    shared = min(map(len, histories))
    rows = np.array([[(each.loss, each.aside_loss, each.aside_top1) for each in one[:shared]] for one in histories])
    return tuple(Epoch(*row) for row in np.average(rows, axis=0, weights=sizes).tolist())


def _turns(probe: Probe, seed: int) -> Iterator[_Turn]:
    """As many parts, kept aside in turns, as it takes to judge on enough images."""
    given, judged = probe.given, 0
    for train, aside in folds(given, seed):
        if judged >= ENOUGH:
            return
        head = fit_head(given.part(train), probe.choice)
        right = head.probabilities(given.features[aside, 0]).argmax(axis=1) == given.labels[aside]
        judged += len(aside)
        yield _Turn(train, aside, head, int(right.sum()))


def _tail(base: Model, head: Dense, dataset: Dataset) -> Tail:
    return tail_of(with_head(base, head.weights, head.bias, dataset.class_names))


@contextmanager
def _folder(work: Path | None, tail: Tail, dataset: Dataset, schedule: Schedule) -> Iterator[Path]:
    """Where passes and states are: found again by everything that decides them."""
    if work is None:
        with tempfile.TemporaryDirectory(prefix="edgekit-") as folder:
            yield Path(folder)
        return
    import keras
    import tensorflow

    images = [f"{each.content} {each.label}" for each in dataset.train]
    versions = f"{keras.__version__} {tensorflow.__version__}"
    key = digest(
        "\n".join([repr(schedule), repr(tail.model.spec), versions, *images]).encode() + tail.model.graph.content
    )
    _forget_abandoned(work)
    make_folder(work / key)
    yield work / key


def _forget_abandoned(work: Path) -> None:
    """Deletes what was killed long ago and never taken up again."""
    for folder in work.glob("*"):
        with suppress(OSError):
            if time.time() - max(path.stat().st_mtime for path in (folder, *folder.iterdir())) > _DAYS * 86400:
                shutil.rmtree(folder, ignore_errors=True)
