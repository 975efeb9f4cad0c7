"""From an image to a model's input: one path for calibration, evaluation and the devices.

`image.decode` opens an image of any kind as upright RGB, `fit` brings it to the input size, and
`normalize` applies `(pixel - mean) / std`. `InputSpec` records all three steps and travels with
the model, so that nobody has to know «mean 127, std 128» a second time.
"""

import math
import operator
import re
from dataclasses import asdict, dataclass, replace
from typing import Dict, Mapping, Tuple

import numpy as np
from PIL import Image

from edgekit.errors import UsageError
from edgekit.image import ImageLike, decode

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

# Two ways to scale pixels are alike within this part of the range: no model minds.
_ALIKE = 0.1

# Most pixels of an image between its two passes of resizing; ordinary ones stay below a third of it.
_MOST_BETWEEN = 1 << 24

#: Left, top, right, bottom in pixels.
Box = Tuple[float, float, float, float]


@dataclass(frozen=True)
class InputSpec:
    """How an image becomes a model's input tensor.

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
    interpolation: str = "bicubic"

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

    def to_json(self) -> Dict[str, object]:
        """A JSON-ready dictionary that `from_json` reads back."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: object) -> "InputSpec":
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
        # What metadata hold went through float32.
        if known.order == spec.order and np.allclose(known.mean + known.std, spec.mean + spec.std, rtol=1e-5):
            return {"raw": "raw pixels 0..255", "caffe": "caffe (BGR, mean subtracted)"}.get(name, name)
    mean, std = (", ".join(f"{v:g}" for v in values) for values in (spec.mean, spec.std))
    return f"(x - [{mean}]) / [{std}] {spec.order.upper()}"


def contradiction(given: InputSpec, known: InputSpec, why: str) -> str:
    """What to tell of a preprocessing that somebody gave and the model contradicts; "" where the two are alike.

    Args:
      given, known: what was said, and what the model shows.
      why: how it shows that.
    """
    apart = [abs(a - b) for a, b in zip(_ends(given), _ends(known))]
    low, high = min(_ends(known)), max(_ends(known))
    if given.order == known.order and max(apart) <= _ALIKE * (high - low):
        return ""
    return (
        f"--preprocess says {describe(given)}, the model says {describe(known)} ({why}): "
        "unless you are sure, leave --preprocess out."
    )


def _ends(spec: InputSpec) -> Tuple[float, ...]:
    """What black and white become, channel by channel."""
    return tuple((pixel - mean) / std for mean, std in zip(spec.mean, spec.std) for pixel in (0, 255))


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


def parse_resize(text: str, spec: InputSpec) -> InputSpec:
    """The same input with the way to bring images to its size that a user wrote.

    Raises:
      UsageError: `text` is neither "stretch" nor "crop" nor "crop:FRACTION", the part of the shorter side to keep.
    """
    found = re.fullmatch(r"stretch|crop(?::(0?\.\d+|1))?", text)
    if found is None:
        raise UsageError(
            f"There is no way {text!r} to resize.", "Write stretch, crop, or the part to keep: crop:0.875."
        )
    return replace(spec, resize=text.partition(":")[0], crop=float(found.group(1) or 1))


def _values(text: str, channels: int) -> Tuple[float, ...]:
    values = tuple(float(value) for value in text.split(","))
    return values * channels if len(values) == 1 else values


def fit(image: ImageLike, spec: InputSpec) -> np.ndarray:
    """Decodes an image and brings it to the input size.

    Returns:
      uint8 array (height, width, channels) in RGB, or grey for one channel.
    """
    if isinstance(image, np.ndarray) and _fits(image, spec):
        return image
    # From twice the size on, the resize below makes what the full size would: within 2 of 255, measured.
    opened = decode(image, least=math.ceil(2 * max(spec.height, spec.width) / spec.crop))
    if spec.resize == "crop":
        opened = _resize(opened, spec, _centre_box(opened.size, spec))
    elif opened.size != (spec.width, spec.height):
        opened = _resize(opened, spec, (0.0, 0.0, float(opened.width), float(opened.height)))
    pixels = np.asarray(opened.convert("L") if spec.channels == 1 else opened)
    return pixels.reshape(spec.shape)


def _resize(image: Image.Image, spec: InputSpec, box: Box) -> Image.Image:
    """A box of the image at the input's size.

    Pillow resizes the rows first: of a tall, narrow image these are wider than before, and can fill the memory.
    """
    size, kind = (spec.width, spec.height), _FILTERS[spec.interpolation]
    left, top, right, bottom = box
    if (bottom - top) * spec.width <= _MOST_BETWEEN:
        return image.resize(size, kind, box=box)
    short = image.resize((image.width, spec.height), kind, box=(0, top, image.width, bottom))
    return short.resize(size, kind, box=(left, 0, right, spec.height))


def _fits(pixels: np.ndarray, spec: InputSpec) -> bool:
    """Whether an array would come out of `fit` as it went in."""
    colour = spec.channels == 3 and pixels.shape == spec.shape
    return colour and pixels.dtype == np.uint8 and spec.resize == "stretch"


def _centre_box(size: Tuple[int, int], spec: InputSpec) -> Box:
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
    # A whole row at a time: numpy takes eight times as long for an array whose last axis is short.
    width = pixels.shape[-2]
    scaled: np.ndarray = pixels.astype(np.float32, order="C").reshape(-1, width * spec.channels)
    scaled -= np.tile(np.array(spec.mean, np.float32), width)
    scaled /= np.tile(np.array(spec.std, np.float32), width)
    return scaled.reshape(pixels.shape)


def apply(image: ImageLike, spec: InputSpec) -> np.ndarray:
    """The whole path: image → float32 array (1, height, width, channels).

    Raises:
      ImageError: as `decode`.
    """
    return normalize(fit(image, spec), spec)[np.newaxis]
