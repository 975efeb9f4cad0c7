"""How near one form of a model comes to another: both models' scores on the same images."""

from collections.abc import Callable, Generator

import numpy as np

from edgekit.calibration import Sample, Samples
from edgekit.calibration.parallel import map_samples
from edgekit.devices.interpreter import open_interpreter
from edgekit.errors import ConversionError
from edgekit.evaluation.verdict import decibels, run
from edgekit.tflite.model import Model
from edgekit.tflite.patch import patched
from edgekit.tflite.scores import centred, score_tensor

#: A rewrite that keeps the function changes its scores by float rounding only, relative to the largest of them.
SAME = 1e-3
#: Signal to noise ratios are counted up to this many dB: an image without any error must not outweigh all others.
BEST_DB = 60.0
#: Power of scores that say nothing: what is less counts as this.
_LEAST = 1e-12


def scores(model: Model, images: list[Sample]) -> Generator[np.ndarray, None, None]:
    """The model's scores before any softmax, float64 (classes,), for each image."""
    return outputs_of(model, score_tensor(model.graph).index, images)


def outputs_of(model: Model, tensor: int, images: list[Sample]) -> Generator[np.ndarray, None, None]:
    """What the model computes in one of its tensors, float64, flat, for each image."""
    scoring = patched(model.graph, outputs=[tensor]).content

    def worker() -> Callable[[Sample], np.ndarray]:
        interpreter = open_interpreter(scoring, threads=1)
        return lambda sample: run(interpreter, sample.input(model.spec))

    return (result for _, result in map_samples(worker, images))


def mean_sqnr(expected: np.ndarray, found: np.ndarray) -> float:
    """Mean over the images of the SQNR of their scores, in dB.

    The mean is taken of the decibels, so that a few images with large errors do not decide alone.

    Args:
      expected, found: float arrays (images, classes).
    """
    return float(np.mean(image_sqnr(expected, found)))


def image_sqnr(expected: np.ndarray, found: np.ndarray) -> np.ndarray:
    """float64 (images,): the SQNR of each image's scores, in dB."""
    signal, noise = (np.square(centred(values)).sum(axis=1) for values in (expected, found - expected))
    return np.array([min(decibels(max(s, _LEAST), n), BEST_DB) for s, n in zip(signal, noise, strict=True)])


def check_same(before: Model, after: Model, samples: Samples, correction: str) -> None:
    """Makes sure that a rewrite has not changed what the model computes.

    Raises:
      ConversionError: it has; the message names the correction.
    """
    images = list(samples.take(2))
    for expected, found in zip(scores(before, images), scores(after, images), strict=True):
        if not np.abs(expected - found).max() <= SAME * max(float(np.abs(expected).max()), 1e-6):
            raise ConversionError(
                f"The correction {correction} changed the model's answers.",
                "Convert with --corrections none, and report the model's architecture.",
            )
