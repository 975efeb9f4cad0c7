"""What code that runs a model has to know of it."""

import os
from dataclasses import dataclass
from typing import Tuple, Union

import numpy as np

from edgekit.devices.inspection import inspect
from edgekit.devices.tensors import check_classes, input_spec, input_tensor, output_tensor, quantized_levels
from edgekit.errors import UsageError
from edgekit.preprocess import InputSpec
from edgekit.tflite.graph import Tensor
from edgekit.tflite.metadata import Metadata
from edgekit.tflite.quant import LIMITS


@dataclass(frozen=True)
class Figures:
    """A classifier's figures.

    Attributes:
      path: of the file.
      labels: names of the classes; () where it has none.
      spec: how an image becomes its input.
      in_type, out_type: dtypes of its input and output: float32, uint8 or int8.
      factor, offset: of each channel: the input is `pixel * factor + offset`, that is `(pixel - mean) / std` quantized.
      plain: whether the input is `pixel + shift`, as the runtime feeds it.
      out_scale, out_zero: a score is `(output - out_zero) * out_scale`; 1 and 0 where it is float.
      classes: how many scores it has.
    """

    path: str
    labels: Tuple[str, ...]
    spec: InputSpec
    in_type: str
    out_type: str
    factor: Tuple[float, ...]
    offset: Tuple[float, ...]
    plain: bool
    out_scale: float
    out_zero: int
    classes: int

    @property
    def shift(self) -> int:
        """What integer inputs add to a pixel where that is all."""
        return LIMITS[self.in_type][0] if self.in_type != "float32" else 0

    @property
    def bgr(self) -> bool:
        """Whether the channels are turned."""
        return self.spec.order == "bgr"


def read_figures(model: Union[str, "os.PathLike[str]"]) -> Figures:
    """The figures of a `.tflite` that says how its images are scaled.

    Raises:
      UsageError: it brings images to its size by cropping.
      EdgekitError: the file is no image classifier, or damaged.
    """
    found = inspect(model)
    source, sink = input_tensor(found.graph), output_tensor(found.graph)
    labels = found.names.labels if found.names else ()
    check_classes(found.graph, labels)
    spec = input_spec(source, found.metadata or Metadata(), None)
    if spec.resize != "stretch":
        raise UsageError(f"{found.path} wants its images cropped, which no snippet does.", "Use edgekit.Classifier.")
    taken = source.quant if source.dtype != "float32" else None
    given = sink.quant if sink.dtype != "float32" else None
    scale, zero = (float(taken.scale[0]), int(taken.zero_point[0])) if taken else (1.0, 0)
    return Figures(
        path=found.path,
        labels=tuple(labels),
        spec=spec,
        in_type=source.dtype,
        out_type=sink.dtype,
        factor=tuple(1 / (std * scale) for std in spec.std),
        offset=tuple(zero - mean / (std * scale) for mean, std in zip(spec.mean, spec.std)),
        plain=_is_plain(source, spec),
        out_scale=float(given.scale[0]) if given else 1.0,
        out_zero=int(given.zero_point[0]) if given else 0,
        classes=sink.elements,
    )


def _is_plain(source: Tensor, spec: InputSpec) -> bool:
    if source.dtype == "float32":
        return not any(spec.mean) and set(spec.std) == {1.0}
    levels = np.arange(256)[:, np.newaxis] + LIMITS[source.dtype][0]
    return bool(np.all(quantized_levels(source, spec) == levels))
