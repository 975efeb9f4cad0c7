import numpy as np
import pytest

from edgekit.converters.explaining import ActivationMap, ExplainedImage, Explanation
from edgekit.evaluation.activation.places import even
from edgekit.reports import overlays
from edgekit.reports.overlays import overlay, sheet


def seen(values, *, model="m", side=64, channels=3, correlation=None):
    pixels = np.full((side, side, channels), 128, np.uint8)
    return ActivationMap(model, pixels, np.asarray(values, float), even(*np.shape(values)), 0.9, "cat", correlation)


def lightness(rgb):
    """CIE L* of sRGB colours, from the definitions."""
    part = np.asarray(rgb, float) / 255
    linear = np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
    luminance = linear @ [0.2126, 0.7152, 0.0722]
    return np.where(luminance > 0.008856, 116 * np.cbrt(luminance) - 16, 903.3 * luminance)


def test_the_colours_grow_lighter_in_even_steps():
    steps = np.diff(lightness(overlays._COLOURS))
    assert np.all(np.abs(steps - 83 / 8) < 1)


def test_the_lightest_part_is_what_speaks_most_for_the_class():
    found = lightness(np.asarray(overlay(seen([[4.0, 1.0], [0.0, -9.0]]))))
    assert found[5, 5] > found[5, -5] > found[-5, 5] == pytest.approx(found[-5, -5])


@pytest.mark.parametrize("channels", [1, 3])
def test_a_map_without_anything_that_speaks_for_the_class_is_dark_all_over(channels):
    assert len(np.unique(np.asarray(overlay(seen([[-1.0, -2.0]], channels=channels))).reshape(-1, 3), axis=0)) == 1


@pytest.mark.parametrize("label", ["cat", "Füchse 狐 🦊", "x" * 500, ""])
def test_a_sheet_has_a_row_of_tiles_for_each_image(label):
    images = tuple(
        ExplainedImage(
            f"{label}/{number}.png", 0, label, (seen([[1.0, 0]]), seen([[0, 1.0]], model="n", correlation=-1.0))
        )
        for number in range(5)
    )
    found = Explanation(("m", "n"), ("cam", "cam"), images, {})
    whole, one = sheet(found), sheet(found, images[:1])
    assert one.width >= 3 * 224 and one.height >= 224
    assert whole.width * whole.height >= 5 * 3 * 224 * 224
    assert 0.4 < whole.width / whole.height < 2.5
