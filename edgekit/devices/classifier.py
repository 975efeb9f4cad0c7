"""`Classifier`: from a picture to the names of what is in it."""

from pathlib import Path
from time import perf_counter
from typing import Optional, Sequence, Tuple, Union

import numpy as np

from edgekit.devices.failover import SteadyModel, open_steady
from edgekit.devices.opening import Device, OpenModel
from edgekit.devices.prediction import Latency, Prediction, best_classes
from edgekit.devices.tensors import encoder, input_spec, input_tensor, output_meaning, output_tensor, probabilities
from edgekit.errors import DeviceError, ModelFormatError, UsageError
from edgekit.picture import Picture
from edgekit.preprocess import InputSpec, fit
from edgekit.tflite.metadata import Metadata, read_metadata


class Classifier:
    """An image classifier, opened on a device; labels and preprocessing come from the model itself.

        with Classifier("b0_int8.tflite") as classifier:
            print(classifier.classify("cat.jpg").classes[0].label)

    Not to be shared between threads: give each its own.

    Attributes:
      spec: how a picture becomes the input.
      labels: the classes' names; () where the model brings none.
      device: where it runs, such as "cpu"; it changes when an accelerator fails or comes back.
      reason: why there.
    """

    def __init__(
        self,
        model: Union[str, Path, bytes],
        *,
        device: Device = "auto",
        threads: Optional[int] = None,
        labels: Optional[Sequence[str]] = None,
        preprocess: Optional[Union[str, InputSpec]] = None,
    ) -> None:
        """Opens a model.

        Args:
          model: a `.tflite` file, or its bytes.
          device: "auto" (the best there is), "cpu", "edgetpu", "usb:1", "emulated", …: the forms of
            `edgekit.devices.request.Request`; or an EmulatedEdgeTpu.
          threads: at most so many; by default one for each core this process may use.
          labels: the classes' names, in place of the model's own.
          preprocess: how pixels are scaled, in place of what the model says: an InputSpec, the name of
            one of `edgekit.preprocess.CONVENTIONS`, or "mean,std".

        Raises:
          ModelFormatError: the file is missing or damaged.
          UnsupportedModelError: it is no image classifier.
          PreprocessingError: the scaling of its pictures is not known.
          DeviceError: there is no interpreter, or the model needs another device.
          UsageError: the labels are not as many as the classes.
        """
        opened = open_steady(model, device=device, threads=threads)
        metadata = read_metadata(opened.graph) or Metadata()
        self._model: Optional[Union[OpenModel, SteadyModel]] = opened
        self.device, self.reason = opened.device, opened.reason
        self._input = input_tensor(opened.graph)
        self._output = output_tensor(opened.graph)
        self._meaning = output_meaning(opened.graph, metadata)
        self.spec = input_spec(self._input, metadata, preprocess)
        self._encode = encoder(self._input, self.spec)
        self.labels = _labels(metadata.labels if labels is None else tuple(labels), self._output.elements)

    def classify(self, picture: Picture, k: int = 5) -> Prediction:
        """The `k` most probable classes of a picture.

        Args:
          picture: a path, the bytes of an encoded picture, a Pillow picture, or an H×W(×C) array.
          k: how many classes to return, at least 1.

        Raises:
          PictureError: the picture cannot be decoded.
          DeviceError: the model failed on the device, or the classifier is closed.
        """
        if k < 1:
            raise UsageError(f"The best {k} classes are none.", "Ask for one or more.")
        start = perf_counter()
        tensor = self._encode(fit(picture, self.spec))
        encoded = perf_counter()
        raw = self._run(tensor)
        done = perf_counter()
        scores = probabilities(raw, self._output, self._meaning)
        classes = best_classes(scores, self.labels, k)
        end = perf_counter()
        latency = Latency(*(1000 * seconds for seconds in (encoded - start, done - encoded, end - done)))
        return Prediction(classes, self.device, self.reason, latency)

    def close(self) -> None:
        """Frees the device; further calls of `classify` raise DeviceError."""
        if self._model is not None:
            self._model.close()
        self._model = None

    def __enter__(self) -> "Classifier":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _run(self, tensor: np.ndarray) -> np.ndarray:
        if self._model is None:
            raise DeviceError("The classifier is closed.", "Open a new one.")
        (output,) = self._model.run(tensor)
        self.device, self.reason = self._model.device, self._model.reason
        if output.size != self._output.elements:
            raise ModelFormatError(f"The model is damaged: it answers in the shape {list(output.shape)}.")
        return output


def _labels(labels: Tuple[str, ...], values: int) -> Tuple[str, ...]:
    """The labels, checked against the number of output values; one value stands for two classes."""
    classes = max(2, values)
    if values == 1 and len(labels) == 1:
        return (f"not {labels[0]}", labels[0])
    if labels and len(labels) != classes:
        raise UsageError(
            f"There are {len(labels)} labels for {classes} classes.",
            "A model of 1001 classes counts the background as class 0." if classes == 1001 else None,
        )
    return labels
