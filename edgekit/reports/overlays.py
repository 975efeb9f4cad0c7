"""Activation maps drawn over their images, and sheets of them."""

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from io import BytesIO

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from edgekit.converters.explaining import ActivationMap, ExplainedImage, Explanation
from edgekit.reports.text import percent

# From nothing to most: nine colours whose lightness (CIE L*) grows in even steps from 12 to 95 while their hue goes
# from violet through red to yellow, as saturated as sRGB allows. Equal steps look equal, in grey too.
_COLOURS = np.array(
    [
        *[(37, 0, 105), (86, 0, 131), (140, 6, 135), (188, 34, 120), (230, 66, 95)],
        *[(255, 110, 65), (255, 161, 75), (255, 204, 102), (255, 245, 110)],
    ],
    np.float64,
)
#: Part of the colour in an overlay: where nothing speaks for the class, and where most does.
_LEAST_COLOUR, _MOST_COLOUR = 0.3, 0.75

#: Pixels: a tile's side, what is between tiles, a line of text.
_TILE, _GAP, _LINE = 224, 8, 17
_TEXT, _BACKGROUND = (30, 30, 30), (255, 255, 255)


def overlay(found: ActivationMap) -> Image.Image:
    """A map over its image, RGB, of the size of the model's input: the brighter, the more a part speaks for the class.

    What speaks against it is left dark; the brightest part is the same in all maps, however large its number.
    """
    height, width = found.pixels.shape[:2]
    positive = np.maximum(found.places.spread(found.values, height, width), 0)
    strength = positive / (positive.max() or 1.0)
    places = strength * (len(_COLOURS) - 1)
    colours = np.stack([np.interp(places, np.arange(len(_COLOURS)), channel) for channel in _COLOURS.T], axis=-1)
    part = (_LEAST_COLOUR + (_MOST_COLOUR - _LEAST_COLOUR) * strength)[..., np.newaxis]
    grey = np.asarray(photograph(found).convert("L"), np.float64)[..., np.newaxis]
    return Image.fromarray(np.uint8(np.rint(grey * (1 - part) + colours * part)))


def photograph(found: ActivationMap) -> Image.Image:
    """The image as the model saw it, RGB."""
    pixels = found.pixels[..., 0] if found.pixels.shape[-1] == 1 else found.pixels
    return Image.fromarray(pixels).convert("RGB")


def png(image: Image.Image) -> bytes:
    """The image as a file."""
    stream = BytesIO()
    image.save(stream, "PNG", optimize=True)
    return stream.getvalue()


def sheet(found: Explanation, images: Sequence[ExplainedImage] | None = None) -> Image.Image:
    """A contact sheet: each image, beside it the map of each model, with what the model said; several in a row.

    Args:
      images: some of `found`'s; None for all.
    """
    images = found.images if images is None else images
    tiles, rows_high = 1 + len(found.models), _TILE + 2 * _LINE + _GAP
    across = max(1, round(math.sqrt(len(images) * rows_high / (tiles * (_TILE + _GAP)))))
    down = math.ceil(len(images) / across)
    block = tiles * (_TILE + _GAP) + _GAP
    page = Image.new("RGB", (across * block + _GAP, _GAP + _LINE + down * rows_high), _BACKGROUND)
    for column in range(across):
        for place, title in enumerate(("image", *found.models)):
            _write(page, (_GAP + column * block + place * (_TILE + _GAP), _GAP // 2), title)
    for number, image in enumerate(images):
        row, column = divmod(number, across)
        _draw(page, (_GAP + column * block, _GAP + _LINE + row * rows_high), image)
    return page


def _draw(page: Image.Image, corner: tuple[int, int], image: ExplainedImage) -> None:
    left, top = corner
    for tile, lines in _tiles(image):
        page.paste(tile.resize((_TILE, _TILE), Image.Resampling.BICUBIC), (left, top))
        for number, line in enumerate(lines):
            _write(page, (left, top + _TILE + number * _LINE), line)
        left += _TILE + _GAP


def _tiles(image: ExplainedImage) -> Iterator[tuple[Image.Image, tuple[str, str]]]:
    """Each tile with the two lines below it."""
    yield photograph(image.maps[0]), (image.label, image.image.replace("\\", "/").rpartition("/")[2])
    for found in image.maps:
        said = f"{percent(found.score)}" + ("" if found.predicted == image.label else f"; predicts {found.predicted}")
        yield overlay(found), (said, "" if found.correlation is None else f"correlation {found.correlation:.3f}")


def _write(page: Image.Image, place: tuple[int, int], text: str) -> None:
    """A line of text, cut to a tile's width; what the font has no sign for is drawn as a box."""
    draw, font = ImageDraw.Draw(page), _font()
    if not isinstance(font, ImageFont.FreeTypeFont):  # an old Pillow's font knows no other signs
        text = text.encode("latin-1", "replace").decode("latin-1")
    shown = text
    while draw.textlength(shown, font=font) > _TILE and text:
        text = text[:-1]
        shown = f"{text}..."
    draw.text(place, shown, fill=_TEXT, font=font)


@lru_cache(maxsize=None)
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own font, which before version 10.1 came in one size."""
    try:
        return ImageFont.load_default(_LINE - 4)
    except TypeError:
        return ImageFont.load_default()
