"""What errors in some tensors of a float model do to its scores."""

from collections.abc import Mapping, Sequence

import numpy as np

from edgekit.devices.interpreter import open_interpreter
from edgekit.tflite.expose import disturbed
from edgekit.tflite.graph import Graph
from edgekit.tflite.scores import centred, score_tensor


def disturbable(graph: Graph, tensors: Sequence[int]) -> bytes:
    """A float model that adds errors to these activations, for any number of `Disturbed`."""
    return disturbed(graph, tensors, score_tensor(graph).index).content


class Disturbed:
    """A float model that adds errors to what its ops compute, for one thread."""

    def __init__(self, content: bytes, tensors: Sequence[int]) -> None:
        """Takes what `disturbable` makes of the activations `tensors`."""
        self._interpreter = open_interpreter(content, threads=1)
        image, *added = self._interpreter.get_input_details()
        (scores,) = self._interpreter.get_output_details()
        self._image, self._output = image["index"], scores["index"]
        self._places = {tensor: detail["index"] for tensor, detail in zip(tensors, added, strict=True)}
        for detail in added:
            self._interpreter.set_tensor(detail["index"], np.zeros(detail["shape"], np.float32))

    def show(self, batch: np.ndarray) -> np.ndarray:
        """Takes a new image, float32 (1, height, width, channels), and gives its scores without any error."""
        self._interpreter.set_tensor(self._image, batch)
        return self.scores({})

    def scores(self, errors: Mapping[int, np.ndarray]) -> np.ndarray:
        """The image's scores, centred, float64 (classes,), with these float32 arrays added to these tensors."""
        for tensor, error in errors.items():
            self._interpreter.set_tensor(self._places[tensor], error)
        self._interpreter.invoke()
        for tensor, error in errors.items():
            self._interpreter.set_tensor(self._places[tensor], np.zeros_like(error))
        return centred(np.asarray(self._interpreter.get_tensor(self._output), np.float64).ravel())
