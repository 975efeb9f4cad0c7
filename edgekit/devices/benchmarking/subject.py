"""A model on a device, ready to be timed."""

import gc
from dataclasses import dataclass
from time import perf_counter
from typing import Callable, Optional, Tuple

import numpy as np

from edgekit.devices.classifier import Classifier
from edgekit.devices.opening import open_model
from edgekit.devices.prediction import Latency
from edgekit.errors import PreprocessingError, UnsupportedModelError
from edgekit.tflite.graph import Tensor

#: What a camera gives, where no image is named: height, width, channels.
FRAME = (480, 640, 3)


@dataclass(frozen=True)
class Configuration:
    """What is to be timed.

    Attributes:
      model: a `.tflite` file.
      device: where, in one of the forms of `edgekit.devices.request.Request`.
      threads: at most so many.
    """

    model: str
    device: str
    threads: int


@dataclass(frozen=True)
class Subject:
    """A model that is open.

    Attributes:
      run: one inference, timed.
      place: (device, reason) of the latest inference.
      only_inference: why nothing but inference is timed, or "".
      close: frees the device.
    """

    run: Callable[[], Latency]
    place: Callable[[], Tuple[str, str]]
    only_inference: str
    close: Callable[[], None]


def open_subject(configuration: Configuration, image: Optional[str] = None, *, plain: str = "") -> Subject:
    """Opens a model: as a classifier, or as a plain model on random inputs where it is none.

    Args:
      configuration: see there.
      image: a file that is decoded for each inference; None for a frame in memory.
      plain: why it is opened as a plain model; "" to find out.

    Raises:
      EdgekitError: as `Classifier`.
    """
    if plain:
        return _plain(configuration, plain)
    try:
        return _classifying(configuration, image)
    except (UnsupportedModelError, PreprocessingError) as error:
        return _plain(configuration, error.message)


def burst(subject: Subject, runs: int) -> np.ndarray:
    """Milliseconds of so many inferences, (runs, 3): preprocess, inference, postprocess."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        latencies = [subject.run() for _ in range(runs)]
    finally:
        if collecting:
            gc.enable()
    return np.array([(each.preprocess, each.inference, each.postprocess) for each in latencies])


def _classifying(configuration: Configuration, image: Optional[str]) -> Subject:
    classifier = Classifier(configuration.model, device=configuration.device, threads=configuration.threads)
    shown = image if image else np.random.RandomState(0).randint(0, 256, FRAME, np.uint8)
    return Subject(
        lambda: classifier.classify(shown, 1).latency,
        lambda: (classifier.device, classifier.reason),
        "",
        classifier.close,
    )


def _plain(configuration: Configuration, reason: str) -> Subject:
    opened = open_model(configuration.model, device=configuration.device, threads=configuration.threads)
    arrays = tuple(_random(opened.graph.tensors[index]) for index in opened.inputs)

    def run() -> Latency:
        start = perf_counter()
        opened.run(*arrays)
        return Latency(0.0, 1000 * (perf_counter() - start), 0.0)

    return Subject(run, lambda: (opened.device, opened.reason), reason, opened.close)


def _random(tensor: Tensor) -> np.ndarray:
    """An input of small whole numbers, which indices and masks take too."""
    return np.random.RandomState(0).randint(0, 2, tensor.shape).astype(tensor.dtype)
