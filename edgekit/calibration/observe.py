"""One pass of images through the float model, noting what each tensor takes on.

The statistics take the same memory for any number of images; a range method (`ranges.py`) is a function of them.
Of each image alone, no more is kept than what its tails say (10 kB of an image on a B0), to resample them.
"""

import hashlib
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from edgekit.calibration.histogram import Histogram, histogram, merge, tail_values
from edgekit.calibration.parallel import map_samples
from edgekit.calibration.samples import Sample, Samples
from edgekit.devices.interpreter import open_interpreter
from edgekit.errors import ConversionError, DataError
from edgekit.preprocess import InputSpec
from edgekit.progress import Progress, silent
from edgekit.tflite.expose import exposed
from edgekit.tflite.graph import Graph
from edgekit.tflite.model import Model

#: Parts of a tensor's values that a percentile method leaves outside of the range on each side.
TAILS = (0.0, 0.0001, 0.0005, 0.001, 0.005)
#: Larger tensors are counted at evenly spaced positions only, all channels of each; their extremes are exact. Of many
#: images fewer values of each do: ALTOGETHER of them, but never less than FEWEST.
COUNTED, FEWEST, ALTOGETHER = 1 << 16, 1 << 14, 1 << 21

#: Rows side by side in the reductions over positions.
_BATCH = 64


@dataclass(frozen=True)
class Ends:
    """Lower and upper ends of several ranges, float64 arrays of one shape."""

    low: np.ndarray
    high: np.ndarray

    @property
    def magnitudes(self) -> np.ndarray:
        """The larger magnitude of both ends of each range."""
        larger: np.ndarray = np.maximum(np.abs(self.low), np.abs(self.high))
        return larger

    def plus(self, other: "Ends") -> "Ends":
        """The ends added up, from which means are made."""
        return Ends(self.low + other.low, self.high + other.high)

    def around(self, other: "Ends") -> "Ends":
        """The outermost of both."""
        return Ends(np.minimum(self.low, other.low), np.maximum(self.high, other.high))

    def over(self, count: int) -> "Ends":
        """The ends divided by a count."""
        return Ends(self.low / count, self.high / count)


@dataclass(frozen=True)
class Statistics:
    """What one float tensor took on over all images.

    Attributes:
      tails: (len(TAILS),): the value below and above which each part of TAILS lies in an image, its mean over the
        images. The part 0 is exact.
      outermost_tails: the same, its outermost value over the images.
      channels: (channels,): the lowest and highest value of each channel (last axis) in an image, its mean over the
        images; (1,), of all channels together, where nobody asked for each.
      means: float64 (channels,): the mean of each channel over positions and images.
      histogram: of the values of all images.
    """

    tails: Ends
    outermost_tails: Ends
    channels: Ends
    means: np.ndarray
    histogram: Histogram

    @property
    def extremes(self) -> tuple[float, float]:
        """The lowest and the highest value of all, 0 included."""
        return min(0.0, float(self.outermost_tails.low[0])), max(0.0, float(self.outermost_tails.high[0]))


@dataclass(frozen=True)
class Observations:
    """The statistics of every float activation over a set of images.

    Attributes:
      tensors: tensor name → its statistics, in the order of computation; the model's input comes first.
      images: how many images were seen.
      digest: sha256 over the images' pixels in order.
      each: float32 (images, tensors, 2, len(TAILS)): the tails of each image alone; lower ends come first.
      names, labels: of the images, as in `Sample`.
    """

    tensors: Mapping[str, Statistics]
    images: int
    digest: str
    each: np.ndarray = field(default_factory=lambda: np.zeros((0, 0, 2, len(TAILS)), np.float32), repr=False)
    names: tuple[str, ...] = ()
    labels: tuple[int | None, ...] = ()


def observe(
    model: Model,
    samples: Iterable[Sample],
    *,
    tensors: Collection[str] | None = None,
    channels: Collection[str] | None = None,
    progress: Progress = silent,
) -> Observations:
    """Runs images through a float model on all cores and gathers every tensor's statistics.

    Args:
      model: float, with a static batch of 1.
      samples: representative images; passed over once, a few of them in memory at a time.
      tensors: names of those to look at; None for all.
      channels: names of those whose channels are told apart, which takes half as long again; None for all.

    Raises:
      DataError: there is no image.
      ConversionError: the model does not run, or computes NaN or infinity.
    """
    watched, names = expose_activations(model.graph, tensors)
    apart = [channels is None or name in channels for name in names]
    digest, gathered = hashlib.sha256(), list[Statistics]()
    each: list[np.ndarray] = []
    seen: list[tuple[str, int | None]] = []
    total = samples.count if isinstance(samples, Samples) else None
    counted = min(COUNTED, max(FEWEST, ALTOGETHER // total)) if total else COUNTED
    for sample, row in map_samples(lambda: _Watcher(watched, model.spec, counted, apart), samples):
        _check_finite(row, names)
        digest.update(np.ascontiguousarray(sample.pixels).data)
        gathered = [_added(sums, one) for sums, one in zip(gathered, row, strict=True)] if gathered else row
        each.append(np.stack([(one.tails.low, one.tails.high) for one in row]).astype(np.float32))
        seen.append((sample.name, sample.label))
        progress("Calibrating", len(seen), total)
    if not seen:
        raise DataError("There is no image to calibrate on.", "Give a folder with images, or none at all.")
    tensors = {name: _means(sums, len(seen)) for name, sums in zip(names, gathered, strict=True)}
    images, labels = zip(*seen, strict=True)
    return Observations(tensors, len(seen), digest.hexdigest(), np.stack(each), images, labels)


def observe_anew(
    model: Model,
    samples: Iterable[Sample],
    known: Observations,
    changed: Collection[str],
    *,
    progress: Progress = silent,
) -> Observations:
    """As `observe`, for a model that computes what another does but for some tensors.

    Args:
      known: of the other, on the same images.
      changed: names of tensors that take on other values than in the other, where it has them.
    """
    names = activations(model.graph)
    wanted = [name for name in names if name in changed or name not in known.tensors]
    fresh = observe(model, samples, tensors=wanted, progress=progress)
    tensors = {**known.tensors, **fresh.tensors}
    rows = {name: known.each[:, place] for place, name in enumerate(known.tensors)}
    rows.update({name: fresh.each[:, place] for place, name in enumerate(fresh.tensors)})
    each = np.stack([rows[name] for name in names], axis=1)
    return replace(fresh, tensors={name: tensors[name] for name in names}, each=each)


def activations(graph: Graph) -> tuple[str, ...]:
    """Names of the graph's input and of all that it computes in float, in order."""
    return tuple(graph.tensors[index].name for index in _activations(graph))


def _activations(graph: Graph) -> list[int]:
    computed = [index for op in graph.ops for index in op.outputs]
    return [index for index in (graph.inputs[0], *computed) if graph.tensors[index].dtype == "float32"]


def expose_activations(graph: Graph, names: Collection[str] | None = None) -> tuple[bytes, tuple[str, ...]]:
    """The file of a model whose outputs are its float activations, all or those with these names; their names."""
    wanted = [index for index in _activations(graph) if names is None or graph.tensors[index].name in names]
    return exposed(graph, wanted).content, tuple(graph.tensors[index].name for index in wanted)


def _added(sums: Statistics, one: Statistics) -> Statistics:
    """Statistics of more images, with sums over them in the place of means."""
    return Statistics(
        sums.tails.plus(one.tails),
        sums.outermost_tails.around(one.outermost_tails),
        sums.channels.plus(one.channels),
        sums.means + one.means,
        merge(sums.histogram, one.histogram),
    )


def _means(sums: Statistics, images: int) -> Statistics:
    """The same with means over that many images in the place of sums."""
    return replace(sums, tails=sums.tails.over(images), channels=sums.channels.over(images), means=sums.means / images)


class _Watcher:
    """An interpreter that sums up each of its outputs, for one thread."""

    def __init__(self, content: bytes, spec: InputSpec, counted: int, apart: Sequence[bool]) -> None:
        self._counted = counted
        self._interpreter, self._spec = open_interpreter(content, threads=1), spec
        self._input = self._interpreter.get_input_details()[0]["index"]
        outputs = [detail["index"] for detail in self._interpreter.get_output_details()]
        self._outputs = list(zip(outputs, apart, strict=True))

    def __call__(self, sample: Sample) -> list[Statistics]:
        self._interpreter.set_tensor(self._input, sample.input(self._spec))
        try:
            self._interpreter.invoke()
        except RuntimeError as error:
            raise ConversionError(f"The float model does not run: {str(error).splitlines()[0]}.") from error
        return [_summary(self._interpreter.tensor(index)(), self._counted, apart) for index, apart in self._outputs]


def _summary(values: np.ndarray, counted: int = COUNTED, apart: bool = True) -> Statistics:
    """The statistics of one tensor in one image, about so many of its values counted, its channels told apart."""
    rows = values.reshape(-1, values.shape[-1] if values.ndim else 1)
    channels = _channel_extremes(rows) if apart else Ends(*np.array([[values.min()], [values.max()]], np.float64))
    low, high = float(channels.low.min()), float(channels.high.max())
    if not np.isfinite(high - low):
        nothing = Ends(*np.full((2, len(TAILS)), np.nan))
        return Statistics(nothing, nothing, channels, channels.low, histogram(np.zeros(0, np.float32), 0.0))
    some = rows[:: -(-values.size // counted)]
    found = histogram(some, max(-low, high))
    below, above = tail_values(found, np.array(TAILS))
    below[0], above[0] = low, high
    tails = Ends(np.clip(below, low, high), np.clip(above, low, high))
    return Statistics(tails, tails, channels, some.mean(axis=0, dtype=np.float64), found)


def _channel_extremes(rows: np.ndarray) -> Ends:
    """(channels,): the lowest and highest value of each column.

    Several rows are laid side by side first: numpy reduces few wide rows four times faster than many narrow ones.
    """
    count, channels = rows.shape
    beside = math.gcd(count, _BATCH)
    wide = rows.reshape(count // beside, beside * channels)
    low = wide.min(axis=0).reshape(beside, channels).min(axis=0)
    high = wide.max(axis=0).reshape(beside, channels).max(axis=0)
    return Ends(low.astype(np.float64), high.astype(np.float64))


def _check_finite(row: Sequence[Statistics], names: tuple[str, ...]) -> None:
    for name, seen in zip(names, row, strict=True):
        if not (np.isfinite(seen.tails.low).all() and np.isfinite(seen.tails.high).all()):
            raise ConversionError(
                f"The float model computes NaN or infinity, first in tensor {name!r}.",
                "Check the preprocessing (--preprocess) and that the weights are finite.",
            )
