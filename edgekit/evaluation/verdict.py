"""The verdict: what a quantized model lost against the float model it came from."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from edgekit.calibration.class_matching import UNMATCHED, Matching
from edgekit.calibration.parallel import map_samples
from edgekit.calibration.samples import Sample, Samples
from edgekit.devices.interpreter import Interpreter, open_interpreter
from edgekit.errors import DataError, UsageError
from edgekit.evaluation.intervals import wilson_interval
from edgekit.evaluation.plausibility import Plausibility, alarms, plausibility
from edgekit.preprocess import InputSpec
from edgekit.progress import Progress, silent
from edgekit.tflite.expose import exposed
from edgekit.tflite.graph import Tensor
from edgekit.tflite.model import Model
from edgekit.tflite.patterns import score_head
from edgekit.tflite.quant import LIMITS, dequantize, quantize

#: Models that 8 bits suit keep 97 to 99 % (docs/benchmarks.md, docs/targets.md); what surely lies below is told.
LOW_AGREEMENT = 0.97


@dataclass(frozen=True)
class Verdict:
    """A candidate model against its reference, usually the float original, on the same images.

    Attributes:
      agreement: part of the images on which both predict the same class, 0–1.
      interval: 95 % Wilson interval of `agreement`.
      images: how many images were compared.
      source: "data" for the user's images, "synthetic" for generated ones.
      sqnr_db: signal to quantization noise ratio of the output over all images, in dB; infinite if equal, NaN
        where one model answers with logits and the other with probabilities.
      labelled: how many of the images have a known class.
      top1_reference, top1_candidate: accuracy of both on these, 0–1; None where there are none.
      distinct: how many different classes the reference predicted; where it is 1, agreement says little.
      lost, gained: labelled images that only the reference, or only the candidate, got right.
      matching: in words, how the images' classes were matched to outputs, or why they were not.
      plausibility: whether the reference's accuracy can be believed; None without labelled images.
      saturated: images whose highest score is at the end of what the candidate's 8 bits hold.
    """

    agreement: float
    interval: tuple[float, float]
    images: int
    source: str
    sqnr_db: float
    labelled: int = 0
    top1_reference: float | None = None
    top1_candidate: float | None = None
    distinct: int = 0
    lost: int = 0
    gained: int = 0
    matching: str = UNMATCHED.why_not
    plausibility: Plausibility | None = None
    saturated: int = 0

    @property
    def drop(self) -> float | None:
        """Accuracy lost, as a fraction; negative where the candidate is better."""
        if self.top1_reference is None or self.top1_candidate is None:
            return None
        return self.top1_reference - self.top1_candidate

    @property
    def low(self) -> bool:
        """Whether the agreement is surely lower than that of models which suffer little."""
        return self.interval[1] < LOW_AGREEMENT

    @property
    def p_value(self) -> float:
        """Probability that two equally good models differ in accuracy by this much or more on such images.

        The exact two-sided form of McNemar's test (Q. McNemar, Psychometrika 12, 1947): of the images that only
        one model got right, each is as likely to be the one's as the other's.
        """
        differing = self.lost + self.gained
        tail = sum(math.comb(differing, count) for count in range(min(self.lost, self.gained) + 1))
        return min(1.0, 2 * tail / (1 << differing))

    @property
    def alarms(self) -> tuple[str, ...]:
        """What makes the reference's accuracy unbelievable, in sentences; () where nothing does."""
        return alarms(self.plausibility, "The reference model")

    def unmet(self, max_drop: float | None, min_agreement: float | None) -> str | None:
        """Which of these demands (0–1) it does not meet, in words; None where it meets them.

        An accuracy that cannot be believed meets no demand: a candidate loses nothing against a reference that guesses.
        """
        if min_agreement is not None and self.agreement < min_agreement:
            return f"agreement {self.agreement:.1%} is less than the {min_agreement:.1%} asked for"
        if max_drop is None:
            return None
        if self.drop is None:
            return f"the accuracy lost is not known: {self.matching}"
        if self.alarms:
            return f"the accuracy lost says nothing. {self.alarms[0]}"
        # A drop of exactly the limit is met, whatever the last bit of a difference of fractions says.
        if self.drop > max_drop + 1e-9:
            return f"top-1 fell by {self.drop:.1%}, more than the {max_drop:.1%} allowed"
        return None

    def _interval_of(self, top1: float | None) -> list[float] | None:
        return None if top1 is None else [*wilson_interval(round(top1 * self.labelled), self.labelled)]

    def to_json(self) -> dict[str, object]:
        """The verdict's one JSON schema; an infinite or undefined SQNR is null."""
        return {
            "agreement": self.agreement,
            "interval": list(self.interval),
            "images": self.images,
            "source": self.source,
            "sqnr_db": round(self.sqnr_db, 2) if math.isfinite(self.sqnr_db) else None,
            "labelled": self.labelled,
            "top1_float": self.top1_reference,
            "top1_int8": self.top1_candidate,
            "top1_float_interval": self._interval_of(self.top1_reference),
            "top1_int8_interval": self._interval_of(self.top1_candidate),
            "distinct": self.distinct,
            "lost": self.lost,
            "gained": self.gained,
            "saturated": self.saturated,
            "matching": self.matching,
            "alarms": list(self.alarms),
        }


def compare(
    reference: Model,
    candidate: Model,
    samples: Iterable[Sample],
    *,
    source: str = "data",
    matching: Matching = UNMATCHED,
    progress: Progress = silent,
) -> Verdict:
    """Runs both models on every image, on all cores.

    Args:
      reference: the float model.
      candidate: the model to judge; any input and output type.
      samples: images that no choice about the candidate was made on, sized for the reference. Where the
        candidate wants them otherwise, they must be `Samples`.
      source: what to call them, see Verdict.
      matching: which output each of the samples' classes may be, from `match_samples`; where none is known,
        accuracy is not computed.

    Raises:
      DataError: there is no image.
      UsageError: the models have different numbers of outputs.
    """
    answers: list[tuple[int | None, int, int]] = []
    signal = noise = 0.0
    outputs = 0
    pairs = map_samples(lambda: _Pair(reference, candidate), _sized(samples, reference.spec, candidate.spec))
    saturated = 0
    for (sample, _), (expected, found, at_end) in pairs:
        if expected.size != found.size:
            raise UsageError(
                f"One model has {expected.size} outputs, the other {found.size}.", "Compare models of one task."
            )
        signal += float(np.square(expected).sum())
        noise += float(np.square(expected - found).sum())
        outputs, saturated = expected.size, saturated + at_end
        answers.append((sample.label, decide(expected, reference.output), decide(found, candidate.output)))
        progress("Verifying", len(answers), getattr(samples, "count", None))
    if not answers:
        raise DataError("There is no image to verify on.", "Give some with --verify-data, or use --no-verify.")
    agreeing = sum(a == b for _, a, b in answers)
    verdict = Verdict(
        agreement=agreeing / len(answers),
        interval=wilson_interval(agreeing, len(answers)),
        images=len(answers),
        source=source,
        sqnr_db=decibels(signal, noise) if reference.output == candidate.output else math.nan,
        distinct=len({a for _, a, _ in answers}),
        saturated=saturated,
    )
    return _with_accuracy(verdict, answers, matching, outputs)


def _with_accuracy(
    verdict: Verdict, answers: Iterable[tuple[int | None, int, int]], matching: Matching, outputs: int
) -> Verdict:
    """The verdict with both models' accuracy, where it is known which output each class is."""
    rows = [(label, a, b) for label, a, b in answers if label is not None]
    way = matching.settle((label, a) for label, a, _ in rows)
    if way is None or not rows:
        return replace(verdict, matching=matching.why_not)
    known = [(way.outputs[label], a, b) for label, a, b in rows]
    return replace(
        verdict,
        labelled=len(known),
        top1_reference=sum(a == truth for truth, a, _ in known) / len(known),
        top1_candidate=sum(b == truth for truth, _, b in known) / len(known),
        lost=sum(a == truth != b for truth, a, b in known),
        gained=sum(b == truth != a for truth, a, b in known),
        matching=way.how,
        plausibility=plausibility([(truth, a) for truth, a, _ in known], outputs),
    )


def decide(scores: np.ndarray, output: str = "probabilities") -> int:
    """The class a model names; a single output decides between 0 and 1: at one half, as a logit at 0."""
    return int(np.argmax(scores)) if scores.size > 1 else int(scores.ravel()[0] >= (0 if output == "logits" else 0.5))


def decibels(signal: float, noise: float) -> float:
    """Ratio of two powers in dB; infinite without noise, minus infinite without signal under noise."""
    if noise == 0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal > 0 else -math.inf


class _Pair:
    """Interpreters of both models, for one thread."""

    def __init__(self, reference: Model, candidate: Model) -> None:
        self._specs, self._scores = (reference.spec, candidate.spec), _scores(candidate)
        watched = candidate.graph
        if self._scores and self._scores.index != watched.outputs[0]:
            watched = exposed(watched, [watched.outputs[0], self._scores.index])
        self._reference, self._candidate = (
            open_interpreter(graph.content, threads=1) for graph in (reference.graph, watched)
        )

    def __call__(self, both: tuple[Sample, Sample]) -> tuple[np.ndarray, np.ndarray, bool]:
        """(float answer, candidate's answer, whether its highest score is at the end of its range) to one image."""
        expected, found = (
            run(interpreter, sample.input(spec))
            for interpreter, sample, spec in zip((self._reference, self._candidate), both, self._specs)
        )
        return expected, found, self._scores is not None and self._at_end(self._scores)

    def _at_end(self, scores: Tensor) -> bool:
        stored = self._candidate.get_tensor(self._candidate.get_output_details()[-1]["index"])
        return bool(stored.max() == LIMITS[scores.dtype][1])


def _scores(model: Model) -> Tensor | None:
    """The 8-bit scores of a model that have no fixed range; None where it has none, or shows none."""
    head = score_head(model.graph)
    scores = model.graph.tensors[head.scores]
    open_ended = bool(head.normalizer) or model.output == "logits"
    return scores if open_ended and scores.dtype in LIMITS and scores.quant and scores.elements > 1 else None


def _sized(samples: Iterable[Sample], first: InputSpec, second: InputSpec) -> Iterator[tuple[Sample, Sample]]:
    """Each image as either input wants it, decoded once where they want the same."""

    def way(spec: InputSpec) -> tuple[object, ...]:
        return (spec.shape, spec.resize, spec.crop, spec.interpolation)

    if isinstance(samples, Samples) and way(first) != way(second):
        return zip(samples, samples.resized(second), strict=True)
    return ((sample, sample) for sample in samples)


def run(interpreter: Interpreter, batch: np.ndarray) -> np.ndarray:
    """One inference: float32 (1, height, width, channels) in, float64 (classes,) out, whatever the model's types."""
    feed(interpreter, batch)
    sink = interpreter.get_output_details()[0]
    scores = interpreter.get_tensor(sink["index"])
    if sink["dtype"] != np.float32:
        scores = dequantize(scores, *sink["quantization"])
    return np.asarray(scores, np.float64).ravel()


def feed(interpreter: Interpreter, batch: np.ndarray) -> None:
    """Runs a model on float32 (1, height, width, channels), quantized as its input wants it."""
    source = interpreter.get_input_details()[0]
    if source["dtype"] != np.float32:
        scale, zero_point = source["quantization"]
        batch = quantize(batch, scale, zero_point, np.dtype(source["dtype"]).name)
    interpreter.set_tensor(source["index"], batch)
    interpreter.invoke()
