"""Images that come as numbers: arrays, `.npy` and `.npz` files, Python iterables.

What does not fit in memory stays on disk: files are mapped, a one-shot iterable is written to an
anonymous temporary file once, so that it can be read again and in any order.
"""

import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import IO, TypeGuard

import numpy as np
from numpy.lib import format as npy

from edgekit.errors import DataError, EdgekitError
from edgekit.files import open_regular
from edgekit.image import ImageLike, decode

#: Names under which `.npz` files keep images and their labels, in the order they are tried.
_KEYS = (
    ("x", "y"),
    ("images", "labels"),
    ("x_train", "y_train"),
    ("x_val", "y_val"),
    ("x_test", "y_test"),
    ("data", "target"),
    ("arr_0", "arr_1"),
)

#: Normalized images lie within about ±2.7 under every convention with a mean and a deviation.
_NORMALIZED = 4.0


def read_archive(path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    """Opens a `.npy` file, or the images and labels of a `.npz` file, without loading the images.

    Returns:
      A memory-mapped array of images, and the labels where the file has them.

    Raises:
      DataError: the file is missing, damaged, holds Python objects, or no images by a usual name.
    """
    try:
        if path.suffix.lower() == ".npy":
            with open_regular(path, None) as file:
                return _map(file), None
        with open_regular(path, None) as file, zipfile.ZipFile(file) as archive:
            return _read_npz(archive)
    except EdgekitError as error:
        raise type(error)(f"'{path}': {error.message}", error.hint) from error
    except FileNotFoundError:
        raise DataError(f"There is no file '{path}'.", "Check the path given as data.") from None
    except Exception as error:  # zipfile and numpy raise what they like on damaged files
        raise DataError(f"'{path}' cannot be read as {path.suffix}: {_short(error)}.", _ARCHIVE_HINT) from error


_ARCHIVE_HINT = "Write it again with numpy.save or numpy.savez, images as one array (N, H, W, C)."


def _short(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:120]


def _read_npz(archive: zipfile.ZipFile) -> tuple[np.ndarray, np.ndarray | None]:
    members = {name[: -len(".npy")].lower(): name for name in archive.namelist() if name.endswith(".npy")}
    images, labels = next(((x, y) for x, y in _KEYS if x in members), (None, None))
    if images is None and len(members) == 1:
        images = next(iter(members))
    if images is None:
        raise DataError(f"It holds {sorted(members) or 'no arrays'}, none of them named x or images.", _ARCHIVE_HINT)
    return _unpack(archive, members[images]), _unpack(archive, members[labels]) if labels in members else None


def _unpack(archive: zipfile.ZipFile, member: str) -> np.ndarray:
    size, free = archive.getinfo(member).file_size, shutil.disk_usage(tempfile.gettempdir()).free
    if size > free:  # a small file may claim any size
        raise DataError(
            f"{member} unpacks to {size / 1e9:.3g} GB; {tempfile.gettempdir()} has {free / 1e9:.3g} GB free.",
            "Free some space, name another folder in TMPDIR, or write the array as .npy, which is read where it lies.",
        )
    with tempfile.TemporaryFile() as file:
        with archive.open(member) as packed:
            shutil.copyfileobj(packed, file)
        file.seek(0)
        return _map(file)


def _map(file: IO[bytes]) -> np.ndarray:
    """Maps the array that begins at the file's position; the mapping outlives the closed file."""
    version = npy.read_magic(file)
    header = npy.read_array_header_1_0(file) if version == (1, 0) else npy.read_array_header_2_0(file)
    shape, fortran, dtype = header
    if dtype.hasobject:
        raise DataError("It holds Python objects, which edgekit does not unpickle.", _ARCHIVE_HINT)
    if dtype.itemsize == 0 or 0 in shape:
        raise DataError(f"It holds an array of shape {shape} and type {dtype.str}: no images.", _ARCHIVE_HINT)
    order = "F" if fortran else "C"
    mapped: np.ndarray = np.memmap(file, dtype, "r", file.tell(), shape, order)  # type: ignore[call-overload]
    return mapped


def class_indices(labels: np.ndarray | None, count: int) -> list[int | None]:
    """One class index per image, from indices (N,), (N, 1) or one-hot rows (N, K).

    Raises:
      DataError: there are not as many labels as images, or they are no class indices.
    """
    if labels is None:
        return [None] * count
    values = np.asarray(labels)
    if values.ndim == 2 and values.shape[1] > 1:
        values = values.argmax(axis=1)
    values = values.reshape(-1) if values.ndim == 2 else values
    if values.shape != (count,):
        raise DataError(f"There are labels of shape {np.shape(labels)} for {count} images.")
    if values.dtype.kind not in "iuf" or (values != np.floor(values)).any() or (values < 0).any():
        raise DataError(f"The labels ({values.dtype}) are not class indices 0, 1, 2 ….")
    return [int(value) for value in values]


def check_stack(images: np.ndarray) -> None:
    """Refuses an array that is not a stack of images (N, H, W) or (N, H, W, C).

    Raises:
      DataError: names the offending shape.
    """
    shape, channels_last = images.shape, "Images come as one array (N, H, W, C) with C = 1, 3 or 4."
    if images.ndim == 4 and shape[1] in (1, 3) and shape[3] not in (1, 3, 4):
        hint = "It looks channels-first: transpose it with x.transpose(0, 2, 3, 1)."
        raise DataError(f"An array of shape {shape} is not a stack of images.", hint)
    single = images.ndim == 3 and shape[2] in (3, 4)
    if images.ndim not in (3, 4) or single or 0 in shape or (images.ndim == 4 and shape[3] not in (1, 3, 4)):
        raise DataError(f"An array of shape {shape} is not a stack of images.", channels_last)


def are_normalized(images: Iterable[np.ndarray]) -> bool:
    """Whether the arrays are normalized already (floats within ±4) rather than pixels (0 to 255).

    Raises:
      DataError: they are neither, or hold values that are no finite numbers.
    """
    low, high, kinds = np.inf, -np.inf, set()
    for image in images:
        if image.dtype.kind not in "iuf":
            raise DataError(f"An array of {image.dtype} is not an image.", _VALUES_HINT)
        low, high = np.minimum(low, image.min()), np.maximum(high, image.max())
        kinds.add(image.dtype.kind)
    if not np.isfinite([low, high]).all():
        raise DataError("The images hold NaN or infinite values.", "Remove them: no range can be taken from them.")
    if kinds == {"f"} and max(abs(low), abs(high)) <= _NORMALIZED:
        return True
    if low < -0.5 or high > 255.5:
        raise DataError(f"Values from {low:g} to {high:g} are neither pixels nor normalized.", _VALUES_HINT)
    return False


_VALUES_HINT = "Give uint8 pixels, floats from 0 to 255, or floats that are normalized as the model wants them."


def spool(data: object, count: int | None) -> list[np.ndarray]:
    """Writes down the first `count` images of an iterable, which may be endless or run only once.

    `data` is the iterable, or a function that returns it.

    An item is an array, anything `image.decode` takes, or, as TensorFlow's representative
    data sets give it, a list or tuple holding one array; a leading batch axis of 1 is dropped.

    Returns:
      Read-only arrays that share one mapping of an anonymous temporary file.

    Raises:
      DataError: there is no iterable, it fails, or an item is none of these.
    """
    places = []
    try:
        images = data() if callable(data) else data
        if not isinstance(images, Iterable):
            hint = "Give a folder, a .npz or .npy file, an array, or an iterable of images."
            raise DataError(f"A {type(images).__name__} is no representative data.", hint)
        with tempfile.TemporaryFile() as file:
            for array in islice(_arrays(images), count):
                places.append((array.shape, array.dtype, file.tell()))
                file.write(array.tobytes())
            file.flush()
            content = np.memmap(file, np.uint8, "r") if places else np.empty(0, np.uint8)
    except EdgekitError:
        raise
    except Exception as error:  # the caller's own generator may raise anything
        raise DataError(f"The iterable of images failed: {type(error).__name__}: {_short(error)}.") from error
    return [np.ndarray(shape, dtype, content, offset) for shape, dtype, offset in places]


def _arrays(images: Iterable[object]) -> Iterator[np.ndarray]:
    for number, item in enumerate(images):
        if isinstance(item, (list, tuple)) and len(item) == 1:
            item = item[0]
        if isinstance(item, (list, tuple, dict, set)):
            hint = "Yield one array of shape (H, W, C) or (1, H, W, C) at a time."
            raise DataError(f"Item {number} of the iterable is a {type(item).__name__} of {len(item)}.", hint)
        array = np.asarray(decode(item) if _is_encoded(item) else item)
        if array.ndim == 4 and array.shape[0] == 1:
            array = array[0]
        if array.dtype.hasobject or array.ndim not in (2, 3) or 0 in array.shape:
            raise DataError(f"Item {number} of the iterable has shape {array.shape} and is no image.")
        yield array


def _is_encoded(item: object) -> TypeGuard[ImageLike]:
    return isinstance(item, (str, Path, bytes)) or hasattr(item, "getbands")
