"""Dead leaves: the same for ever, and like photographs in what matters."""

import hashlib

import numpy as np
import pytest

from edgekit.calibration.samples import open_samples
from edgekit.calibration.synthetic import dead_leaves
from edgekit.preprocess import InputSpec


@pytest.fixture(scope="module")
def images():
    return np.stack([dead_leaves(0, index, (128, 128, 3)) for index in range(64)])


@pytest.mark.parametrize("shape", [(224, 224, 3), (96, 160, 3), (64, 64, 1), (1, 1, 3), (1, 300, 1), (7, 2, 3)])
def test_shape_and_type(shape):
    image = dead_leaves(3, 4, shape)
    assert (image.shape, image.dtype) == (shape, np.uint8)


def test_the_same_everywhere_and_for_ever():
    # A change of these digests changes every model converted without data.
    digests = [hashlib.sha256(dead_leaves(*key, (96, 80, 3)).tobytes()).hexdigest()[:16] for key in ((0, 0), (7, 11))]
    assert digests == ["a465f426b104ccf4", "049b06f9bf47b882"]


def test_seed_and_index_each_matter():
    keys = [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert len({dead_leaves(*key, (32, 32, 3)).tobytes() for key in keys}) == 4


def test_all_of_the_histogram_is_covered(images):
    means = images.mean((1, 2, 3))
    assert means.min() < 70
    assert means.max() > 185
    assert (np.bincount(images.ravel(), minlength=256) > 0).all()
    colourfulness = (images.max(3).astype(int) - images.min(3)).mean((1, 2))
    assert colourfulness.min() < 6
    assert colourfulness.max() > 60


def test_power_falls_with_frequency_as_in_natural_images(images):
    # Power near 1/f² (Field 1987: exponents about -2 to -3 for photographs); white noise has exponent 0.
    grey = images.mean(3)
    power = np.abs(np.fft.fft2(grey - grey.mean((1, 2), keepdims=True))) ** 2
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(128), np.fft.fftfreq(128)))
    band = (frequency > 0.02) & (frequency < 0.25)
    slope = np.polyfit(np.log(frequency[band]), np.log(power.mean(0)[band]), 1)[0]
    assert -3.5 < slope < -1.5


def test_gradients_are_heavy_tailed(images):
    # Natural images: kurtosis of derivatives far above a normal distribution's 3.
    steps = np.diff(images.mean(3), axis=2)
    assert np.mean(steps**4) / np.mean(steps**2) ** 2 > 10


def test_as_samples():
    samples = open_samples(None, InputSpec(24, 32), count=5, seed=2)
    assert (samples.kind, samples.count, samples.class_names, samples.seed) == ("synthetic", 5, (), 2)
    assert [sample.name for sample in samples] == [f"synthetic[{index}]" for index in range(5)]
    for index, sample in enumerate(samples):
        assert np.array_equal(sample.pixels, dead_leaves(2, index, (24, 32, 3)))
    head, rest = samples.split(2)
    assert [sample.name for sample in (*head, *rest)] == [sample.name for sample in samples]
