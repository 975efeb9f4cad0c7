"""Images whose class is known: from class folders, or from a table."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path

from edgekit.calibration.class_matching import Matching, match_classes
from edgekit.calibration.folder import drawing_order, list_folder
from edgekit.calibration.samples import Data, Samples
from edgekit.errors import DataError, UsageError
from edgekit.files import read_text

#: Heads of a column of files, as tools write them.
_FILE_HEADS = ("file", "filename", "file_name", "path", "image", "picture")


@dataclass(frozen=True)
class ImageSet:
    """Which images to judge models on.

    Attributes:
      data: as `open_samples` takes it: a folder, `.npz`, `.npy`, an array.
      labels_csv: a table file,label, for images without class folders.
      count: at most so many of them; None for all.
      seed: of their choice.
    """

    data: Data
    labels_csv: Path | None = None
    count: int | None = None
    seed: int = 0


@dataclass(frozen=True)
class Labelled:
    """Images in a fixed order, each with its class.

    Attributes:
      root: the folder that `names` are relative to.
      names: the images' paths.
      classes: the class of each of them.
      matching: which output of the model each class may be.
    """

    root: Path
    names: tuple[str, ...]
    classes: tuple[int, ...]
    matching: Matching


def open_labelled(images: ImageSet, labels: Sequence[str], outputs: int) -> Labelled:
    """The images of a set whose classes its table or its folder tells; see `from_csv` and `from_folder`.

    Raises:
      UsageError: the set has neither.
    """
    folder = Path(images.data) if isinstance(images.data, (str, Path)) else None
    if images.labels_csv is not None:
        found = from_csv(images.labels_csv, folder, labels, outputs)
    elif folder is not None:
        found = from_folder(folder, labels, outputs)
    else:
        raise UsageError("There are no images to evaluate on.", "Give --data FOLDER or --labels-csv FILE.")
    if images.count is None:
        return found
    chosen = drawing_order(found.names, found.classes, images.seed)[: images.count]
    return replace(found, names=tuple(found.names[i] for i in chosen), classes=tuple(found.classes[i] for i in chosen))


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
    matching = match_classes(listing.class_names, labels, outputs, what="class folders")
    classes = tuple(label for label in listing.labels if label is not None)
    return Labelled(listing.root, listing.names, classes, matching)


def from_csv(table: Path, folder: Path | None, labels: Sequence[str], outputs: int) -> Labelled:
    """The images that a CSV file names, in its order.

    Args:
      table: two columns, `file,label`, with or without that head; labels are names or output indices.
      folder: what the files are relative to; None for the table's own folder.
      labels, outputs: see `from_folder`.

    Raises:
      DataError: the file cannot be read, a row has no label, or the labels cannot be matched to the outputs.
    """
    rows = read_table(table)
    numbers = {name: number for number, name in enumerate(sorted({label for _, label in rows}))}
    matching = match_classes(tuple(numbers), labels, outputs, what=f"labels in {table.name}", are_folders=False)
    return Labelled(
        folder or table.parent, tuple(file for file, _ in rows), tuple(numbers[label] for _, label in rows), matching
    )


def read_table(table: Path) -> list[tuple[str, str]]:
    """The rows (file, label) of a table; raises DataError as `from_csv`."""
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


def with_table(samples: Samples, table: Labelled) -> Samples:
    """Those of some images that a table names, each with its class from there.

    Raises:
      DataError: the table names none of them.
    """
    classes = {Path(name).as_posix(): label for name, label in zip(table.names, table.classes, strict=True)}
    known = tuple(replace(c, label=classes[c.name]) for c in samples.candidates if c.name in classes)
    if not known:
        raise DataError(
            f"None of the {len(classes)} images in the table is in {samples.origin}.",
            "Write their paths as they are within --data.",
        )
    return replace(samples, candidates=known, count=min(samples.count, len(known)))
