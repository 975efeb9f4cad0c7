"""Images for when there are none: «dead leaves», which have the statistics of natural images.

Opaque shapes fall on each other, and the number of shapes larger than r falls as 1/r². Such
images share with photographs what a network's activations depend on: sharp edges between smooth
regions at all scales, heavy-tailed gradients, a power spectrum near 1/f². White noise has none
of it. The model is from G. Matheron (1968); that it explains the statistics of natural images is
due to A. Lee, D. Mumford and J. Huang, «Occlusion Models for Natural Images: A Study of the
Statistics of a Scale-Invariant Dead Leaves Model», IJCV 41 (2001). Networks learn from such
images, too: M. Baradad et al., «Learning to See by Looking at Noise», NeurIPS 2021.

The same (seed, index, shape) gives the same image on every machine: of the random generator only
`random` and `integers` of PCG64 are used, of arithmetic only +, -, *, / and the square root, which
IEEE 754 defines to the last bit, and of Pillow only filters that compute with integers.
"""

import math

import numpy as np
from PIL import Image, ImageFilter

_MOST_LEAVES = 320
_TEXTURES = 4


def dead_leaves(seed: int, index: int, shape: tuple[int, int, int]) -> np.ndarray:
    """Makes one synthetic image.

    Args:
      seed, index: which of the endlessly many images; neither may be negative.
      shape: (height, width, channels), with 3 channels (RGB) or 1 (grey).

    Returns:
      uint8 array of that shape.
    """
    rng = np.random.Generator(np.random.PCG64([seed, index]))
    height, width, channels = shape
    leaf = _leaf_of_each_pixel(rng, height, width)
    colours = _shaded(rng, leaf, _leaf_colours(rng))
    image = Image.fromarray(_developed(rng, colours))
    blur = 2.0 * rng.random() * rng.random()
    blurred = np.asarray(image.filter(ImageFilter.GaussianBlur(blur * max(height, width) / 224)))
    noisy = _with_noise(rng, blurred)
    return noisy if channels == 3 else np.asarray(Image.fromarray(noisy).convert("L"))[:, :, np.newaxis]


def _leaf_of_each_pixel(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """int (height, width): the number of the topmost leaf at each pixel, 0 where none fell.

    Leaf k has radius r₁/√k, which is the power law; the largest fall first.
    """
    leaf = np.zeros((height, width), np.int64)
    largest = max(height, width) * (0.25 + 0.5 * rng.random())
    count = 4 + int((_MOST_LEAVES - 4) * rng.random())
    for number, draw in enumerate(rng.random((count, 6)), start=1):
        _drop(leaf, number, largest / math.sqrt(number), draw.tolist())
    return leaf


def _drop(leaf: np.ndarray, number: int, radius: float, draw: list[float]) -> None:
    """Covers a rectangle (40 %) or ellipse (60 %) of chance position, aspect and direction."""
    (height, width), (y, x, aspect, kind, down, across) = leaf.shape, draw
    y, x, tall, wide = y * height, x * width, radius * (0.5 + aspect), radius * (1.5 - aspect)
    down, across = down - 0.5, across - 0.5
    length = math.sqrt(down * down + across * across) or 1.0
    cosine, sine = down / length, across / length
    reach = math.sqrt(tall * tall + wide * wide)
    top, left = max(0, int(y - reach)), max(0, int(x - reach))
    area = leaf[top : int(y + reach) + 1, left : int(x + reach) + 1]
    rows = np.arange(top, top + area.shape[0], dtype=np.float32)[:, np.newaxis] - np.float32(y)
    columns = np.arange(left, left + area.shape[1], dtype=np.float32) - np.float32(x)
    along = rows * np.float32(cosine / tall) + columns * np.float32(sine / tall)
    aside = columns * np.float32(cosine / wide) - rows * np.float32(sine / wide)
    if kind < 0.4:
        area[np.maximum(np.abs(along), np.abs(aside)) < 1] = number
    else:
        area[along * along + aside * aside < 1] = number


def _leaf_colours(rng: np.random.Generator) -> np.ndarray:
    """float32 (leaves, 3), 0–255: near one cast of colour, of one saturation for the whole image."""
    cast = rng.random(3)
    saturation = 1.6 * rng.random() * rng.random()
    grey = rng.random((_MOST_LEAVES + 1, 1))
    hue = 0.7 * rng.random((_MOST_LEAVES + 1, 3)) + 0.3 * cast
    colours = grey + saturation * (hue - hue.mean(axis=1, keepdims=True))
    return np.asarray(255 * np.clip(colours, 0, 1), np.float32)


def _shaded(rng: np.random.Generator, leaf: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """float32 (height, width, 3): each leaf in its colour, lit from one side, of one texture."""
    height, width = leaf.shape
    leaves = len(colours)
    slopes = (160 * (rng.random((2, leaves)) - 0.5)).astype(np.float32)
    light = slopes[0][leaf] * np.linspace(-0.5, 0.5, height, dtype=np.float32)[:, np.newaxis]
    light += slopes[1][leaf] * np.linspace(-0.5, 0.5, width, dtype=np.float32)
    strength = (1.2 * rng.random(leaves) * rng.random(leaves)).astype(np.float32)[leaf]
    which = rng.integers(0, _TEXTURES, leaves)[leaf]
    light += strength * np.choose(which, [_texture(rng, height, width) for _ in range(_TEXTURES)])
    return np.asarray(colours[leaf] + light[:, :, np.newaxis])


def _texture(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """float32 (height, width) about ±128: random points, as coarse as chance has it, smoothly joined."""
    points = 0.5 * rng.random(2) * rng.random(2)
    size = [2 + int(length * share) for length, share in zip((height, width), points, strict=True)]
    coarse = Image.fromarray(rng.integers(0, 256, size, dtype=np.uint8))
    fine = coarse.resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(fine, np.float32) - np.float32(128)


def _developed(rng: np.random.Generator, colours: np.ndarray) -> np.ndarray:
    """uint8: brightness and contrast of the whole image, from nearly black to nearly white."""
    contrast = 0.3 + 1.1 * rng.random()
    middle = 30 + 200 * rng.random()
    toned = (colours - 128) * np.float32(contrast) + np.float32(middle)
    return np.asarray(np.clip(toned, 0, 255), np.uint8)


def _with_noise(rng: np.random.Generator, pixels: np.ndarray) -> np.ndarray:
    """uint8: a camera's noise, up to ±24 of 255, mostly far less."""
    reach = int(25 * rng.random() * rng.random() * rng.random())
    noise = rng.integers(-reach, reach + 1, pixels.shape, dtype=np.int16)
    return np.asarray(np.clip(pixels + noise, 0, 255), np.uint8)
