"""An image's file read once: its digests, and the views of it that a network is shown."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from edgekit.errors import ImageError
from edgekit.files import MAX_IMAGE_BYTES, read_bytes
from edgekit.image import decode
from edgekit.preprocess import InputSpec, fit

#: An image is decoded with at least so many times the input's pixels on a side: views are cut from it.
_SPARE = 2


@dataclass(frozen=True)
class View:
    """One way to show an image, so that a classifier learns what does not matter.

    Attributes:
      name: for caches and reports.
      box: (left, top, right, bottom) of what is seen, as parts of the sides.
      flip: whether left and right change places.
    """

    name: str
    box: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    flip: bool = False


PLAIN = View("plain")
FLIP = View("flip", flip=True)
CROPS = (View("crop", (0.0, 0.0, 0.85, 0.85)), View("flipped crop", (0.15, 0.15, 1.0, 1.0), flip=True))


@dataclass(frozen=True)
class Fingerprint:
    """What tells images apart.

    Attributes:
      content: digest of the file's bytes.
      pixels: digest of the pixels at a model's input.
    """

    content: str
    pixels: str


def read(path: Path) -> bytes:
    """An image's file. Raises ImageError where it cannot be read."""
    try:
        return read_bytes(path, MAX_IMAGE_BYTES)
    except OSError as error:
        raise ImageError(f"{path} cannot be read: {(error.strerror or type(error).__name__).lower()}.") from error


def digest(content: bytes) -> str:
    """A digest of 128 bits, in hexadecimal."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def fingerprint(path: Path, spec: InputSpec) -> Fingerprint:
    """The digests of an image. Raises ImageError where it cannot be decoded."""
    content = read(path)
    try:
        return Fingerprint(digest(content), digest(fit(content, spec).tobytes()))
    except ImageError as error:
        raise ImageError(error.message.replace("The image in memory", str(path))) from error


def show(content: bytes, views: tuple[View, ...], spec: InputSpec) -> list[np.ndarray]:
    """Each view of an encoded image, uint8 (height, width, channels). Raises ImageError."""
    opened = decode(content, least=_SPARE * max(spec.height, spec.width))
    return [fit(_cut(opened, view), spec) for view in views]


def _cut(image: Image.Image, view: View) -> Image.Image:
    if view.box != PLAIN.box:
        left, top, right, bottom = view.box
        x, y = int(left * image.width), int(top * image.height)
        # At least one pixel, of images however small.
        image = image.crop((x, y, max(int(right * image.width), x + 1), max(int(bottom * image.height), y + 1)))
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if view.flip else image
