"""From a picture to a model's input: one path for calibration, evaluation and the devices.

`decode` opens a picture of any kind as upright RGB, `fit` brings it to the input size, and
`normalize` applies `(pixel - mean) / std`. `InputSpec` records all three steps and travels with
the model, so that nobody has to know «mean 127, std 128» a second time.
"""

import math
import operator
import re
import warnings
from dataclasses import asdict, dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any, Dict, Mapping, Tuple, Union

import numpy as np
from PIL import Image, UnidentifiedImageError

from edgekit.errors import PictureError, UsageError

#: What `decode` takes: a path, the encoded bytes of a file, an opened picture, or an H×W(×C) array.
Picture = Union[str, Path, bytes, "Image.Image", np.ndarray]

#: name → (mean, std, channel order). The conventions in use for ImageNet-style classifiers.
CONVENTIONS: Mapping[str, Tuple[Tuple[float, ...], Tuple[float, ...], str]] = {
    "raw": ((0.0,) * 3, (1.0,) * 3, "rgb"),
    "0..1": ((0.0,) * 3, (255.0,) * 3, "rgb"),
    "-1..1": ((127.5,) * 3, (127.5,) * 3, "rgb"),
    "lite": ((127.0,) * 3, (128.0,) * 3, "rgb"),
    "imagenet": ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375), "rgb"),
    "caffe": ((103.939, 116.779, 123.68), (1.0,) * 3, "bgr"),
}

RESIZE_MODES = ("stretch", "crop")
_FILTERS = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3}
INTERPOLATIONS = tuple(_FILTERS)

#: Longest side of a model's input, in pixels. EfficientNet-B7 takes 600.
MAX_SIDE = 8192

#: Most pixels of a picture that is decoded; Pillow's own bound against decompression bombs.
MAX_PIXELS = 89_478_485

#: EXIF orientation → the Pillow transposition that undoes it. (`ImageOps.exif_transpose` also
#: rewrites the EXIF data, and fails where these are odd.)
_UPRIGHT: Mapping[Any, Any] = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}
_ORIENTATION = 0x0112

_PILLOW = re.compile(r"PIL\.")


@dataclass(frozen=True)
class InputSpec:
    """How a picture becomes a model's input tensor.

    Attributes:
      height, width: size of the input in pixels.
      channels: 3 (colour) or 1 (grey).
      mean, std: one value per channel, in the model's channel order and in pixel units (0–255);
        the model sees `(pixel - mean) / std`.
      order: "rgb" or "bgr", the channel order the model expects.
      resize: "stretch" ignores the aspect ratio; "crop" keeps it and takes the centre.
      crop: for "crop", the fraction of the shorter side that is kept (ImageNet evaluation: 0.875).
      interpolation: Pillow filter used for resizing (antialiased when shrinking).
    """

    height: int
    width: int
    channels: int = 3
    mean: Tuple[float, ...] = (0.0, 0.0, 0.0)
    std: Tuple[float, ...] = (1.0, 1.0, 1.0)
    order: str = "rgb"
    resize: str = "stretch"
    crop: float = 1.0
    interpolation: str = "bilinear"

    def __post_init__(self) -> None:
        try:
            for name in ("height", "width", "channels"):
                object.__setattr__(self, name, operator.index(getattr(self, name)))
            for name in ("mean", "std"):
                object.__setattr__(self, name, tuple(float(value) for value in getattr(self, name)))
            problem = _spec_problem(self)
        except (TypeError, ValueError) as error:
            problem = str(error)
        if problem:
            raise UsageError(f"Input description is not usable: {problem}.")

    @property
    def shape(self) -> Tuple[int, int, int]:
        """(height, width, channels)."""
        return (self.height, self.width, self.channels)

    def with_convention(self, name: str) -> "InputSpec":
        """The same input under one of `CONVENTIONS`; grey inputs take the channels' average.

        Raises:
          UsageError: there is no such convention.
        """
        if name not in CONVENTIONS:
            raise UsageError(f"There is no convention {name!r}.", f"Choose one of: {', '.join(CONVENTIONS)}.")
        mean, std, order = CONVENTIONS[name]
        if self.channels == 1:
            mean, std, order = (sum(mean) / 3,), (sum(std) / 3,), "rgb"
        return replace(self, mean=mean, std=std, order=order)

    def to_json(self) -> Dict[str, Any]:
        """A JSON-ready dictionary that `from_json` reads back."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "InputSpec":
        """Reads what `to_json` wrote. Raises UsageError where a field is missing or unusable."""
        if not isinstance(value, Mapping) or "height" not in value or "width" not in value:
            raise UsageError("Input description is not usable: it names no height and width.")
        return cls(**{name: value[name] for name in cls.__dataclass_fields__ if name in value})


def _spec_problem(spec: InputSpec) -> str:
    if spec.channels not in (1, 3):
        return f"{spec.channels} channels, expected 1 or 3"
    if min(spec.height, spec.width) < 1 or max(spec.height, spec.width) > MAX_SIDE:
        return f"size {spec.height}x{spec.width}, expected 1 to {MAX_SIDE}"
    if len(spec.mean) != spec.channels or len(spec.std) != spec.channels:
        return f"{len(spec.mean)} means and {len(spec.std)} stds for {spec.channels} channels"
    if not np.all(np.isfinite(spec.mean)) or not np.all(np.isfinite(spec.std)) or min(spec.std) <= 0:
        return f"mean {spec.mean}, std {spec.std}"
    if spec.order not in ("rgb", "bgr"):
        return f"channel order {spec.order!r}, expected 'rgb' or 'bgr'"
    if spec.resize not in RESIZE_MODES or spec.interpolation not in _FILTERS:
        return f"resize {spec.resize!r} with {spec.interpolation!r}"
    if not 0 < spec.crop <= 1:
        return f"crop fraction {spec.crop}, expected more than 0 and at most 1"
    return ""


def describe(spec: InputSpec) -> str:
    """One phrase for people: the convention's name where there is one, else mean and std."""
    for name in CONVENTIONS:
        known = spec.with_convention(name)
        if (known.mean, known.std, known.order) == (spec.mean, spec.std, spec.order):
            return {"raw": "raw pixels 0..255", "caffe": "caffe (BGR, mean subtracted)"}.get(name, name)
    mean, std = (", ".join(f"{v:g}" for v in values) for values in (spec.mean, spec.std))
    return f"(x - [{mean}]) / [{std}] {spec.order.upper()}"


def parse_preprocess(text: str, spec: InputSpec) -> InputSpec:
    """The same input with the scaling a user wrote.

    `text` is the name of one of `CONVENTIONS`, or the mean and the standard deviation in pixel units:
    `127.5,127.5` for all channels, or `123.7,116.3,103.5/58.4,57.1,57.4` for each, in the model's order.

    Raises:
      UsageError: it is neither.
    """
    name = text.strip().lower()
    if name in CONVENTIONS:
        return spec.with_convention(name)
    try:
        mean, std = (
            _values(part, spec.channels) for part in (name if "/" in name else name.replace(",", "/")).split("/")
        )
        return replace(spec, mean=mean, std=std)
    except (ValueError, UsageError) as error:
        raise UsageError(
            f"Preprocessing {text!r} is not understood.",
            f"Give one of {', '.join(CONVENTIONS)}, or mean,std such as 127.5,127.5, or m1,m2,m3/s1,s2,s3.",
        ) from error


def _values(text: str, channels: int) -> Tuple[float, ...]:
    values = tuple(float(value) for value in text.split(","))
    return values * channels if len(values) == 1 else values


def decode(picture: Picture, *, least: int = 0) -> Image.Image:
    """Opens a picture as upright 8-bit RGB.

    Args:
      picture: see `Picture`.
      least: how many pixels both sides need. A JPEG file that has far more is decoded at 1/2, 1/4 or
        1/8 of its size, which its format offers at a fraction of the time. 0: the full size.

    EXIF orientation is applied, transparency is laid over white, 16-bit greys are scaled to 8 bits,
    of an animation the first frame is taken; colour profiles are ignored, as training pipelines do.
    Arrays hold values from 0 to 255, whatever their type.

    Raises:
      PictureError: the picture is missing, damaged, truncated, or absurdly large.
    """
    if isinstance(picture, np.ndarray):
        return _from_array(picture)
    if not isinstance(picture, (str, Path, bytes, Image.Image)):
        raise PictureError(f"A {type(picture).__name__} is not a picture.", "Give a path, bytes, an image or an array.")
    _ignore_pillow_warnings()
    name = str(picture) if isinstance(picture, (str, Path)) else "The picture in memory"
    try:
        if isinstance(picture, Image.Image):
            return _to_rgb(picture)
        with Image.open(BytesIO(picture) if isinstance(picture, bytes) else picture) as opened:
            if least:
                opened.draft(None, (least, least))
            return _to_rgb(opened)
    except Exception as error:  # Pillow's decoders raise whatever their formats do
        raise PictureError(f"{name} {_what_is_wrong(error)}.") from error


def _what_is_wrong(error: Exception) -> str:
    if isinstance(error, PictureError):
        return error.message
    if isinstance(error, FileNotFoundError):
        return "does not exist"
    if isinstance(error, IsADirectoryError):
        return "is a folder, not a picture"
    if isinstance(error, PermissionError):
        return "may not be read by this user"
    if isinstance(error, UnidentifiedImageError):
        return "is not a picture that Pillow can open"
    if isinstance(error, Image.DecompressionBombError):
        return "is too large to decode safely"
    return f"cannot be decoded: {_short(error)}"


def _ignore_pillow_warnings() -> None:
    """Silences Pillow's remarks on odd but readable files (broken EXIF, palette transparency).

    For the whole process: `warnings.catch_warnings` swaps the filters under other threads' feet,
    and pictures are decoded in threads. What must stop a picture is checked without warnings.
    """
    if not warnings.filters or warnings.filters[0][3] != _PILLOW:
        warnings.filterwarnings("ignore", module=_PILLOW.pattern)


def _short(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:120]


def _from_array(array: np.ndarray) -> Image.Image:
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)) or 0 in array.shape:
        raise PictureError(f"An array of shape {array.shape} is not a picture (expected H×W, H×W×3 or H×W×4).")
    if array.dtype != np.uint8:
        problem = _array_problem(array)
        if problem:
            raise PictureError(f"An array of {problem} is not a picture.", "Give values from 0 to 255.")
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


def _to_rgb(picture: Image.Image) -> Image.Image:
    if picture.format == "EPS":
        raise PictureError("is EPS, which only another program (Ghostscript) could draw")
    if picture.width * picture.height > MAX_PIXELS:
        raise PictureError(f"is too large to decode safely ({picture.width}x{picture.height} pixels)")
    picture.load()
    kind, picture = picture.format, _upright(picture)
    if picture.mode in ("I", "F") or picture.mode.startswith("I;16"):
        # Mode "I" is 32 bits wide, but Pillow also gives it to 16-bit PNG and PGM files.
        sixteen = picture.mode.startswith("I;16") or (picture.mode == "I" and kind in ("PNG", "PPM"))
        return Image.fromarray(_grey_to_8_bits(np.asarray(picture), sixteen)).convert("RGB")
    if picture.mode == "La":
        picture = picture.convert("LA")
    if picture.mode in ("RGBA", "LA", "PA", "RGBa") or "transparency" in picture.info:
        coloured = picture.convert("RGBA")
        white = Image.new("RGBA", coloured.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, coloured).convert("RGB")
    return picture.convert("RGB")


def _upright(picture: Image.Image) -> Image.Image:
    if picture.format == "TIFF":  # turned by Pillow while loading
        return picture
    try:
        turn = _UPRIGHT.get(picture.getexif().get(_ORIENTATION))
    except Exception:  # broken EXIF data spoil the orientation, not the picture
        return picture
    return picture if turn is None else picture.transpose(turn)


def _grey_to_8_bits(values: np.ndarray, sixteen: bool) -> np.ndarray:
    """16-bit greys in 256 steps; wider and float ones by the smallest usual range that holds them."""
    fractions, values = values.dtype.kind == "f", values.astype(np.float64)
    if not np.isfinite(values).all():
        raise PictureError("holds NaN or infinite values")
    top = float(values.max())
    if sixteen or 255 < top <= 65535:
        scale = 257.0
    elif fractions and top <= 1:
        scale = 1 / 255
    else:
        scale = max(1.0, top / 255)
    return np.asarray(np.clip(np.rint(values / scale), 0, 255), np.uint8)


def fit(picture: Picture, spec: InputSpec) -> np.ndarray:
    """Decodes a picture and brings it to the input size.

    Returns:
      uint8 array (height, width, channels) in RGB, or grey for one channel.
    """
    # Twice the size leaves the antialiasing to the resize below: no value moves by more than 2 of 255.
    image = decode(picture, least=math.ceil(2 * max(spec.height, spec.width) / spec.crop))
    filtered = _FILTERS[spec.interpolation]
    if spec.resize == "crop":
        image = image.resize((spec.width, spec.height), filtered, box=_centre_box(image.size, spec))
    elif image.size != (spec.width, spec.height):
        image = image.resize((spec.width, spec.height), filtered)
    pixels = np.asarray(image.convert("L") if spec.channels == 1 else image)
    return pixels.reshape(spec.shape)


def _centre_box(size: Tuple[int, int], spec: InputSpec) -> Tuple[float, float, float, float]:
    """The largest centred box of the input's aspect ratio, shrunk to the crop fraction."""
    width, height = size
    scale = min(width / spec.width, height / spec.height) * spec.crop
    box_width, box_height = spec.width * scale, spec.height * scale
    left, top = (width - box_width) / 2, (height - box_height) / 2
    return (max(0.0, left), max(0.0, top), min(float(width), left + box_width), min(float(height), top + box_height))


def normalize(pixels: np.ndarray, spec: InputSpec) -> np.ndarray:
    """uint8 pixels (…, height, width, channels) in RGB → float32 in the model's order and scale."""
    if spec.order == "bgr":
        pixels = pixels[..., ::-1]
    mean, std = np.array(spec.mean, np.float32), np.array(spec.std, np.float32)
    scaled: np.ndarray = (pixels.astype(np.float32) - mean) / std
    return scaled


def apply(picture: Picture, spec: InputSpec) -> np.ndarray:
    """The whole path: picture → float32 array (1, height, width, channels).

    Raises:
      PictureError: as `decode`.
    """
    return normalize(fit(picture, spec), spec)[np.newaxis]
