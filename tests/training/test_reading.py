"""The views of an image that a network is shown."""

import numpy as np
import pytest
from PIL import Image

from edgekit.preprocess import InputSpec, fit
from edgekit.training.reading import CROPS, FLIP, PLAIN, show

SPEC = InputSpec(16, 16)


def saved(path, orientation):
    """A photograph, bright at its top when upright, and as a camera held otherwise stores it."""
    upright = np.zeros((96, 64, 3), np.uint8)
    upright[:32] = (250, 200, 150)
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = {1: None, 3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
    image = Image.fromarray(upright)
    turned = image if orientation == 1 else image.transpose(stored[orientation])
    turned.save(path, quality=95, exif=exif)
    return path


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_views_of_a_photograph_are_those_of_the_upright_one(tmp_path, orientation):
    views = (PLAIN, FLIP, *CROPS)
    turned, upright = (saved(tmp_path / f"{number}.jpg", number) for number in (orientation, 1))
    found, expected = show(turned.read_bytes(), views, SPEC), show(upright.read_bytes(), views, SPEC)
    for one, other in zip(found, expected, strict=True):
        assert np.abs(one.astype(int) - other).max() <= 12  # JPEG blocks lie otherwise


def test_the_plain_view_is_what_the_model_will_see(tmp_path):
    path = saved(tmp_path / "photograph.jpg", 6)
    assert np.array_equal(show(path.read_bytes(), (PLAIN,), SPEC)[0], fit(path, SPEC))
