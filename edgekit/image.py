"""Any image → upright 8-bit RGB: formats, modes, orientation, transparency, depth, and what is refused."""

import os
import re
import warnings
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Callable, List, Mapping, Tuple, Union

import numpy as np
from PIL import Image, UnidentifiedImageError

from edgekit.errors import ImageError
from edgekit.files import MAX_IMAGE_BYTES, open_regular

#: What `decode` takes: a path, the encoded bytes of a file, an opened image, or an H×W(×C) array.
ImageLike = Union[str, Path, bytes, "Image.Image", np.ndarray]

#: Most pixels that are decoded: they take up to nine bytes each, which a board with 1 GB of memory can bear.
#: (A larger JPEG file is decoded at a fraction of its size where that will do.)
MAX_PIXELS = 50_000_000

#: Longest side of an image that is decoded, in pixels: JPEG's own bound. Each row costs memory of its own.
MAX_SIDE = 65_535

# Pixels of a strip, where converting the whole image at once would take several times its memory.
_STRIP = 1 << 20

#: EXIF orientation → the Pillow transposition that undoes it. (`ImageOps.exif_transpose` also
#: rewrites the EXIF data, and fails where these are odd.)
_UPRIGHT: Mapping[Any, Any] = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}
_ORIENTATION = 0x0112

_PILLOW = re.compile(r"PIL\.")


def images_in(folder: Path) -> List[Path]:
    """The files in and below a folder that are images by their suffix, in order; what cannot be read has none."""
    suffixes = set(Image.registered_extensions())
    files = (Path(place, name) for place, _, names in os.walk(str(folder)) for name in names)
    return sorted(file for file in files if file.suffix.lower() in suffixes and file.is_file())


def decode(image: ImageLike, *, least: int = 0) -> Image.Image:
    """Opens an image as upright 8-bit RGB.

    EXIF orientation is applied, transparency is laid over white, 16-bit greys are scaled to 8 bits,
    of an animation the first frame is taken; colour profiles are ignored, as training pipelines do.
    Arrays hold values from 0 to 255, whatever their type.

    Args:
      image: see `ImageLike`. A Pillow image that is upright RGB already comes back as it is, not as a copy.
      least: how many pixels both sides need. A JPEG file that has far more is decoded at 1/2, 1/4 or
        1/8 of its size, which its format offers at a fraction of the time. 0: the full size.

    Raises:
      ImageError: the image is missing, damaged, truncated, or absurdly large.
    """
    if isinstance(image, np.ndarray):
        return _from_array(image)
    if not isinstance(image, (str, Path, bytes, Image.Image)):
        raise ImageError(f"A {type(image).__name__} is not an image.", "Give a path, bytes, an image or an array.")
    _ignore_pillow_warnings()
    name = str(image) if isinstance(image, (str, Path)) else "The image in memory"
    try:
        if isinstance(image, Image.Image):
            return _to_rgb(image)
        with _stream(image) as stream, Image.open(stream) as opened:
            if opened.info.get("progressive"):  # held in memory as a whole, whatever size is decoded
                _check_size(opened)
            if least:
                opened.draft(None, (least, least))
            return _to_rgb(opened)
    except Exception as error:  # Pillow's decoders raise whatever their formats do
        raise ImageError(f"{name} {_what_is_wrong(error)}.") from error


def _stream(image: Union[str, Path, bytes]) -> BinaryIO:
    return BytesIO(image) if isinstance(image, bytes) else open_regular(image, MAX_IMAGE_BYTES)


def size_problem(size: Tuple[int, int]) -> str:
    """Why an image of (width, height) pixels is not decoded, or ""."""
    width, height = size
    if width * height <= MAX_PIXELS and max(size) <= MAX_SIDE:
        return ""
    most = f"at most {MAX_PIXELS / 1e6:.0f} million, no side longer than {MAX_SIDE}"
    return f"is too large to decode safely ({width}x{height} pixels; {most})"


def _check_size(image: Image.Image) -> None:
    problem = size_problem(image.size)
    if problem:
        raise ImageError(problem)


def _what_is_wrong(error: Exception) -> str:
    if isinstance(error, ImageError):
        return error.message
    if isinstance(error, FileNotFoundError):
        return "does not exist"
    if isinstance(error, IsADirectoryError):
        return "is a folder, not an image"
    if isinstance(error, PermissionError):
        return "may not be read by this user"
    if isinstance(error, UnidentifiedImageError):
        return "is not an image that Pillow can open"
    if isinstance(error, Image.DecompressionBombError):
        return "is too large to decode safely"
    if isinstance(error, OSError) and error.filename is not None:  # Pillow's own name no file
        return f"cannot be read: {error.strerror}"
    return f"cannot be decoded: {_short(error)}"


def _ignore_pillow_warnings() -> None:
    """Silences Pillow's remarks on odd but readable files (broken EXIF, palette transparency).

    For the whole process: `warnings.catch_warnings` swaps the filters under other threads' feet,
    and images are decoded in threads. What must stop an image is checked without warnings.
    """
    if not warnings.filters or warnings.filters[0][3] != _PILLOW:
        warnings.filterwarnings("ignore", module=_PILLOW.pattern)


def _short(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:120]


def _from_array(array: np.ndarray) -> Image.Image:
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)) or 0 in array.shape:
        raise ImageError(f"An array of shape {array.shape} is not an image (expected H×W, H×W×3 or H×W×4).")
    if array.dtype != np.uint8:
        problem = _array_problem(array)
        if problem:
            raise ImageError(f"An array of {problem} is not an image.", "Give values from 0 to 255.")
        array = np.clip(np.rint(array), 0, 255).astype(np.uint8)
    return _to_rgb(Image.fromarray(np.ascontiguousarray(array)))


def _array_problem(array: np.ndarray) -> str:
    """What speaks against taking the values for 0–255; floats may overshoot a little, as bicubic resizing does."""
    if array.dtype.kind not in "iuf":
        return str(array.dtype)
    low, high = float(array.min()), float(array.max())
    if not np.isfinite(low + high):
        return "NaN or infinite values"
    if array.dtype.kind == "f" and low != high and low >= -4 and high <= 4:
        return f"normalized values ({low:.3g} to {high:.3g})"
    slack = 64 if array.dtype.kind == "f" else 0
    if low < -slack or high > 255 + slack:
        return f"values from {low:.6g} to {high:.6g}"
    return ""


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.format == "EPS":
        raise ImageError("is EPS, which only another program (Ghostscript) could draw")
    _check_size(image)
    image.load()
    kind, image = image.format, _upright(image)
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        # Mode "I" is 32 bits wide, but Pillow also gives it to 16-bit PNG and PGM files.
        sixteen = image.mode.startswith("I;16") or (image.mode == "I" and kind in ("PNG", "PPM"))
        scale = _scale_to_8_bits(image, sixteen)
        return _by_strips(image, lambda strip: Image.fromarray(_grey_to_8_bits(np.asarray(strip), scale)))
    if image.mode in ("RGBA", "LA", "La", "PA", "RGBa") or "transparency" in image.info:
        return _by_strips(image, _over_white)
    return image if image.mode == "RGB" else image.convert("RGB")


def _by_strips(image: Image.Image, convert: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """An RGB image whose strips are those of `image`, converted one after the other."""
    result, rows = Image.new("RGB", image.size), max(1, _STRIP // image.width)
    for top in range(0, image.height, rows):
        strip = image.crop((0, top, image.width, min(top + rows, image.height)))
        result.paste(convert(strip).convert("RGB"), (0, top))
    return result


def _over_white(image: Image.Image) -> Image.Image:
    coloured = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", coloured.size, "white"), coloured)


def _upright(image: Image.Image) -> Image.Image:
    if image.format == "TIFF":  # turned by Pillow while loading
        return image
    try:
        turn = _UPRIGHT.get(image.getexif().get(_ORIENTATION))
    except Exception:  # broken EXIF data spoil the orientation, not the image
        return image
    return image if turn is None else _without_orientation(image.transpose(turn))


def _without_orientation(image: Image.Image) -> Image.Image:
    """The image without its EXIF data and XMP: decoded again, as crops of it are, it would turn once more."""
    image.info = {key: value for key, value in image.info.items() if key == "transparency"}
    return image


def _scale_to_8_bits(image: Image.Image, sixteen: bool) -> float:
    """What 16-bit greys are divided by; wider and float ones by the smallest usual range that holds them."""
    values = np.asarray(image)
    top, fractions = float(values.max()), values.dtype.kind == "f"
    if not np.isfinite(top) or (fractions and not np.isfinite(values.min())):
        raise ImageError("holds NaN or infinite values")
    if sixteen or 255 < top <= 65535:
        return 257.0
    return 1 / 255 if fractions and top <= 1 else max(1.0, top / 255)


def _grey_to_8_bits(values: np.ndarray, scale: float) -> np.ndarray:
    return np.asarray(np.clip(np.rint(values.astype(np.float64) / scale), 0, 255), np.uint8)
