"""What an object detector of the SSD family answers (`TFLite_Detection_PostProcess`)."""

from typing import Callable, List, NamedTuple, Tuple

import numpy as np

from edgekit.pycoral.adapters import common
from edgekit.pycoral.runtime import Runnable


class BBox(NamedTuple):
    """A box, edges parallel to the image's.

    Attributes:
      xmin, ymin: upper left corner.
      xmax, ymax: lower right corner.
    """

    xmin: float
    ymin: float
    xmax: float
    ymax: float

    @property
    def width(self) -> float:
        """Along x; negative for an invalid box."""
        return self.xmax - self.xmin

    @property
    def height(self) -> float:
        """Along y; negative for an invalid box."""
        return self.ymax - self.ymin

    @property
    def area(self) -> float:
        """Width times height."""
        return self.width * self.height

    @property
    def valid(self) -> bool:
        """Whether neither side is negative, as that of an empty intersection can be."""
        return self.width >= 0 and self.height >= 0

    def scale(self, sx: float, sy: float) -> "BBox":
        """The box with x and y coordinates multiplied."""
        return BBox(sx * self.xmin, sy * self.ymin, sx * self.xmax, sy * self.ymax)

    def translate(self, dx: float, dy: float) -> "BBox":
        """The box moved."""
        return BBox(dx + self.xmin, dy + self.ymin, dx + self.xmax, dy + self.ymax)

    def map(self, f: Callable[[float], float]) -> "BBox":
        """The box with a function applied to each coordinate."""
        return BBox(*(f(coordinate) for coordinate in self))

    @staticmethod
    def intersect(a: "BBox", b: "BBox") -> "BBox":
        """What two boxes share; not `valid` where that is nothing."""
        return BBox(max(a.xmin, b.xmin), max(a.ymin, b.ymin), min(a.xmax, b.xmax), min(a.ymax, b.ymax))

    @staticmethod
    def union(a: "BBox", b: "BBox") -> "BBox":
        """The smallest box that holds both."""
        return BBox(min(a.xmin, b.xmin), min(a.ymin, b.ymin), max(a.xmax, b.xmax), max(a.ymax, b.ymax))

    @staticmethod
    def iou(a: "BBox", b: "BBox") -> float:
        """Area of the intersection over that of both together: 1 for equal boxes, 0 for separate ones."""
        shared = BBox.intersect(a, b)
        return shared.area / (a.area + b.area - shared.area) if shared.valid else 0.0


class Object(NamedTuple):
    """A detected object.

    Attributes:
      id: its class.
      score: from 0 to 1.
      bbox: where it is, in pixels of the image.
    """

    id: int
    score: float
    bbox: BBox


def get_objects(
    interpreter: Runnable, score_threshold: float = -float("inf"), image_scale: Tuple[float, float] = (1.0, 1.0)
) -> List[Object]:
    """The objects of the last run, in the model's order, which is by falling score.

    Args:
      interpreter: of a detector whose four outputs are boxes, classes, scores and their count; which is which is
        known from the signature, or from the two orders in use.
      score_threshold: the least score of an object that is returned.
      image_scale: scale of the image in the input, in x and y, as `common.set_resized_input` returns it.

    Raises:
      ValueError: the model has several signatures, or its outputs are others.
    """
    boxes, classes, scores, count = _outputs(interpreter)
    width, height = common.input_size(interpreter)
    sx, sy = width / image_scale[0], height / image_scale[1]
    found = []
    for (ymin, xmin, ymax, xmax), number, score in zip(boxes[:count], classes, scores):
        if score >= score_threshold:
            box = BBox(xmin, ymin, xmax, ymax).scale(sx, sy).map(int)
            found.append(Object(int(number), float(score), box))
    return found


def _outputs(interpreter: Runnable) -> Tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Boxes (objects, 4), classes and scores (objects,), and how many of them count."""
    signatures = interpreter._get_full_signature_list()
    if len(signatures) > 1:
        raise ValueError("Only support model with one signature.")
    outputs = next(iter(signatures.values()))["outputs"] if signatures else {}
    if {"output_0", "output_1", "output_2", "output_3"} <= set(outputs):
        count, scores, classes, boxes = (interpreter.tensor(outputs[f"output_{i}"])() for i in range(4))
    else:
        boxes, classes, scores, count = _in_order(interpreter)
    return boxes[0], classes[0], scores[0], int(count[0])


def _in_order(interpreter: Runnable) -> Tuple[np.ndarray, ...]:
    """By the place of the count, the only output of one element: last in TF1's order, third in TF2's."""
    outputs = [common.output_tensor(interpreter, i) for i in range(len(interpreter.get_output_details()))]
    if len(outputs) != 4:
        raise ValueError(f"The model is no object detector: it has {len(outputs)} outputs instead of 4.")
    if outputs[3].size == 1:
        return tuple(outputs)
    scores, boxes, count, classes = outputs
    return boxes, classes, scores, count
