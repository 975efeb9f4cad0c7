"""Which files are images of which class, and on which side the user has put them; nothing is decoded here."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from edgekit.calibration.class_matching import plain
from edgekit.calibration.folder import SPLITS, Listing, list_folder
from edgekit.calibration.labelled import read_table
from edgekit.errors import DataError

_TRAINING = frozenset({"train", "training"})
_TESTING = frozenset({"test", "testing"})


@dataclass(frozen=True)
class Listed:
    """An image's file.

    Attributes:
      path: of the file.
      name: the path relative to the folder that was given.
      label: name of its class.
      side: "train" or "test"; "val" and "" while it is not settled which.
    """

    path: Path
    name: str
    label: str
    side: str = ""


def list_images(images: Path, labels_csv: Path | None, test: Path | None) -> tuple[Listed, ...]:
    """The images, each with its class and, where the user has divided them, with its side.

    Raises:
      DataError: there are no images or no classes, or a class folder is empty.
    """
    if labels_csv is not None:
        found = [Listed(images / file, file, label) for file, label in read_table(labels_csv)]
    else:
        found = _settled(_in_folders(images))
    if test is not None:
        found = [replace(each, side="train") for each in found]
        found += [replace(each, side="test") for each in _in_folders(test)]
    return tuple(found)


def class_names(listed: Sequence[Listed]) -> tuple[str, ...]:
    """Names of the classes, sorted, as Keras numbers them.

    Raises:
      DataError: there are fewer than two, two are the same but for case and spaces, some are only judged on, or one is
        nothing that a model's file can hold.
    """
    names = sorted({each.label for each in listed if each.side != "test"})
    for name in names:
        _check_name(name)
    known = {plain(name): name for name in names}
    if len(names) < 2:
        raise _one_class(names[0])
    if len(known) < len(names):
        twice = next(name for name in names if known[plain(name)] != name)
        raise DataError(f"The classes {twice!r} and {known[plain(twice)]!r} differ in spelling only.", "Rename one.")
    strange = sorted({each.label for each in listed if plain(each.label) not in known})
    if strange:
        raise DataError(
            f"There is nothing to train the class {strange[0]!r} on, which is among the images to judge on.",
            f"The classes to train are: {', '.join(names[:5])}{' …' if len(names) > 5 else ''}.",
        )
    return tuple(names)


def _check_name(name: str) -> None:
    """Raises DataError, before the work, for what cannot be a line of UTF-8: so class names are stored."""
    try:
        kept = name.encode().strip() and "\n" not in name and "\r" not in name
    except UnicodeEncodeError:  # a file name in another encoding
        kept = False
    if not kept:
        raise DataError(
            f"The class name {name!a} cannot be stored: it is empty, has a line break or is not UTF-8.",
            "Rename it.",
        )


def _in_folders(folder: Path) -> list[Listed]:
    listing = list_folder(folder)
    if not listing.class_names:
        inside = {PurePosixPath(name).parts[0] for name in listing.names if "/" in name}
        if len(inside) == 1 and all("/" in name for name in listing.names):
            raise _one_class(inside.pop())
        raise DataError(
            f"The folder '{folder}' does not show its images' classes.",
            "Put each class into a sub-folder of its name, or give --labels-csv with the columns file,label.",
        )
    labels = [listing.class_names[label] for label in listing.labels if label is not None]
    _refuse_empty(listing, labels)
    return [
        Listed(listing.root / name, name, label, _side(name, label))
        for name, label in zip(listing.names, labels, strict=True)
    ]


def _one_class(name: str) -> DataError:
    return DataError(
        f"All images are of one class, {name!r}; a classifier tells two or more apart.",
        "Add a folder of images that are something else.",
    )


def _side(name: str, label: str) -> str:
    """What the folders around a class folder say its images are for."""
    folders = PurePosixPath(name).parts
    for folder in (part.lower() for part in folders[: folders.index(label)]):
        if folder in SPLITS:
            return "train" if folder in _TRAINING else "test" if folder in _TESTING else "val"
    return ""


def _settled(listed: list[Listed]) -> list[Listed]:
    """With a test set, the validation set is trained on, since penalties are cross-validated; without, it is the test.

    Images that all have one side are not divided.
    """
    sides = {each.side for each in listed}
    if len(sides) < 2:
        return [replace(each, side="") for each in listed]
    other = "train" if sides == {"test", "val"} or "test" in sides else "test"
    return [replace(each, side=other) if each.side == "val" else each for each in listed]


def _refuse_empty(listing: Listing, labels: Sequence[str]) -> None:
    """Raises DataError where a folder beside the class folders holds no image."""
    known = set(listing.class_names)
    around = {
        PurePosixPath(name).parts[: PurePosixPath(name).parts.index(label)]
        for name, label in zip(listing.names, labels, strict=True)
    }
    for place in sorted(around):
        for entry in sorted(listing.root.joinpath(*place).iterdir()):
            if entry.is_dir() and entry.name not in known and not entry.name.startswith((".", "__MACOSX")):
                raise DataError(
                    f"The class folder '{entry}' holds no images.", "Put some into it, or take the folder away."
                )
