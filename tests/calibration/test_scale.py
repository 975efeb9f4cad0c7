"""Arrays that are normalized already, on the model's scale or on another one."""

import numpy as np
import pytest

from edgekit.calibration.samples import open_samples
from edgekit.calibration.scale import pixels, scale_of
from edgekit.errors import DataError
from edgekit.preprocess import InputSpec, describe, normalize

SPEC = InputSpec(8, 8)
PIXELS = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)


@pytest.mark.parametrize("model", ["raw", "0..1", "-1..1", "lite", "imagenet"])
@pytest.mark.parametrize("scale", ["0..1", "-1..1"])
def test_arrays_of_a_common_scale_become_the_pixels_that_they_were(model, scale):
    arrays = normalize(PIXELS, SPEC.with_convention(scale))
    samples = open_samples(arrays, SPEC).as_images(SPEC.with_convention(model))
    assert not samples.prepared
    found = np.stack([sample.pixels for sample in sorted(samples, key=lambda sample: sample.name)]).astype(int)
    assert np.abs(found - PIXELS).max() <= (model == "lite")  # which differs from -1..1 by half a grey level


@pytest.mark.parametrize("model", ["0..1", "-1..1", "lite", "imagenet"])
def test_arrays_on_the_scale_of_the_model_become_the_pixels_that_they_were(model):
    spec = SPEC.with_convention(model)
    samples = open_samples(normalize(PIXELS, spec), SPEC).as_images(spec)
    assert sorted(sample.pixels.tobytes() for sample in samples) == sorted(image.tobytes() for image in PIXELS)


def test_blue_before_red_is_turned_back():
    spec = InputSpec(8, 8, 3, (100.0, 110.0, 120.0), (64.0, 64.0, 64.0), "bgr")
    samples = open_samples(normalize(PIXELS, spec), SPEC).as_images(spec)
    assert sorted(sample.pixels.tobytes() for sample in samples) == sorted(image.tobytes() for image in PIXELS)


@pytest.mark.parametrize(
    ("low", "high", "model"), [(-2.1, 2.6, "raw"), (-2.1, 2.6, "0..1"), (-2.1, 2.6, "-1..1"), (0, 3, "0..1")]
)
def test_arrays_on_a_scale_that_nobody_can_know_are_refused(low, high, model):
    with pytest.raises(DataError) as caught:
        scale_of(low, high, SPEC.with_convention(model))
    assert f"{low:.3g} to {high:.3g}" in str(caught.value) and describe(SPEC.with_convention(model)) in str(
        caught.value
    )


def test_dull_images_on_the_scale_of_the_model_stay_on_it():
    assert scale_of(-0.8, 0.7, SPEC.with_convention("imagenet")) == SPEC.with_convention("imagenet")
    assert scale_of(-0.6, 0.5, SPEC.with_convention("-1..1")) == SPEC.with_convention("-1..1")
    assert scale_of(0.1, 0.6, SPEC.with_convention("0..1")) == SPEC.with_convention("0..1")
    halves = InputSpec(8, 8, 3, (0.0,) * 3, (128.0,) * 3)
    assert scale_of(0.0, 0.9, halves) == halves


def test_pixels_stay_as_they_are():
    samples = open_samples(PIXELS, SPEC)
    assert samples.as_images(SPEC) is samples


@pytest.mark.parametrize(
    ("low", "high", "model", "found"),
    [
        (-1.02, 1.02, "raw", "-1..1"),  # resized images overshoot by up to 2 %
        (-1.021, 1.0, "raw", None),
        (-1.0, 1.021, "raw", None),
        (-0.95, 0.95, "raw", "-1..1"),
        (-0.949, 0.95, "raw", None),
        (-0.95, 0.949, "raw", None),
        (0.0, 1.02, "raw", "0..1"),
        (0.0, 1.021, "raw", None),
        (-0.001, 1.0, "raw", None),
        (0.0, 0.25, "0..1", "0..1"),
        (-0.02, 1.02, "0..1", "0..1"),
        (-0.021, 1.0, "0..1", None),
        (-1.04, 1.04, "-1..1", "-1..1"),  # whose scale is 2 long
        (-1.05, 1.0, "-1..1", None),
        (-1.0, 1.05, "-1..1", None),
        (-0.25, 0.25, "-1..1", "-1..1"),
        (-0.24, 0.25, "-1..1", None),
        (0.0, 255.0, "raw", "raw"),
        (0.0, 260.1, "raw", "raw"),
        (0.0, 260.2, "raw", None),
        (0.0, 63.75, "raw", "raw"),
        (0.0, 63.7, "raw", None),
        (0.0, 1.0, "-1..1", "0..1"),
        (0.0, 0.6, "-1..1", "0..1"),
        (-1.0, 1.0, "imagenet", "-1..1"),
        (-0.94, 1.0, "imagenet", "imagenet"),
        (0.0, 1.0, "imagenet", "0..1"),
    ],
)
def test_scales_on_both_sides_of_their_bounds(low, high, model, found):
    spec = SPEC.with_convention(model)
    if found is None:
        with pytest.raises(DataError):
            scale_of(low, high, spec)
    else:
        assert scale_of(low, high, spec) == SPEC.with_convention(found)


def test_numbers_become_the_nearest_pixels_and_stay_within_a_byte():
    numbers = np.array([[[-0.1, 0.0, 0.5], [1.0, 1.1, 100.4 / 255]]])
    assert pixels(numbers, SPEC.with_convention("0..1")).tolist() == [[[0, 0, 128], [255, 255, 100]]]
    grey = InputSpec(1, 2, 1, (1.0,), (2.0,))
    assert pixels(np.array([[0.0, 3.0]]), grey).tolist() == [[[1], [7]]]
