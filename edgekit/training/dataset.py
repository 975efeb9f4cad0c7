"""Images to train on and images to judge on, from class folders or a table; no image is ever on both sides.

Two files are the same image where their pixels are equal as the model sees them. Such images stay together, and where
their classes contradict each other they teach nothing and are left out.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edgekit.calibration.class_matching import Matching, Way, plain
from edgekit.calibration.folder import drawing_order
from edgekit.calibration.labelled import Labelled
from edgekit.calibration.parallel import map_samples
from edgekit.calibration.samples import Candidate, Samples
from edgekit.errors import DataError, ImageError
from edgekit.preprocess import InputSpec, fit
from edgekit.progress import Progress, silent
from edgekit.training.listing import Listed, class_names, list_images
from edgekit.training.reading import Fingerprint, fingerprint

#: Part of each class that is kept aside, where the images come undivided.
KEPT_ASIDE = 0.2
#: Different images that a class needs to be trained on; with fewer, cross-validation has nothing to go by.
FEWEST = 4
#: Most images that are read: their features take half a gigabyte of memory for each hundred thousand.
MOST_IMAGES = 100_000


@dataclass(frozen=True)
class Example:
    """One image of known class.

    Attributes:
      path: of its file.
      name: that path relative to the folder that was given.
      label: index of its class.
      side: "train", "test", or "" before it is divided.
      content: digest of the file's bytes.
      pixels: digest of what the model sees of it.
    """

    path: Path
    name: str
    label: int
    side: str
    content: str
    pixels: str


@dataclass(frozen=True)
class Dataset:
    """What to train on and what to judge on.

    Attributes:
      class_names: in the order of the model's outputs.
      train, test: the images; `test` trains and chooses nothing.
      divided: in words, what decided which image is on which side.
      skipped: name → why an image is on neither side.
      notes: sentences for the user.
    """

    class_names: tuple[str, ...]
    train: tuple[Example, ...] = field(repr=False)
    test: tuple[Example, ...] = field(repr=False)
    divided: str
    skipped: Mapping[str, str] = field(repr=False)
    notes: tuple[str, ...] = ()


def open_dataset(
    images: Path,
    spec: InputSpec,
    *,
    labels_csv: Path | None = None,
    test: Path | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> Dataset:
    """Reads and divides images.

    Args:
      images: a folder with one sub-folder for each class, divided into `train` and `test`, `val` or `validation` or
        not; with `labels_csv` a folder that its files are relative to.
      spec: the input that images are compared at.
      labels_csv: a table file,label.
      test: a folder of the same classes to judge on, in place of a part of `images`.
      seed: of the division.

    Raises:
      DataError: there are no images, no classes, too few images of a class, or classes that are copies.
    """
    listed = list_images(images, labels_csv, test)
    names = class_names(listed)
    if len(listed) > MOST_IMAGES:
        order = drawing_order([each.name for each in listed], _labels(listed, names), seed)
        listed = tuple(listed[index] for index in sorted(order[:MOST_IMAGES]))
    examples, skipped = _read(listed, names, spec, progress)
    examples, contradicting = _without_contradictions(examples, names)
    skipped |= contradicting
    _check_counts(examples, names, skipped)
    division = _as_given(examples) if any(each.side == "test" for each in examples) else _drawn(examples, seed)
    _check_sides(division, names)
    return Dataset(names, division.train, division.test, division.how, skipped, division.notes)


def _labels(listed: Sequence[Listed], names: Sequence[str]) -> list[int]:
    numbers = {plain(name): number for number, name in enumerate(names)}
    return [numbers[plain(each.label)] for each in listed]


def _read(
    listed: Sequence[Listed], names: Sequence[str], spec: InputSpec, progress: Progress
) -> tuple[list[Example], dict[str, str]]:
    """(the images that can be decoded, name → why others cannot)."""
    examples, skipped = list[Example](), dict[str, str]()

    def worker(item: Listed) -> Fingerprint | ImageError:
        try:
            return fingerprint(item.path, spec)
        except ImageError as error:
            return error

    for (item, found), label in zip(map_samples(lambda: worker, listed), _labels(listed, names), strict=True):
        if isinstance(found, ImageError):
            skipped[item.name] = found.message.replace(str(item.path), item.name)
        else:
            examples.append(Example(item.path, item.name, label, item.side, found.content, found.pixels))
        progress("Reading images", len(examples) + len(skipped), len(listed))
    return examples, skipped


def _without_contradictions(examples: Sequence[Example], names: Sequence[str]) -> tuple[list[Example], dict[str, str]]:
    """The images without those that are in several classes, and why these are left out.

    Raises DataError where that is most of a class.
    """
    classes: dict[str, set[int]] = defaultdict(set)
    for example in examples:
        classes[example.pixels].add(example.label)
    shared = Counter(pair for labels in classes.values() for pair in _pairs(labels))
    sizes = Counter(label for labels in classes.values() for label in labels)
    for (first, second), count in shared.most_common():
        if 2 * count > min(sizes[first], sizes[second]):
            raise DataError(
                f"The classes {names[first]!r} and {names[second]!r} hold the same images ({count} of them).",
                "Take one of the two folders out, or sort the images anew.",
            )
    reasons = {
        each.name: "the same image is also in the class "
        + ", ".join(names[label] for label in sorted(classes[each.pixels] - {each.label}))
        for each in examples
        if len(classes[each.pixels]) > 1
    }
    return [each for each in examples if each.name not in reasons], reasons


def _pairs(labels: Iterable[int]) -> list[tuple[int, int]]:
    ordered = sorted(labels)
    return [(a, b) for place, a in enumerate(ordered) for b in ordered[place + 1 :]]


def _check_counts(examples: Sequence[Example], names: Sequence[str], skipped: Mapping[str, str]) -> None:
    different = _different(examples)
    few = [f"{name!r} {different[label]}" for label, name in enumerate(names) if different[label] <= FEWEST]
    if not few:
        return
    reason = next(iter(skipped.items()), None)
    left_out = f" {len(skipped)} were left out; the first: {reason[0]}: {reason[1]}" if reason else ""
    more = f" and {len(few) - 5} more classes" if len(few) > 5 else ""
    raise DataError(
        f"Some classes have too few different images: {', '.join(few[:5])}{more}.{left_out}",
        f"Give at least {FEWEST + 1} of each class; 50 or more make a useful classifier.",
    )


@dataclass(frozen=True)
class _Division:
    train: tuple[Example, ...]
    test: tuple[Example, ...]
    how: str
    notes: tuple[str, ...]


def _as_given(examples: Sequence[Example]) -> _Division:
    train = tuple(each for each in examples if each.side == "train")
    known = {each.pixels for each in train}
    given = [each for each in examples if each.side == "test"]
    test = tuple(each for each in given if each.pixels not in known)
    repeated = len(given) - len(test)
    note = f"{repeated} images to judge on are also among those to train on; the model is not judged on them."
    return _Division(train, test, "as the images came divided", (note,) if repeated else ())


def _drawn(examples: Sequence[Example], seed: int) -> _Division:
    """Equal images are dealt as one, class by class; what decides is their pixels, under any name of the file."""
    groups = {each.pixels: each.label for each in examples}
    sizes, dealt, aside = Counter(groups.values()), Counter[int](), set[str]()
    digests = list(groups)
    for index in drawing_order(digests, list(groups.values()), seed):
        label = groups[digests[index]]
        if dealt[label] < max(1, round(KEPT_ASIDE * sizes[label])):
            aside.add(digests[index])
        dealt[label] += 1
    equal = len(examples) - len(groups)
    note = f"{equal} images are copies of others, and are on the side of those."
    return _Division(
        tuple(each for each in examples if each.pixels not in aside),
        tuple(each for each in examples if each.pixels in aside),
        f"{KEPT_ASIDE:.0%} of each class, drawn with seed {seed}",
        (note,) if equal else (),
    )


def _different(examples: Iterable[Example]) -> Counter[int]:
    """How many different images there are of each class."""
    return Counter(label for label, _ in {(each.label, each.pixels) for each in examples})


def _check_sides(division: _Division, names: Sequence[str]) -> None:
    for what, side, fewest in (("train on", division.train, FEWEST), ("judge on", division.test, 1)):
        found = _different(side)
        few = [name for label, name in enumerate(names) if found[label] < fewest]
        if few:
            shown = ", ".join(map(repr, few[:5])) + (" …" if len(few) > 5 else "")
            raise DataError(
                f"There are too few different images to {what}, of {shown}.",
                "Divide the images anew, or give them undivided, so that edgekit divides them.",
            )


def as_samples(examples: Sequence[Example], names: tuple[str, ...], spec: InputSpec, *, seed: int) -> Samples:
    """The images as representative data: to calibrate on, to compare models on."""
    order = drawing_order([each.name for each in examples], [each.label for each in examples], seed)
    candidates = tuple(Candidate(examples[i].name, examples[i].label, i) for i in order)

    def read(index: int, spec: InputSpec) -> np.ndarray:
        example = examples[index]
        try:
            return fit(example.path, spec)
        except ImageError as error:
            raise ImageError(error.message.replace(str(example.path), example.name)) from error

    return Samples(len(candidates), "data", seed, names, "the images to train on", spec, candidates, read)


def as_labelled(examples: Sequence[Example], names: Sequence[str]) -> Labelled:
    """The images as an accuracy is measured on."""
    way = Way(tuple(range(len(names))), "class folders are the outputs, in sorted order")
    files = tuple(str(each.path) for each in examples)
    return Labelled(Path(), files, tuple(each.label for each in examples), Matching((way,), labels=tuple(names)))
