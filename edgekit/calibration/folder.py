"""A folder of images: which files count, what class each shows, and in which order they are drawn.

Nothing is decoded here. Names are POSIX paths relative to the folder, so that the same images on
another machine or file system give the same list, the same classes and the same order.
"""

import hashlib
import os
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path, PurePosixPath

from PIL import Image

from edgekit.errors import DataError

#: Folders of these names divide a data set; their sub-folders are the classes.
SPLITS = frozenset({"train", "training", "val", "valid", "validation", "eval", "test", "testing"})

#: Formats that Pillow can only identify (stubs) or hands to another program (Ghostscript, GDI).
_NOT_DECODED = frozenset({"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"})


@dataclass(frozen=True)
class Listing:
    """The images of one folder.

    Attributes:
      root: the folder.
      names: the images' paths relative to `root`, sorted.
      labels: for each name its index into `class_names`; all None without classes.
      class_names: sorted names of the class folders, or () where the folder shows no classes.
    """

    root: Path
    names: tuple[str, ...]
    labels: tuple[int | None, ...]
    class_names: tuple[str, ...]


def list_folder(root: Path) -> Listing:
    """Lists the images under a folder, whatever their depth, and finds their classes.

    Hidden files and files of other kinds are passed over; links to folders are followed once.
    A folder shows classes when each image lies in one of several sub-folders, at any one level
    below folders that only wrap (`photos/roses/1.jpg`) or divide the set (`train/roses/1.jpg`).

    Raises:
      DataError: there is no such folder, it may not be read, or it holds no image.
    """
    suffixes = _image_suffixes()
    found = sorted(_walk(root))
    names = tuple(name for name in found if PurePosixPath(name).suffix.lower() in suffixes)
    if not names:
        raise DataError(f"There are no images in the folder '{root}' ({_others(found)}).", _EMPTY_HINT)
    classes = _class_of_each(names)
    class_names = tuple(sorted(set(classes)))
    index = {name: number for number, name in enumerate(class_names)}
    return Listing(root, names, tuple(index[name] for name in classes) or (None,) * len(names), class_names)


_EMPTY_HINT = "Give a folder that holds images (JPEG, PNG, WebP, BMP, TIFF …), directly or in sub-folders."


def _others(found: list[str]) -> str:
    if not found:
        return "it is empty"
    kinds = Counter(PurePosixPath(name).suffix.lower() or "no suffix" for name in found).most_common(3)
    return "only other files: " + ", ".join(f"{number} × {kind}" for kind, number in kinds)


def _image_suffixes() -> frozenset[str]:
    registered = Image.registered_extensions()
    return frozenset(suffix for suffix, kind in registered.items() if kind in Image.OPEN and kind not in _NOT_DECODED)


def _walk(root: Path) -> Iterator[str]:
    """Relative paths of all visible regular files; each real folder is entered once, so loops end."""
    entered = set()
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        entries = _entries(root, folder)
        for entry in sorted(entries, key=lambda entry: entry.name):
            name = f"{folder}/{entry.name}" if folder else entry.name
            if os.path.isdir(entry.path):  # unlike entry.is_dir(), False for a link to itself
                real = os.path.realpath(entry.path)
                if real not in entered:
                    entered.add(real)
                    waiting.append(name)
            elif os.path.isfile(entry.path):  # not a pipe, which would block, nor a link to nowhere
                yield name


def _entries(root: Path, place: str) -> list["os.DirEntry[str]"]:
    folder = root / place
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if not entry.name.startswith((".", "__MACOSX"))]
    except FileNotFoundError:
        if place:  # gone since it was listed
            return []
        raise DataError(f"There is no folder '{folder}'.", "Check the path given as data.") from None
    except OSError as error:
        raise DataError(f"The folder '{folder}' cannot be read: {error.strerror}.") from error


def _class_of_each(names: Sequence[str]) -> list[str]:
    """The class folder of each image; [] where the layout shows none."""
    parents = [PurePosixPath(name).parts[:-1] for name in names]
    while all(parents):
        top = {parts[0] for parts in parents}
        if len(top) > 1 and not {name.lower() for name in top} <= SPLITS:
            return [parts[0] for parts in parents]
        parents = [parts[1:] for parts in parents]
    return []


def drawing_order(names: Sequence[str], groups: Sequence[int | None], seed: int) -> list[int]:
    """The order in which to draw images: random for the eye, the same on every machine.

    Each image's place comes from a hash of the seed and its own name, so that it depends on no
    generator's version, and adding an image does not reshuffle the others. Groups (classes) take
    turns, so that every beginning of the order holds all of them as evenly as it can.

    Returns:
      Indices into `names`, each once.
    """

    def ticket(text: str) -> bytes:
        plain = unicodedata.normalize("NFC", f"{seed}/{text}")  # macOS stores names decomposed
        return hashlib.blake2b(plain.encode("utf-8", "surrogateescape"), digest_size=16).digest()

    decks: dict[int | None, list[int]] = {}
    for index in sorted(range(len(names)), key=lambda index: ticket(names[index])):
        decks.setdefault(groups[index], []).append(index)
    return [index for turn in zip_longest(*decks.values()) for index in turn if index is not None]
