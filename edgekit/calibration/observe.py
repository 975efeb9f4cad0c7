"""One pass of pictures through the float model, noting what each tensor takes on.

The statistics of a tensor are kept per picture; a range method (`ranges.py`) is then a function of them.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from edgekit.calibration.parallel import map_samples
from edgekit.calibration.samples import Sample
from edgekit.devices.interpreter import open_interpreter
from edgekit.errors import ConversionError, DataError
from edgekit.preprocess import InputSpec
from edgekit.progress import Progress, silent
from edgekit.tflite import edit


@dataclass(frozen=True)
class Statistics:
    """What one float tensor took on, picture by picture.

    Attributes:
      low, high: float64 arrays (pictures,), the smallest and largest value in each picture.
    """

    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True)
class Observations:
    """The statistics of every float activation over a set of pictures.

    Attributes:
      tensors: tensor name → its statistics, in the order of computation; the model's input comes first.
      pictures: how many pictures were seen.
      digest: sha256 over the pictures' pixels in order.
    """

    tensors: Mapping[str, Statistics]
    pictures: int
    digest: str


def observe(content: bytes, samples: Iterable[Sample], spec: InputSpec, *, progress: Progress = silent) -> Observations:
    """Runs float pictures through a float model on all cores and notes every tensor's extremes.

    Args:
      content: float `.tflite` with a static batch of 1.
      samples: representative pictures; passed over once, a few of them in memory at a time.
      spec: the preprocessing that belongs to `content`.

    Raises:
      DataError: there is no picture.
      ConversionError: the model does not run, or computes NaN or infinity.
    """
    exposed, names = expose_activations(content)
    digest, rows = hashlib.sha256(), []
    total = getattr(samples, "count", None)
    for sample, row in map_samples(lambda: _Watcher(exposed, spec), samples):
        digest.update(np.ascontiguousarray(sample.pixels))
        rows.append(row)
        progress("Calibrating", len(rows), total)
    if not rows:
        raise DataError("There is no picture to calibrate on.", "Give a folder with pictures, or none at all.")
    values = np.stack(rows)
    _check_finite(values, names)
    tensors = {name: Statistics(values[:, i, 0], values[:, i, 1]) for i, name in enumerate(names)}
    return Observations(tensors, len(rows), digest.hexdigest())


def expose_activations(content: bytes) -> tuple[bytes, tuple[str, ...]]:
    """A copy of the model whose outputs are its input and all float activations, and their names.

    As outputs they stay in memory after an invocation, on the same optimized kernels as otherwise.
    """
    from ai_edge_litert.schema_py_generated import TensorType

    model = edit.unpack(content)
    graph = model.subgraphs[0]
    computed = [int(i) for op in graph.operators for i in op.outputs]
    wanted = [i for i in [int(graph.inputs[0]), *computed] if graph.tensors[i].type == TensorType.FLOAT32]
    graph.outputs = np.array(wanted, np.int32)
    model.signatureDefs = []
    return edit.pack(model), tuple(edit.name_of(graph.tensors[i]) for i in wanted)


class _Watcher:
    """An interpreter that tells the extremes of each of its outputs, for one thread."""

    def __init__(self, content: bytes, spec: InputSpec) -> None:
        self._interpreter, self._spec = open_interpreter(content, threads=1), spec
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._outputs = [detail["index"] for detail in self._interpreter.get_output_details()]

    def __call__(self, sample: Sample) -> np.ndarray:
        """float64 (outputs, 2): the lowest and highest value of each."""
        self._interpreter.set_tensor(self._input, sample.input(self._spec))
        try:
            self._interpreter.invoke()
        except RuntimeError as error:
            raise ConversionError(f"The float model does not run: {str(error).splitlines()[0]}.") from error
        views = (self._interpreter.tensor(index)() for index in self._outputs)
        return np.array([(view.min(), view.max()) for view in views], np.float64)


def _check_finite(values: np.ndarray, names: tuple[str, ...]) -> None:
    bad = np.argwhere(~np.isfinite(values).all(axis=(0, 2)))
    if len(bad):
        raise ConversionError(
            f"The float model computes NaN or infinity, first in tensor {names[int(bad[0, 0])]!r}.",
            "Check the preprocessing (--preprocess) and that the weights are finite.",
        )
