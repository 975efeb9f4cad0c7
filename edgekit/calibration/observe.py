"""One pass of images through the float model, noting what each tensor takes on.

The statistics take the same memory for any number of images; a range method (`ranges.py`) is a function of them.
Of each image alone, no more is kept than what its tails say (10 kB of an image on a B0), to resample them.
"""

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgekit.calibration.histogram import Histogram, histogram, merge, tail_values
from edgekit.calibration.parallel import map_samples
from edgekit.calibration.samples import Sample
from edgekit.devices.interpreter import open_interpreter
from edgekit.errors import ConversionError, DataError
from edgekit.preprocess import InputSpec
from edgekit.progress import Progress, silent
from edgekit.tflite import read_graph
from edgekit.tflite.expose import exposed

#: Parts of a tensor's values that a percentile method leaves outside of the range on each side.
TAILS = (0.0, 0.0001, 0.0005, 0.001, 0.005)
#: Larger tensors are counted at evenly spaced positions only, all channels of each; their extremes are exact.
COUNTED = 1 << 16

#: Numbers side by side in the reductions over positions.
_WIDE = 2048


@dataclass(frozen=True)
class Statistics:
    """What one float tensor took on over all images.

    Attributes:
      tails: float64 (2, len(TAILS), 2): the value below ([0]) and above ([1]) which each part of TAILS lies in a
        image; its mean ([…, 0]) and its outermost value ([…, 1]) over the images. The part 0 is exact.
      channels: float64 (2, 2, channels): the lowest ([0]) and highest ([1]) value of each channel (last axis) in a
        image; its mean ([:, 0]) and its outermost value ([:, 1]) over the images.
      means: float64 (channels,): the mean of each channel over positions and images.
      histogram: of the values of all images.
    """

    tails: np.ndarray
    channels: np.ndarray
    means: np.ndarray
    histogram: Histogram


@dataclass(frozen=True)
class Observations:
    """The statistics of every float activation over a set of images.

    Attributes:
      tensors: tensor name → its statistics, in the order of computation; the model's input comes first.
      images: how many images were seen.
      digest: sha256 over the images' pixels in order.
      each: float32 (images, tensors, 2, len(TAILS)): `Statistics.tails` of each image alone.
      names, labels: of the images, as in `Sample`.
    """

    tensors: Mapping[str, Statistics]
    images: int
    digest: str
    each: np.ndarray = field(default_factory=lambda: np.zeros((0, 0, 2, len(TAILS)), np.float32), repr=False)
    names: tuple[str, ...] = ()
    labels: tuple[int | None, ...] = ()


def observe(content: bytes, samples: Iterable[Sample], spec: InputSpec, *, progress: Progress = silent) -> Observations:
    """Runs float images through a float model on all cores and gathers every tensor's statistics.

    Args:
      content: float `.tflite` with a static batch of 1.
      samples: representative images; passed over once, a few of them in memory at a time.
      spec: the preprocessing that belongs to `content`.

    Raises:
      DataError: there is no image.
      ConversionError: the model does not run, or computes NaN or infinity.
    """
    watched, names = expose_activations(content)
    digest, gathered = hashlib.sha256(), list[_Sums]()
    each: list[np.ndarray] = []
    seen: list[tuple[str, int | None]] = []
    total = getattr(samples, "count", None)
    for sample, row in map_samples(lambda: _Watcher(watched, spec), samples):
        _check_finite(row, names)
        digest.update(np.ascontiguousarray(sample.pixels).data)
        gathered = [_added(sums, one) for sums, one in zip(gathered, row, strict=True)] if gathered else row
        each.append(np.stack([one.tails[..., 0] for one in row]).astype(np.float32))
        seen.append((sample.name, sample.label))
        progress("Calibrating", len(seen), total)
    if not seen:
        raise DataError("There is no image to calibrate on.", "Give a folder with images, or none at all.")
    tensors = {name: _statistics(sums, len(seen)) for name, sums in zip(names, gathered, strict=True)}
    images, labels = zip(*seen, strict=True)
    return Observations(tensors, len(seen), digest.hexdigest(), np.stack(each), images, labels)


def expose_activations(content: bytes) -> tuple[bytes, tuple[str, ...]]:
    """A copy of the model whose outputs are its input and all float activations, and their names."""
    graph = read_graph(content)
    computed = [index for op in graph.ops for index in op.outputs]
    wanted = [index for index in (graph.inputs[0], *computed) if graph.tensors[index].dtype == "float32"]
    return exposed(graph, wanted).content, tuple(graph.tensors[index].name for index in wanted)


@dataclass(frozen=True)
class _Sums:
    """Statistics of one tensor with sums over the images in the place of means."""

    tails: np.ndarray
    channels: np.ndarray
    means: np.ndarray
    histogram: Histogram


def _added(sums: _Sums, one: _Sums) -> _Sums:
    def both(a: np.ndarray, b: np.ndarray, total: tuple[Any, ...], outermost: tuple[Any, ...]) -> np.ndarray:
        result = np.empty_like(a)
        result[total] = a[total] + b[total]
        low, high = (0, *outermost[1:]), (1, *outermost[1:])
        result[low], result[high] = np.minimum(a[low], b[low]), np.maximum(a[high], b[high])
        return result

    everything = slice(None)
    return _Sums(
        both(sums.tails, one.tails, (..., 0), (everything, everything, 1)),
        both(sums.channels, one.channels, (everything, 0), (everything, 1)),
        sums.means + one.means,
        merge(sums.histogram, one.histogram),
    )


def _statistics(sums: _Sums, images: int) -> Statistics:
    tails, channels = sums.tails.copy(), sums.channels.copy()
    tails[..., 0] /= images
    channels[:, 0] /= images
    return Statistics(tails, channels, sums.means / images, sums.histogram)


class _Watcher:
    """An interpreter that sums up each of its outputs, for one thread."""

    def __init__(self, content: bytes, spec: InputSpec) -> None:
        self._interpreter, self._spec = open_interpreter(content, threads=1), spec
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._outputs = [detail["index"] for detail in self._interpreter.get_output_details()]

    def __call__(self, sample: Sample) -> list[_Sums]:
        self._interpreter.set_tensor(self._input, sample.input(self._spec))
        try:
            self._interpreter.invoke()
        except RuntimeError as error:
            raise ConversionError(f"The float model does not run: {str(error).splitlines()[0]}.") from error
        return [_summary(self._interpreter.tensor(index)()) for index in self._outputs]


def _summary(values: np.ndarray) -> _Sums:
    """The statistics of one tensor in one image."""
    rows = values.reshape(-1, values.shape[-1] if values.ndim else 1)
    channels = _channel_extremes(rows)
    low, high = float(channels[0].min()), float(channels[1].max())
    if not np.isfinite(high - low):
        nothing = histogram(np.zeros(0, np.float32), 0.0)
        return _Sums(np.full((2, len(TAILS), 2), np.nan), channels[:, None], channels[0], nothing)
    some = rows[:: -(-values.size // COUNTED)]
    counted = histogram(some, max(-low, high))
    tails = np.stack(tail_values(counted, np.array(TAILS)))
    tails[0, 0], tails[1, 0] = low, high
    tails = np.clip(tails, low, high)
    means = some.mean(axis=0, dtype=np.float64)
    return _Sums(np.repeat(tails[..., None], 2, axis=2), np.repeat(channels[:, None], 2, axis=1), means, counted)


def _channel_extremes(rows: np.ndarray) -> np.ndarray:
    """float64 (2, channels): the lowest and highest value of each column.

    Several rows are laid side by side first: numpy reduces few wide rows four times faster than many narrow ones.
    """
    count, channels = rows.shape
    beside = math.gcd(count, 1 << max(0, (_WIDE // max(1, channels)).bit_length() - 1))
    wide = rows.reshape(count // beside, beside * channels)
    extremes = np.stack([wide.min(axis=0), wide.max(axis=0)]).reshape(2, beside, channels)
    return np.stack([extremes[0].min(axis=0), extremes[1].max(axis=0)]).astype(np.float64)


def _check_finite(row: "list[_Sums]", names: tuple[str, ...]) -> None:
    for name, sums in zip(names, row, strict=True):
        if not np.isfinite(sums.tails).all():
            raise ConversionError(
                f"The float model computes NaN or infinity, first in tensor {name!r}.",
                "Check the preprocessing (--preprocess) and that the weights are finite.",
            )
