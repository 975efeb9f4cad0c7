"""Images whose class is known, and which output of the model each class is.

A wrong mapping looks like a bad model, so every way to map is explicit, checked, and told in words.
"""

import csv
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from edgekit.calibration.folder import list_folder
from edgekit.errors import DataError
from edgekit.files import read_text

#: Sub-folders of ImageNet-style sets; their sorted order is the order of ImageNet-1k's classes.
_SYNSET = re.compile(r"n\d{8}")
_SYNSETS = 1000

#: Digits of the longest output number that is read; Python itself refuses to turn thousands of them into a number.
_MOST_DIGITS = 9
#: Heads of a column of files, as tools write them.
_FILE_HEADS = ("file", "filename", "file_name", "path", "image", "picture")


@dataclass(frozen=True)
class Labelled:
    """Images in a fixed order, each with the output that should win.

    Attributes:
      root: the folder that `names` are relative to.
      names: the images' paths.
      truths: output index for each of them.
      how: in words, how classes were matched to outputs.
      background: whether the outputs are one more than the classes that were matched by their order or
        number, so that output 0 may stand for the background and all others be one further.
      labels: what to call the outputs of a model without names: the classes, where their order gave the mapping.
    """

    root: Path
    names: tuple[str, ...]
    truths: tuple[int, ...]
    how: str
    background: bool = False
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Mapping:
    """Classes and outputs.

    Attributes:
      outputs: class name → output index.
      how, background, labels: see `Labelled`.
    """

    outputs: dict[str, int]
    how: str
    background: bool = False
    labels: tuple[str, ...] = ()


def from_folder(folder: Path, labels: Sequence[str], outputs: int) -> Labelled:
    """The images of a folder whose sub-folders are the classes.

    Args:
      folder: as for calibration, see `calibration.folder.list_folder`.
      labels: the model's class names in the order of its outputs, or ().
      outputs: how many classes the model tells apart.

    Raises:
      DataError: there is no such folder, it shows no classes, or they cannot be matched to the outputs.
    """
    listing = list_folder(folder)
    if not listing.class_names:
        raise DataError(
            f"The folder '{folder}' does not show its images' classes.",
            "Put each class into a sub-folder of its name, or give --labels-csv with the columns file,label.",
        )
    mapping = match_classes(listing.class_names, labels, outputs, what="class folders")
    classes = [listing.class_names[label] for label in listing.labels if label is not None]
    return _labelled(listing.root, listing.names, classes, mapping)


def from_csv(table: Path, folder: Path | None, labels: Sequence[str], outputs: int) -> Labelled:
    """The images that a CSV file names, in its order.

    Args:
      table: two columns, `file,label`, with or without that head; labels are names or output indices.
      folder: what the files are relative to; None for the table's own folder.
      labels, outputs: see `from_folder`.

    Raises:
      DataError: the file cannot be read, a row has no label, or the labels cannot be matched to the outputs.
    """
    rows = _rows(table)
    mapping = match_classes(sorted({label for _, label in rows}), labels, outputs, what=f"labels in {table.name}")
    files, classes = zip(*rows, strict=True)
    return _labelled(folder or table.parent, files, classes, mapping)


def _labelled(root: Path, names: Sequence[str], classes: Iterable[str], mapping: Mapping) -> Labelled:
    truths = tuple(mapping.outputs[name] for name in classes)
    return Labelled(root, tuple(names), truths, mapping.how, mapping.background, mapping.labels)


def _rows(table: Path) -> list[tuple[str, str]]:
    try:
        text = read_text(table)
        if "\0" in text:
            raise csv.Error
        rows = [[cell.strip() for cell in row] for row in csv.reader(StringIO(text, newline="")) if any(row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or "it is not a CSV file in UTF-8"
        raise DataError(f"{table} cannot be read: {reason}.") from error
    if rows and rows[0][0].lower() in _FILE_HEADS:
        rows = rows[1:]
    for number, row in enumerate(rows, 1):
        if len(row) < 2 or not row[0] or not row[1]:
            raise DataError(f"{table}: image {number} has no file or no label.", "Write two columns: file,label.")
    if not rows:
        raise DataError(f"{table} names no images.", "Write two columns: file,label.")
    return [(row[0], row[1]) for row in rows]


def match_classes(names: Sequence[str], labels: Sequence[str], outputs: int, *, what: str) -> Mapping:
    """Which output each class is: by name, else as synsets, as numbers, or in sorted order where they are as many.

    Args:
      names: the classes.
      labels: the model's class names, or ().
      outputs: how many classes the model tells apart.
      what: what to call `names` in messages, in the plural.

    Raises:
      DataError: none of these fits.
    """
    matched = _by_name(names, labels)
    if matched:
        return Mapping(matched, f"{what} matched to the model's labels by name")
    if all(_SYNSET.fullmatch(name) for name in names):
        return _by_synset(names, outputs, what)
    if all(name.isdecimal() for name in names):
        return _by_number(names, outputs, what)
    if not labels and len(names) in (outputs, outputs - 1):
        order = {name: index for index, name in enumerate(sorted(names))}
        how, background = f"{what} in sorted order are the outputs", len(names) == outputs - 1
        return Mapping(order, how, background, () if background else tuple(order))
    raise _unmatched(names, labels, outputs, what)


def _by_name(names: Sequence[str], labels: Sequence[str]) -> dict[str, int] | None:
    """None where a name is not among the labels.

    Raises DataError where it names several of them (ImageNet has two cranes).
    """
    places: dict[str, list[int]] = {}
    for index, label in enumerate(labels):
        places.setdefault(_plain(label), []).append(index)
    found = {name: places.get(_plain(name), []) for name in names}
    if not all(found.values()):
        return None
    for name, indices in found.items():
        if len(indices) > 1:
            raise DataError(
                f"The class {name!r} is the name of several outputs: {', '.join(map(str, indices))}.",
                "Give --labels-csv with the outputs' numbers instead of names.",
            )
    return {name: indices[0] for name, indices in found.items()}


def _plain(name: str) -> str:
    """A name without what differs between a label and a folder of that name: case, spaces, «_» and «-»."""
    return " ".join(re.sub(r"[_\-]", " ", unicodedata.normalize("NFC", name)).casefold().split())


def _by_synset(names: Sequence[str], outputs: int, what: str) -> Mapping:
    if len(names) != _SYNSETS or outputs not in (_SYNSETS, _SYNSETS + 1):
        raise DataError(
            f"The {len(names)} {what} are synsets; their sorted order tells the outputs' numbers only where all "
            f"{_SYNSETS} are there and the model has as many outputs (it has {outputs}).",
            "Give the outputs' numbers with --labels-csv.",
        )
    order = {name: index for index, name in enumerate(sorted(names))}
    return Mapping(order, f"{what} are ImageNet's synsets in sorted order", outputs == _SYNSETS + 1)


def _by_number(names: Sequence[str], outputs: int, what: str) -> Mapping:
    absurd = next((name for name in names if len(name) > _MOST_DIGITS), None)
    if absurd is not None:
        raise DataError(
            f"Among the {what} is {absurd[:_MOST_DIGITS]}…, a number of {len(absurd)} digits.",
            f"Number the model's outputs from 0 to {outputs - 1}.",
        )
    numbers = {name: int(name) for name in names}
    highest = max(numbers.values())
    if highest >= outputs:
        raise DataError(
            f"The {what} go up to {highest}; the model's outputs are numbered 0 to {outputs - 1}.",
            "Count from 0." if highest == outputs else "Are these images for another model?",
        )
    background = outputs == _SYNSETS + 1 and highest < _SYNSETS
    return Mapping(numbers, f"{what} are the outputs' numbers", background)


def _unmatched(names: Sequence[str], labels: Sequence[str], outputs: int, what: str) -> DataError:
    known = {_plain(label) for label in labels}
    strange = [name for name in names if _plain(name) not in known]
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
