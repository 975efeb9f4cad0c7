"""Which output of a model each class of some images is: the one rule that every command goes by.

A wrong mapping looks like a bad model, so every way to map is explicit, checked, and told in words. Where the names
leave two ways open (does output 0 stand for the background? are folders `0` … `11` numbers, or sorted as text, as Keras
sorts them?), the answers of the model decide: see `settle`.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edgekit.calibration.samples import Samples
from edgekit.errors import DataError

#: Sub-folders of ImageNet-style sets; their sorted order is the order of ImageNet-1k's classes.
_SYNSET = re.compile(r"n\d{8}")
_SYNSETS = 1000
#: Digits of the longest output number that is read; Python itself refuses to turn thousands of them into a number.
_MOST_DIGITS = 9


@dataclass(frozen=True)
class Way:
    """One way to match classes to outputs.

    Attributes:
      outputs: the output of each class, in the order in which the classes were given.
      how: the way in words.
      offset: 1 where output 0 is taken for the background, and all others are one further; else 0.
    """

    outputs: tuple[int, ...]
    how: str
    offset: int = 0


@dataclass(frozen=True)
class Matching:
    """The ways in which classes may be matched to outputs.

    Attributes:
      ways: those that the names allow, the likeliest first; () where there is none.
      why_not: why there is none, in words.
      labels: what to call the outputs of a model without names: the classes, where their order gave the mapping.
    """

    ways: tuple[Way, ...] = ()
    why_not: str = "the classes of the images are not known"
    labels: tuple[str, ...] = ()

    def settle(self, answers: Iterable[tuple[int, int]]) -> Way | None:
        """The way under which a model is right most often, the likelier of equals; None where there is no way.

        Args:
          answers: (class, the output that the model named) for each image.
        """
        seen = list(answers)

        def right(way: Way) -> int:
            return sum(way.outputs[label] == answer for label, answer in seen)

        return max(self.ways, key=right, default=None)


#: Where nothing is known about the images' classes.
UNMATCHED = Matching()


def match_samples(samples: Samples, labels: Sequence[str], outputs: int) -> Matching:
    """The ways in which the classes of some images may be matched to a model's outputs; never raises.

    Args:
      samples: images from class folders, or from an array with labels, which are the outputs' numbers.
      labels: the model's class names in the order of its outputs, or ().
      outputs: how many outputs the model has; a single one tells two classes apart.
    """
    classes = max(2, outputs)
    try:
        if samples.class_names:
            return match_classes(samples.class_names, labels, classes, what="class folders")
        numbers = {candidate.label for candidate in samples.candidates if candidate.label is not None}
        names = tuple(map(str, range(max(numbers, default=-1) + 1)))
        return _by_number(names, classes, f"labels in {samples.origin}", are_folders=False) if names else UNMATCHED
    except DataError as error:
        return Matching(why_not=error.message.rstrip("."))


def match_classes(
    names: Sequence[str], labels: Sequence[str], outputs: int, *, what: str, are_folders: bool = True
) -> Matching:
    """Which output each class is: by name, else as synsets, as numbers, or in sorted order where they are as many.

    Names match whatever their case, and whether spaces, «_» or «-» part their words.

    Args:
      names: the classes.
      labels: the model's class names, or ().
      outputs: how many classes the model tells apart.
      what: what to call `names` in messages, in the plural.
      are_folders: whether numbers may have been sorted as text, as Keras sorts folders.

    Raises:
      DataError: none of these fits.
    """
    matched = _by_name(names, labels)
    if matched:
        return Matching((Way(matched, f"{what} matched to the model's labels by name"),))
    if all(_SYNSET.fullmatch(name) for name in names):
        return _by_synset(names, outputs, what)
    if all(name.isdecimal() for name in names):
        return _by_number(names, outputs, what, are_folders=are_folders)
    if not labels and len(names) in (outputs, outputs - 1):
        return _by_order(names, outputs, what)
    raise _unmatched(names, labels, outputs, what)


def _by_name(names: Sequence[str], labels: Sequence[str]) -> tuple[int, ...] | None:
    """None where a name is not among the labels.

    Raises DataError where it names several of them (ImageNet has two cranes).
    """
    places: dict[str, list[int]] = {}
    for index, label in enumerate(labels):
        places.setdefault(plain(label), []).append(index)
    found = [places.get(plain(name), []) for name in names]
    if not all(found):
        return None
    for name, indices in zip(names, found, strict=True):
        if len(indices) > 1:
            raise DataError(
                f"The class {name!r} is the name of several outputs: {', '.join(map(str, indices))}.",
                "Give --labels-csv with the outputs' numbers instead of names.",
            )
    return tuple(indices[0] for indices in found)


def plain(name: str) -> str:
    """A name without what differs between a label and a folder of that name: case, spaces, «_» and «-»."""
    return " ".join(re.sub(r"[_\-]", " ", unicodedata.normalize("NFC", name)).casefold().split())


def _ranks(names: Sequence[str]) -> tuple[int, ...]:
    order = {name: index for index, name in enumerate(sorted(names))}
    return tuple(order[name] for name in names)


def _after_background(way: Way) -> Way:
    further = tuple(output + 1 for output in way.outputs)
    return Way(further, f"{way.how}, after output 0, the background", offset=1)


def _by_order(names: Sequence[str], outputs: int, what: str) -> Matching:
    way = Way(_ranks(names), f"{what} in sorted order are the outputs")
    if len(names) < outputs:
        return Matching((way, _after_background(way)))
    return Matching((way,), labels=tuple(sorted(names)))


def _by_synset(names: Sequence[str], outputs: int, what: str) -> Matching:
    if len(names) != _SYNSETS or outputs not in (_SYNSETS, _SYNSETS + 1):
        raise DataError(
            f"The {len(names)} {what} are synsets; their sorted order tells the outputs' numbers only where all "
            f"{_SYNSETS} are there and the model has as many outputs (it has {outputs}).",
            "Give the outputs' numbers with --labels-csv.",
        )
    way = Way(_ranks(names), f"{what} are ImageNet's synsets in sorted order")
    return Matching((way, _after_background(way)) if outputs > _SYNSETS else (way,))


def _by_number(names: Sequence[str], outputs: int, what: str, *, are_folders: bool) -> Matching:
    _check_digits(names, outputs, what)
    numbers = tuple(map(int, names))
    highest, all_there = max(numbers), len(set(numbers)) == outputs
    ways = []
    if highest < outputs:
        ways.append(Way(numbers, f"{what} are the outputs' numbers"))
    elif all_there and min(numbers) == 1 and highest == outputs:
        ways.append(Way(tuple(number - 1 for number in numbers), f"{what} are the outputs' numbers, counted from 1"))
    else:
        raise DataError(
            f"The {what} go up to {highest}; the model's outputs are numbered 0 to {outputs - 1}.",
            "Count from 0." if highest == outputs else "Are these images for another model?",
        )
    if are_folders and all_there and _ranks(names) != ways[0].outputs:
        ways.append(Way(_ranks(names), f"{what} sorted as text, as Keras sorts them, are the outputs"))
    if outputs == _SYNSETS + 1 and highest < _SYNSETS:
        ways.append(_after_background(ways[0]))
    return Matching(tuple(ways))


def _check_digits(names: Sequence[str], outputs: int, what: str) -> None:
    absurd = next((name for name in names if len(name) > _MOST_DIGITS), None)
    if absurd is not None:
        raise DataError(
            f"Among the {what} is {absurd[:_MOST_DIGITS]}…, a number of {len(absurd)} digits.",
            f"Number the model's outputs from 0 to {outputs - 1}.",
        )


def _unmatched(names: Sequence[str], labels: Sequence[str], outputs: int, what: str) -> DataError:
    known = {plain(label) for label in labels}
    strange = [name for name in names if plain(name) not in known]
    if not labels:
        return DataError(
            f"The {len(names)} {what} cannot be matched to the model's {outputs} outputs, which have no names.",
            "Give the model's class names with --labels, one a line in the order of its outputs.",
        )
    return DataError(
        f"{len(strange)} of the {len(names)} {what} are none of the model's labels: {_some(strange)}.",
        f"The model's labels: {_some(labels)}. Rename the classes, or give other names with --labels.",
    )


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(repr(name) for name in listed[:5]) + (" …" if len(listed) > 5 else "")
