"""Class names from a text file: one in a line, as every tool writes them."""

import re
from pathlib import Path
from typing import Tuple, Union

from edgekit.errors import DataError
from edgekit.files import read_text

# «0 cat», «0: cat», «0<tab>cat»: Teachable Machine and Coral number their lines.
_NUMBERED = re.compile(r"\s*(\d{1,9})[:,\s]\s*(.+)")

# What tools call the file that they leave beside a model.
_NAMES = ("labels.txt", "class_names.txt", "classes.txt")


def read_labels(path: Union[str, Path]) -> Tuple[str, ...]:
    """The labels in a file, in the order of the model's output.

    Raises:
      DataError: the file is missing, unreadable, no text, or empty.
    """
    try:
        text = read_text(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise DataError(f"No labels can be read from {path}: {reason}.", "Write one name a line.") from error
    labels = parse_labels(text)
    if not labels or "\0" in text:
        raise DataError(f"{path} holds no labels.", "Write one name a line, as UTF-8 text.")
    return labels


def labels_beside(model: Path, classes: int) -> Tuple[Tuple[str, ...], Tuple[str, ...]]:
    """(labels, notes) from `<stem>.labels.txt`, labels.txt or class_names.txt beside a model.

    A list of another length than `classes` is left alone, with a note; nothing is ever guessed.
    """
    for file in (model.with_name(f"{model.stem}.labels.txt"), *(model.with_name(name) for name in _NAMES)):
        if not file.is_file():
            continue
        try:
            labels = read_labels(file)
        except DataError:
            return (), (f"{file.name} beside the model holds no readable labels and was left alone.",)
        if len(labels) == classes or (classes == 1 and len(labels) == 2):
            return labels, ()
        return (), (f"{file.name} beside the model names {len(labels)} classes, the model has {classes}: left alone.",)
    return (), ()


def parse_labels(text: str) -> Tuple[str, ...]:
    """One label a line; lines numbered 0, 1, 2, … throughout lose their number, blank ones at the end are dropped."""
    lines = [line.strip() for line in text.rstrip().splitlines()]
    matches = [_NUMBERED.fullmatch(line) for line in lines]
    if all(match and int(match.group(1)) == index for index, match in enumerate(matches)):
        return tuple(match.group(2) for match in matches if match)
    return tuple(lines)
