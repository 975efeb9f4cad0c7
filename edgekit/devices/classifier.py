"""`Classifier`: from an image to the names of what is in it."""

import os
import threading
import weakref
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Callable, Iterable, Iterator, List, Optional, Sequence, Tuple, Union

import numpy as np

from edgekit.devices.failover import SteadyModel, open_steady
from edgekit.devices.opening import Device, Model, OpenModel
from edgekit.devices.prediction import Latency, Prediction, named, unnamed
from edgekit.devices.tensors import (
    check_classes,
    encoder,
    input_spec,
    input_tensor,
    output_meaning,
    output_tensor,
    ranker,
)
from edgekit.errors import DeviceError, ModelFormatError, UsageError
from edgekit.image import ImageLike
from edgekit.labels.finding import NAMELESS, Names, find_names, fitting, remedy
from edgekit.preprocess import InputSpec, contradiction, fit

_Model = Union[OpenModel, SteadyModel]


class Classifier:
    """An image classifier, opened on a device; labels and preprocessing come from the model itself.

        with Classifier("b0_int8.tflite") as classifier:
            print(classifier.classify("cat.jpg").classes[0].label)

    May be shared between threads: each gets an interpreter of its own at its first call.

    Attributes:
      spec: how an image becomes the input.
      labels: the classes' names; () where there are none.
      names: the same with where they are from, and notes about such as do not fit.
      class_names: what answers call the classes: the labels, or `class 0`, `class 1` ….
      device: where it runs, such as "cpu"; it changes when an accelerator fails or comes back.
      reason: why there.
    """

    def __init__(
        self,
        model: Model,
        *,
        device: Device = "auto",
        threads: Optional[int] = None,
        labels: Optional[Union[str, "os.PathLike[str]", Sequence[str]]] = None,
        preprocess: Optional[Union[str, InputSpec]] = None,
    ) -> None:
        """Opens a model.

        Args:
          model: a `.tflite` file, or its bytes.
          device: "auto" (the best there is), "cpu", "edgetpu", "usb:1", "emulated", …: the forms of
            `edgekit.devices.request.Request`; or an EmulatedEdgeTpu.
          threads: at most so many; by default one for each core this process may use.
          labels: the classes' names, or the file that holds them, in place of the model's own and of a file
            beside it (labels.txt, class_names.txt, classes.txt).
          preprocess: how pixels are scaled, in place of what the model says: an InputSpec, the name of
            one of `edgekit.preprocess.CONVENTIONS`, or "mean,std".

        Raises:
          ModelFormatError: the file is missing or damaged.
          UnsupportedModelError: it is no image classifier.
          PreprocessingError: the scaling of its images is not known.
          DeviceError: there is no interpreter, or the model needs another device.
          UsageError, DataError: the labels given, or their file, are not as many as the classes.
        """
        self._open: Callable[[], _Model] = partial(open_steady, model, device=device, threads=threads)
        self._file, self._stamp = model, _stamp(model)
        self._closed, self._own, self._listing = False, threading.local(), threading.Lock()
        self._all: List[weakref.ref[_Model]] = []
        opened = self._model()
        if isinstance(opened, OpenModel) and opened.device == "cpu":
            self._open = opened.opener(threads)
        metadata = opened.metadata
        self.device, self.reason = opened.device, opened.reason
        self._input = input_tensor(opened.graph)
        self._output = output_tensor(opened.graph)
        self._values = self._output.elements
        self._rank = ranker(self._output, output_meaning(opened.graph, metadata))
        self.spec = input_spec(self._input, metadata, preprocess)
        stated = metadata.input if preprocess is not None else None
        self.alarm = contradiction(self.spec, stated, "stated in its metadata") if stated else ""
        self._encode = encoder(self._input, self.spec)
        self.names = _names(model, self._output.elements, metadata.labels, labels)
        self.labels = self.names.labels
        check_classes(opened.graph, self.labels)
        self.class_names = self.labels or tuple(map(unnamed, range(max(2, self._output.elements))))

    def classify(self, image: ImageLike, k: int = 5, *, threshold: float = 0.0) -> Prediction:
        """The `k` most probable classes of an image.

        Args:
          image: a path, the bytes of an encoded image, a Pillow image, or an H×W(×C) array.
          k: how many classes to return, at least 1.
          threshold: leaves out classes less probable than this; it may leave out all.

        Raises:
          ImageError: the image cannot be decoded.
          DeviceError: the model failed on the device, or the classifier is closed.
        """
        if k < 1:
            raise UsageError(f"The best {k} classes are none.", "Ask for one or more.")
        start = perf_counter()
        tensor = self._encode(fit(image, self.spec))
        encoded = perf_counter()
        model = self._model()
        raw = self._run(model, tensor)
        done = perf_counter()
        classes = named(self._rank(raw, k), self.class_names, threshold=threshold)
        end = perf_counter()
        latency = Latency(
            preprocess=1000 * (encoded - start), inference=1000 * (done - encoded), postprocess=1000 * (end - done)
        )
        self.device, self.reason = model.device, model.reason
        return Prediction(classes, model.device, model.reason, latency)

    def classify_many(self, images: Iterable[ImageLike], k: int = 5, *, threshold: float = 0.0) -> Iterator[Prediction]:
        """The answers for many images, one after the other, each computed when it is asked for.

        Takes any iterable, endless ones too. Raises as `classify`, at the image that is wrong.
        """
        for image in images:
            yield self.classify(image, k, threshold=threshold)

    def warm_up(self) -> None:
        """Opens the calling thread's interpreter, so that its first image need not wait. Raises as Classifier."""
        self._model()

    def close(self) -> None:
        """Frees the device; further calls of `classify` raise DeviceError."""
        self._closed, self._own = True, threading.local()
        for reference in self._all:
            model = reference()
            if model is not None:
                model.close()

    def __enter__(self) -> "Classifier":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _model(self) -> "_Model":
        """The model of the calling thread, opened where there is none yet."""
        if self._closed:
            raise DeviceError("The classifier is closed.", "Open a new one.")
        model: Optional[_Model] = getattr(self._own, "model", None)
        if model is None:
            if _stamp(self._file) != self._stamp:
                raise DeviceError(f"{self._file!s} has changed since it was opened.", "Open a new Classifier.")
            model = self._own.model = self._open()
            with self._listing:
                self._all = [reference for reference in self._all if reference()] + [weakref.ref(model)]
        return model

    def _run(self, model: "_Model", tensor: np.ndarray) -> np.ndarray:
        (output,) = model.run(tensor)
        if output.size != self._values:
            raise ModelFormatError(f"The model is damaged: it answers in the shape {list(output.shape)}.")
        return output


def _stamp(model: Model) -> Tuple[int, ...]:
    """What tells a file from the one that replaces it; () for bytes and for what is no file."""
    try:
        status = () if isinstance(model, bytes) else os.stat(model)
    except (OSError, ValueError):  # opening the model puts it into words
        status = ()
    return (status.st_ino, status.st_size, status.st_mtime_ns) if status else ()


def _names(
    model: Model, values: int, own: Sequence[str], given: Optional[Union[str, "os.PathLike[str]", Sequence[str]]]
) -> Names:
    """The names that fit a number of output values; one value stands for two classes."""
    file = None if isinstance(model, bytes) else Path(model)
    if given is None:
        return find_names(file, values, own)
    if isinstance(given, (str, os.PathLike)):
        return find_names(file, values, own, given=os.fspath(given))
    labels, _ = fitting(tuple(given), values)
    if given and not labels:
        raise UsageError(f"There are {len(given)} labels for {max(2, values)} classes.", remedy(given, max(2, values)))
    return Names(labels, "given" if labels else NAMELESS)
