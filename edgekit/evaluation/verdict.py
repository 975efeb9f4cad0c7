"""The verdict: what a quantized model lost against the float model it came from."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgekit.calibration.parallel import map_samples
from edgekit.calibration.samples import Sample, Samples
from edgekit.devices.interpreter import open_interpreter
from edgekit.errors import DataError, UsageError
from edgekit.preprocess import InputSpec
from edgekit.progress import Progress, silent
from edgekit.tflite.model import Model
from edgekit.tflite.quant import dequantize, quantize

#: 97.5 % point of the normal distribution: the half-width of a 95 % interval in standard deviations.
Z95 = 1.959963984540054


@dataclass(frozen=True)
class Verdict:
    """A candidate model against its float original on the same images.

    Attributes:
      agreement: part of the images on which both name the same class, 0–1.
      interval: 95 % Wilson interval of `agreement`.
      images: how many images were compared.
      source: "data" for the user's images, "synthetic" for generated ones.
      sqnr_db: signal to quantization noise ratio of the output over all images, in dB; infinite if equal, NaN
        where one model answers with logits and the other with probabilities.
      labelled: how many of the images have a known class.
      top1_float, top1_int8: accuracy of both on these, 0–1; None where there are none.
      distinct: how many different classes the float model named; where it is 1, agreement says little.
      lost, gained: labelled images that only the float model, or only the candidate, got right.
    """

    agreement: float
    interval: tuple[float, float]
    images: int
    source: str
    sqnr_db: float
    labelled: int = 0
    top1_float: float | None = None
    top1_int8: float | None = None
    distinct: int = 0
    lost: int = 0
    gained: int = 0

    @property
    def drop(self) -> float | None:
        """Accuracy lost, as a fraction; negative where the candidate is better."""
        if self.top1_float is None or self.top1_int8 is None:
            return None
        return self.top1_float - self.top1_int8

    @property
    def chance(self) -> float:
        """Probability that two equally good models differ in accuracy by this much or more on such images.

        The exact two-sided form of McNemar's test (Q. McNemar, Psychometrika 12, 1947): of the images that only
        one model got right, each is as likely to be the one's as the other's.
        """
        differing = self.lost + self.gained
        tail = sum(math.comb(differing, count) for count in range(min(self.lost, self.gained) + 1))
        return min(1.0, 2 * tail / (1 << differing))


def compare(
    reference: Model,
    candidate: Model,
    samples: Iterable[Sample],
    *,
    source: str = "data",
    classes: Sequence[int] | None = None,
    progress: Progress = silent,
) -> Verdict:
    """Runs both models on every image, on all cores.

    Args:
      reference: the float model.
      candidate: the model to judge; any input and output type.
      samples: images that no choice about the candidate was made on, sized for the reference. Where the
        candidate wants them otherwise, they must be `Samples`.
      source: what to call them, see Verdict.
      classes: output index of each of the samples' classes, in the order of their labels; without it,
        accuracy is not computed.

    Raises:
      DataError: there is no image.
      UsageError: the models have different numbers of outputs.
    """
    predicted: list[tuple[int, int, int | None]] = []
    signal = noise = 0.0
    pairs = map_samples(lambda: _Pair(reference, candidate), _sized(samples, reference.spec, candidate.spec))
    for (sample, _), (expected, found) in pairs:
        if expected.size != found.size:
            raise UsageError(
                f"One model has {expected.size} outputs, the other {found.size}.", "Compare models of one task."
            )
        signal += float(np.square(expected).sum())
        noise += float(np.square(expected - found).sum())
        truth = classes[sample.label] if classes is not None and sample.label is not None else None
        predicted.append((decide(expected, reference.output), decide(found, candidate.output), truth))
        progress("Verifying", len(predicted), getattr(samples, "count", None))
    if not predicted:
        raise DataError("There is no image to verify on.", "Give some with --verify-data, or use --no-verify.")
    known = [row for row in predicted if row[2] is not None]
    agreeing = sum(a == b for a, b, _ in predicted)
    return Verdict(
        agreement=agreeing / len(predicted),
        interval=wilson_interval(agreeing, len(predicted)),
        images=len(predicted),
        source=source,
        sqnr_db=decibels(signal, noise) if reference.output == candidate.output else math.nan,
        labelled=len(known),
        top1_float=sum(a == t for a, _, t in known) / len(known) if known else None,
        top1_int8=sum(b == t for _, b, t in known) / len(known) if known else None,
        lost=sum(a == t != b for a, b, t in known),
        gained=sum(b == t != a for a, b, t in known),
        distinct=len({a for a, _, _ in predicted}),
    )


def decide(scores: np.ndarray, output: str = "probabilities") -> int:
    """The class a model names; a single output decides between 0 and 1: at one half, as a logit at 0."""
    return int(np.argmax(scores)) if scores.size > 1 else int(scores.ravel()[0] >= (0 if output == "logits" else 0.5))


def decibels(signal: float, noise: float) -> float:
    """Ratio of two powers in dB; infinite without noise, minus infinite without signal under noise."""
    if noise == 0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal > 0 else -math.inf


def class_indices(names: Sequence[str], labels: Sequence[str], classes: int) -> tuple[int, ...] | None:
    """Which output belongs to each class folder: by name where labels are known, else by sorted order.

    Keras numbers the folders of a data set in sorted order. None where neither fits.
    """
    known = {label.strip().lower(): index for index, label in enumerate(labels)}
    if names and all(name.strip().lower() in known for name in names):
        return tuple(known[name.strip().lower()] for name in names)
    outputs = 2 if classes == 1 else classes
    return tuple(range(outputs)) if len(names) == outputs and not known else None


def wilson_interval(successes: int, trials: int, z: float = Z95) -> tuple[float, float]:
    """Confidence interval of a proportion (E. B. Wilson, J. Am. Stat. Assoc. 22, 1927).

    Raises ValueError where `trials` is not positive.
    """
    if trials <= 0:
        raise ValueError("an interval needs at least one trial")
    rate, spread = successes / trials, z * z / trials
    centre = (rate + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(rate * (1 - rate) / trials + spread / (4 * trials))
    return max(0.0, centre - half), min(1.0, centre + half)


class _Pair:
    """Interpreters of both models, for one thread."""

    def __init__(self, reference: Model, candidate: Model) -> None:
        self._runners = [(open_interpreter(r.graph.content, threads=1), r.spec) for r in (reference, candidate)]

    def __call__(self, both: tuple[Sample, Sample]) -> tuple[np.ndarray, np.ndarray]:
        """(float answer, candidate's answer) to one image, sized for either."""
        (reference, first), (candidate, second) = self._runners
        return run(reference, both[0].input(first)), run(candidate, both[1].input(second))


def _sized(samples: Iterable[Sample], first: InputSpec, second: InputSpec) -> Iterator[tuple[Sample, Sample]]:
    """Each image as either input wants it, decoded once where they want the same."""

    def way(spec: InputSpec) -> tuple[Any, ...]:
        return (spec.shape, spec.resize, spec.crop, spec.interpolation)

    if isinstance(samples, Samples) and way(first) != way(second):
        return zip(samples, samples.resized(second), strict=True)
    return ((sample, sample) for sample in samples)


def run(interpreter: Any, batch: np.ndarray) -> np.ndarray:
    """One inference: float32 (1, height, width, channels) in, float64 (classes,) out, whatever the model's types."""
    feed(interpreter, batch)
    sink = interpreter.get_output_details()[0]
    scores = interpreter.get_tensor(sink["index"])
    if sink["dtype"] != np.float32:
        scores = dequantize(scores, *sink["quantization"])
    return np.asarray(scores, np.float64).ravel()


def feed(interpreter: Any, batch: np.ndarray) -> None:
    """Runs a model on float32 (1, height, width, channels), quantized as its input wants it."""
    source = interpreter.get_input_details()[0]
    if source["dtype"] != np.float32:
        scale, zero_point = source["quantization"]
        batch = quantize(batch, scale, zero_point, np.dtype(source["dtype"]).name)
    interpreter.set_tensor(source["index"], batch)
    interpreter.invoke()
