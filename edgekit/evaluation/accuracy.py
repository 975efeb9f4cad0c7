"""How often a classifier is right: top-1 and top-5 with their intervals, by class, and what it confuses."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path

from edgekit.calibration.labelled import ImageSet, Labelled, open_labelled
from edgekit.calibration.parallel import map_samples
from edgekit.devices import Classifier
from edgekit.errors import DataError
from edgekit.evaluation.answers import Answer, Subject, answer, read_image
from edgekit.evaluation.intervals import wilson_interval
from edgekit.evaluation.plausibility import Plausibility, alarms, plausibility
from edgekit.preprocess import InputSpec
from edgekit.progress import Progress, silent
from edgekit.tflite import read_graph

#: Wrong predictions that are told image by image.
MISTAKES = 50


@dataclass(frozen=True)
class ClassAccuracy:
    """One class.

    Attributes:
      index: its output.
      label: its name.
      images: how many there were of it.
      top1: part of them that were recognised, 0–1, with its 95 % Wilson interval.
      interval: that interval.
      specificity: part of the images of other classes that were not taken for this one, 0–1; None without such images.
        Of two classes, `top1` of one is the sensitivity to it.
      precision: part of the images named so that are of it, 0–1; None where none was named so.
    """

    index: int
    label: str
    images: int
    top1: float
    interval: tuple[float, float]
    specificity: float | None = None
    precision: float | None = None


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
class Mistake:
    """An image that was taken for something else: its name, and the outputs of its class and of the prediction."""

    image: str
    truth: int
    answer: int


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
      plausibility: whether `top1` can be believed.
      names_from: where `labels` are from, in words.
      notes: sentences about names that were found and do not fit.
      contradicted: what the model says against the preprocessing that was given; "" where nothing.
      mistakes: the first `MISTAKES` images whose prediction is wrong.
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
    plausibility: Plausibility | None = None
    names_from: str = "from the classes of the images"
    notes: tuple[str, ...] = ()
    contradicted: str = ""
    mistakes: tuple[Mistake, ...] = ()

    @property
    def alarms(self) -> tuple[str, ...]:
        """What makes the accuracy unbelievable, in sentences; () where nothing does."""
        return (*((self.contradicted,) if self.contradicted else ()), *alarms(self.plausibility, "The model"))

    def unmet(self, min_top1: float | None) -> str | None:
        """In words how top-1 misses what was asked for, 0–1; None where it does not."""
        # Exactly the limit is met, whatever the last bit of a quotient says.
        if min_top1 is None or self.top1 >= min_top1 - 1e-9:
            return None
        return f"top-1 is {self.top1:.1%}, less than the {min_top1:.1%} asked for"


def evaluate(
    model: str | Path,
    data: str | Path | ImageSet,
    *,
    labels: str | Path | Sequence[str] | None = None,
    preprocess: str | InputSpec | None = None,
    scheduler: str | None = None,
    progress: Progress = silent,
) -> Evaluation:
    """How often a `.tflite` is right, on images whose class is known.

    Args:
      model: the file.
      data: a folder with a sub-folder for each class, or an ImageSet, which may name a table of classes.
      labels: class names, or the file that holds them, in place of the model's own or a file beside it.
      preprocess: scaling of pixels in place of the model's own, see `devices.Classifier`.
      scheduler, progress: see `measure`.

    Raises:
      UsageError: there are no images to evaluate on.
      EdgekitError: as `measure` and `labelled.from_folder` raise it.
    """
    images = data if isinstance(data, ImageSet) else ImageSet(data)
    with Classifier(str(model), threads=1, labels=labels, preprocess=preprocess) as classifier:
        names, contradicted, outputs = classifier.names, classifier.alarm, len(classifier.class_names)
    subject = Subject(read_graph(model).content, names.labels, preprocess)
    labelled = open_labelled(images, names.labels, outputs)
    found = measure(subject, labelled, scheduler=scheduler, progress=progress)
    origin = names.origin if names.labels else found.names_from
    return replace(found, names_from=origin, notes=names.notes, contradicted=contradicted)


def measure(
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
    answers = []
    with subject.open() as classifier:
        for given in _answers(subject, classifier, images, scheduler):
            answers.append(given)
            progress("Evaluating", len(answers), len(images.names))
        labels, outputs = classifier.labels or images.matching.labels, len(classifier.class_names)
    return summarize(images, answers, labels, outputs)


def _answers(subject: Subject, classifier: Classifier, images: Labelled, scheduler: str | None) -> Iterator[Answer]:
    paths = [images.root / name for name in images.names]
    if scheduler is not None:
        from edgekit.evaluation.cluster import spread

        yield from spread(subject, paths, scheduler)
        return
    # One classifier, of which each thread opens an interpreter of its own: reading and checking the model, which is
    # Python's work and so one core's, is done once.
    for _, found in map_samples(lambda: partial(_answer, classifier), paths):
        yield found


def _answer(classifier: Classifier, path: Path) -> Answer:
    """Reads, decodes, prepares and runs, so that all of that uses all cores."""
    encoded = read_image(path)
    return encoded if isinstance(encoded, Answer) else answer(classifier, encoded)


def summarize(images: Labelled, answers: Sequence[Answer], labels: Sequence[str], outputs: int) -> Evaluation:
    """The figures from what a model said of each image.

    Raises DataError where it could not say anything of any of them.
    """
    rows = list(zip(images.names, images.classes, answers, strict=True))
    skipped = {_printable(name): answer.problem for name, _, answer in rows if answer.problem is not None}
    named = [name for name, _, answer in rows if answer.best]
    seen = [(label, answer.best) for _, label, answer in rows if answer.best]
    if not seen:
        first = next(iter(skipped.items()), None)
        reason = f"; the first: {first[0]} ({first[1]})" if first else ""
        raise DataError(
            f"None of the {len(rows)} images can be decoded{reason}.",
            "Give intact images, and with --labels-csv the folder that its files are in as --data.",
        )
    labels = [_printable(label) for label in labels]
    way = images.matching.settle((label, best[0]) for label, best in seen)
    assert way is not None  # or `images` could not have been made
    outcomes = [(way.outputs[label], best[0]) for label, best in seen]
    top1 = sum(truth == answered for truth, answered in outcomes)
    top5 = sum(way.outputs[label] in best for label, best in seen)
    return Evaluation(
        images=len(seen),
        top1=top1 / len(seen),
        top1_interval=wilson_interval(top1, len(seen)),
        top5=top5 / len(seen),
        top5_interval=wilson_interval(top5, len(seen)),
        mapping=way.how,
        offset=way.offset,
        classes=tuple(_by_class(outcomes, labels)),
        confusion=_confusion(outcomes),
        labels=tuple(labels),
        skipped=skipped,
        plausibility=plausibility(outcomes, outputs),
        mistakes=_mistakes(named, outcomes),
    )


def _mistakes(names: Sequence[str], outcomes: Sequence[tuple[int, int]]) -> tuple[Mistake, ...]:
    wrong = (Mistake(name, *outcome) for name, outcome in zip(names, outcomes, strict=True) if outcome[0] != outcome[1])
    return tuple(islice(wrong, MISTAKES))


def _by_class(outcomes: Sequence[tuple[int, int]], labels: Sequence[str]) -> Iterator[ClassAccuracy]:
    totals = Counter(truth for truth, _ in outcomes)
    named = Counter(answered for _, answered in outcomes)
    right = Counter(truth for truth, answered in outcomes if truth == answered)
    for index, total in sorted(totals.items()):
        others, hits = len(outcomes) - total, right[index]
        yield ClassAccuracy(
            index,
            label_of(index, labels),
            total,
            hits / total,
            wilson_interval(hits, total),
            specificity=1 - (named[index] - hits) / others if others else None,
            precision=hits / named[index] if named[index] else None,
        )


def _confusion(outcomes: Iterable[tuple[int, int]]) -> tuple[Outcome, ...]:
    counts = sorted(Counter(outcomes).items(), key=lambda item: (-item[1], item[0]))
    return tuple(Outcome(truth, answered, count) for (truth, answered), count in counts)


def _printable(name: str) -> str:
    """A file's or folder's name whose bytes are no UTF-8, as text that can be written: «\\udcff» for byte 255."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def label_of(index: int, labels: Sequence[str]) -> str:
    """An output's name, as `devices` names those without one."""
    return labels[index] if index < len(labels) else f"class {index}"
