"""How often a classifier is right: top-1 and top-5 with their intervals, by class, and what it confuses."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edgekit.calibration.labelled import Labelled
from edgekit.calibration.parallel import map_samples
from edgekit.devices import Classifier
from edgekit.devices.tensors import output_tensor
from edgekit.errors import DataError, ImageError
from edgekit.evaluation.verdict import wilson_interval
from edgekit.files import MAX_IMAGE_BYTES, read_bytes
from edgekit.preprocess import InputSpec
from edgekit.progress import Progress, silent
from edgekit.tflite import read_graph

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
        """The model on one thread: there is one of it for each core. Raises as `Classifier`."""
        return Classifier(self.content, threads=1, labels=self.labels, preprocess=self.preprocess)

    def classes(self) -> tuple[tuple[str, ...], int]:
        """(class names or (), number of classes); a single sigmoid output tells two apart."""
        return self.open().labels, max(2, output_tensor(read_graph(self.content)).elements)


@dataclass(frozen=True)
class Answer:
    """What a model said of one image.

    Attributes:
      best: the most probable outputs, best first; () where the image could not be decoded.
      problem: why it could not.
    """

    best: tuple[int, ...]
    problem: str | None = None


@dataclass(frozen=True)
class ClassAccuracy:
    """One class.

    Attributes:
      index: its output.
      label: its name.
      images: how many there were of it.
      top1: part of them that were recognised, 0–1, with its 95 % Wilson interval.
      interval: that interval.
    """

    index: int
    label: str
    images: int
    top1: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class Outcome:
    """Images of one class that got one answer.

    Attributes:
      truth, answer: output indices; a right answer where they are equal.
      images: how many.
    """

    truth: int
    answer: int
    images: int


@dataclass(frozen=True)
class Evaluation:
    """How often a model was right.

    Attributes:
      images: how many images it answered.
      top1, top5: part of them whose class was the best, or among the best five, 0–1.
      top1_interval, top5_interval: their 95 % Wilson intervals.
      mapping: in words, how classes were matched to outputs.
      offset: 1 where output 0 turned out to be the background, else 0.
      classes: every class that there were images of, in the order of the outputs.
      confusion: the confusion matrix without its zeros, the most frequent first.
      labels: class names in the order of the outputs, or ().
      skipped: image → why it could not be used.
    """

    images: int
    top1: float
    top1_interval: tuple[float, float]
    top5: float
    top5_interval: tuple[float, float]
    mapping: str
    offset: int
    classes: tuple[ClassAccuracy, ...]
    confusion: tuple[Outcome, ...]
    labels: tuple[str, ...]
    skipped: dict[str, str]


def evaluate(
    subject: Subject, images: Labelled, *, scheduler: str | None = None, progress: Progress = silent
) -> Evaluation:
    """Lets a model name every image, on all cores or on a Dask cluster.

    Args:
      subject: the model.
      images: from `labelled`.
      scheduler: address of a Dask scheduler (`tcp://host:8786`), or "local" to start a cluster on this machine.
        The figures are the same as without: answers are merged in the images' order, and all that is added
        up are whole numbers.
      progress: called as images are answered.

    Raises:
      DataError: not one image can be decoded.
      ModelError, PreprocessingError, UsageError: the model cannot be used, see `devices.Classifier`.
      DeviceError: the model, or the cluster, failed.
      MissingDependencyError: a scheduler was given and Dask is not installed.
    """
    labels = subject.open().labels or images.labels
    answers = []
    for answer in _answers(subject, images, scheduler):
        answers.append(answer)
        progress("Evaluating", len(answers), len(images.names))
    return summarize(images, answers, labels)


def answer(classifier: Classifier, encoded: bytes) -> Answer:
    """What a classifier says of an encoded image, broken ones included."""
    try:
        prediction = classifier.classify(encoded, k=BEST)
    except ImageError as error:
        return Answer((), error.message.replace("The image in memory ", "", 1).rstrip("."))
    return Answer(tuple(best.index for best in prediction.classes))


def read_image(path: Path) -> bytes | Answer:
    """An image's file, or the answer that there is none."""
    try:
        return read_bytes(path, MAX_IMAGE_BYTES)
    except OSError as error:
        return Answer((), (error.strerror or type(error).__name__).lower())


def _answers(subject: Subject, images: Labelled, scheduler: str | None) -> Iterator[Answer]:
    paths = [images.root / name for name in images.names]
    if scheduler is not None:
        from edgekit.evaluation.cluster import spread

        yield from spread(subject, paths, scheduler)
        return
    for _, found in map_samples(lambda: _Worker(subject), paths):
        yield found


class _Worker:
    """A classifier for one thread: decodes, prepares and runs, so that all of that uses all cores."""

    def __init__(self, subject: Subject) -> None:
        self._classifier = subject.open()

    def __call__(self, path: Path) -> Answer:
        encoded = read_image(path)
        return encoded if isinstance(encoded, Answer) else answer(self._classifier, encoded)


def summarize(images: Labelled, answers: Sequence[Answer], labels: Sequence[str]) -> Evaluation:
    """The figures from what a model said of each image.

    Raises DataError where it could not say anything of any of them.
    """
    rows = list(zip(images.names, images.truths, answers, strict=True))
    skipped = {_printable(name): answer.problem for name, _, answer in rows if answer.problem is not None}
    seen = [(truth, answer.best) for _, truth, answer in rows if answer.best]
    if not seen:
        first = next(iter(skipped.items()), None)
        reason = f"; the first: {first[0]} ({first[1]})" if first else ""
        raise DataError(
            f"None of the {len(rows)} images can be decoded{reason}.",
            "Give intact images, and with --labels-csv the folder that its files are in as --data.",
        )
    labels = [_printable(label) for label in labels]
    offset = int(images.background and _right(seen, 1) > _right(seen, 0))
    top1, top5 = _right(seen, offset), sum(truth + offset in best for truth, best in seen)
    outcomes = [(truth + offset, best[0]) for truth, best in seen]
    return Evaluation(
        images=len(seen),
        top1=top1 / len(seen),
        top1_interval=wilson_interval(top1, len(seen)),
        top5=top5 / len(seen),
        top5_interval=wilson_interval(top5, len(seen)),
        mapping=images.how + (", after output 0, the background" if offset else ""),
        offset=offset,
        classes=tuple(_by_class(outcomes, labels)),
        confusion=_confusion(outcomes),
        labels=tuple(labels),
        skipped=skipped,
    )


def _right(seen: Iterable[tuple[int, tuple[int, ...]]], offset: int) -> int:
    return sum(truth + offset == best[0] for truth, best in seen)


def _by_class(outcomes: Sequence[tuple[int, int]], labels: Sequence[str]) -> Iterator[ClassAccuracy]:
    totals = Counter(truth for truth, _ in outcomes)
    right = Counter(truth for truth, answered in outcomes if truth == answered)
    for index, total in sorted(totals.items()):
        interval = wilson_interval(right[index], total)
        yield ClassAccuracy(index, label_of(index, labels), total, right[index] / total, interval)


def _confusion(outcomes: Iterable[tuple[int, int]]) -> tuple[Outcome, ...]:
    counts = sorted(Counter(outcomes).items(), key=lambda item: (-item[1], item[0]))
    return tuple(Outcome(truth, answered, count) for (truth, answered), count in counts)


def _printable(name: str) -> str:
    """A file's or folder's name whose bytes are no UTF-8, as text that can be written: «\\udcff» for byte 255."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def label_of(index: int, labels: Sequence[str]) -> str:
    """An output's name, as `devices` names those without one."""
    return labels[index] if index < len(labels) else f"class {index}"
