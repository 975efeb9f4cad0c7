"""The search for an int8 model: candidates are measured on the same images, and every step is kept.

A candidate is measured by its scores: the nearer they come to the float model's, the better. What was tried, what was
kept and what it gained is read from the steps, by whoever tells it.
"""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from edgekit.calibration import Ranges, Samples
from edgekit.converters.quantization.backend import quantize_int8
from edgekit.converters.quantization.corrections import HEAD, Form, Wanted, adjustments
from edgekit.converters.quantization.scores import image_sqnr, mean_sqnr, outputs_of, scores
from edgekit.converters.quantization.template import Template, template
from edgekit.converters.quantization.transforms.head import Head, fit, last_layer, with_head
from edgekit.progress import Progress, silent
from edgekit.tflite.graph import Graph
from edgekit.tflite.scores import centred

#: Every so many images, a candidate that is certainly worse than the best is given up.
STAGE = 16
#: How certain: standard errors of the mean difference, image by image.
CERTAIN = 1.0
#: What a step changes: the ranges of all tensors, weights and biases, the ranges of one group of tensors, or the last
#: layer.
Kind = Literal["ranges", "adjustment", "group", "head"]


@dataclass(frozen=True)
class Candidate:
    """What to quantize, and how.

    Attributes:
      form: the float model.
      ranges: of its activations.
      adjusted: names of the corrections of quantized weights, in order.
      head: the last layer as it was fitted to all that, or None.
    """

    form: Form
    ranges: Ranges
    adjusted: tuple[str, ...] = ()
    head: Head | None = field(default=None, repr=False)

    @property
    def corrections(self) -> tuple[str, ...]:
        """Names of all corrections, in order."""
        return (*self.form.corrections, *self.adjusted, *((HEAD,) if self.head else ()))

    def quantized(self, *, io: str = "uint8") -> Graph:
        """The int8 model, see `quantize_int8`."""
        model, allow_float = self.form.model, self.form.allow_float
        return self._adjusted(quantize_int8(model.graph, self.ranges, model.spec, io=io, allow_float=allow_float))

    def filled(self, known: Template) -> Graph:
        """The same from the template of the form, for uint8 input and output."""
        return self._adjusted(known.filled(self.ranges, self.form.model.spec))

    def _adjusted(self, graph: Graph) -> Graph:
        for correction in adjustments(Wanted(self.adjusted)):
            graph = correction.apply(graph, self.form.model.graph, self.form.observations)
        return with_head(graph, self.form.model.graph, self.head) if self.head else graph


@dataclass(frozen=True)
class Step:
    """A candidate that was measured.

    Attributes:
      kind: what the step changed.
      candidate: the int8 model it led to.
      method: the range method it brought.
      group: the tensors that got it, see `tensor_groups.py`; "" for all.
      sqnr_db: mean over the images of the scores' signal to quantization noise ratio, in dB; what the first images let
        expect, where the step was given up after these.
      before_db: that of the best candidate so far; minus infinity for the first.
    """

    kind: Kind
    candidate: Candidate = field(repr=False)
    method: str
    group: str
    sqnr_db: float
    before_db: float

    @property
    def kept(self) -> bool:
        """Whether the candidate was the best so far, so that what followed built on it."""
        return self.sqnr_db > self.before_db

    @property
    def name(self) -> str:
        """What the step tried, in a few words: "split-swish, mse"."""
        tried = {
            "ranges": (*self.candidate.corrections, self.method),
            "adjustment": self.candidate.adjusted[-1:],
            "head": (HEAD,),
        }
        return ", ".join(tried.get(self.kind, (f"{self.method} for {self.group}",)))


@dataclass(frozen=True)
class Outcome:
    """What a search came to.

    Attributes:
      best: the candidate whose scores are nearest to the float model's.
      steps: all that were measured, in order; () where there was nothing to choose.
    """

    best: Candidate
    steps: tuple[Step, ...] = ()


class Search:
    """Measures candidates and keeps the best.

    Attributes:
      images: that all candidates are run on.
      steps: taken so far.
      best: the best candidate so far.
    """

    def __init__(self, plain: Form, images: Samples, *, most: int | None = None, progress: Progress = silent) -> None:
        """Args: the float model to come near to, and the most candidates that will be tried, for the progress."""
        self.images, self.steps = list(images), list[Step]()
        self._most, self._progress = most, progress
        self._expected = np.stack(list(scores(plain.model, self.images)))
        self._found, self._best_db = self._expected, -np.inf
        self._templates: dict[tuple[str, ...], Template | None] = {}

    @property
    def best(self) -> Candidate:
        """The best candidate so far."""
        kept = [step.candidate for step in self.steps if step.kept]
        assert kept, "nothing has been tried"
        return kept[-1]

    @property
    def noise(self) -> np.ndarray:
        """float64 (images,): power of what the best candidate adds to the centred scores."""
        return np.asarray(np.square(centred(self._found - self._expected)).sum(axis=1))

    def attempt(self, candidate: Candidate, kind: Kind = "ranges", *, method: str = "", group: str = "") -> bool:
        """Measures a candidate; whether it is the best so far."""
        self._progress("Choosing ranges", len(self.steps), self._most)
        found = self._scores(candidate)
        seen = len(found)
        sqnr = mean_sqnr(self._expected[:seen], found)
        if seen < len(self.images):  # what the best lost on these images says how they compare with all
            sqnr += self._best_db - mean_sqnr(self._expected[:seen], self._found[:seen])
        self.steps.append(Step(kind, candidate, method or candidate.ranges.method, group, sqnr, self._best_db))
        if sqnr <= self._best_db:
            return False
        self._best_db, self._found = sqnr, found
        return True

    def fit_head(self) -> None:
        """Fits the best candidate's last layer to its features. No other step may follow: it would not fit them."""
        best = self.best
        model = replace(best.form.model, graph=self._quantized(best))
        layer = last_layer(model.graph, best.form.model.graph)
        if layer is None:
            return
        features = np.stack(list(outputs_of(model, layer.op.inputs[0], self.images)))
        head = fit(layer, features, self._expected)
        if head is not None:
            fitted, before = replace(best, head=head), self._best_db
            self._best_db += head.gain_db
            self.steps.append(Step("head", fitted, best.ranges.method, "", self._best_db, before))

    def _scores(self, candidate: Candidate) -> np.ndarray:
        """The candidate's scores; only of the first images where these leave no hope that it is the best."""
        model = replace(candidate.form.model, graph=self._quantized(candidate))
        found: list[np.ndarray] = []
        with closing(scores(model, self.images)) as answers:
            for answer in answers:
                found.append(answer)
                if len(found) % STAGE == 0 and self._is_behind(np.stack(found)):
                    break
        return np.stack(found)

    def _is_behind(self, found: np.ndarray) -> bool:
        """Whether scores of the first images are worse than the best's by more than chance makes them."""
        if self._best_db == -np.inf:
            return False
        expected, best = self._expected[: len(found)], self._found[: len(found)]
        gains = image_sqnr(expected, found) - image_sqnr(expected, best)
        return bool(gains.mean() + CERTAIN * gains.std(ddof=1) / np.sqrt(len(gains)) < 0)

    def outcome(self) -> Outcome:
        """The best candidate with all steps; without them where there was only one."""
        return Outcome(self.best, tuple(self.steps) if len(self.steps) > 1 else ())

    def _quantized(self, candidate: Candidate) -> Graph:
        form = candidate.form
        if not any(step.candidate.form is form for step in self.steps):  # a template takes the quantizer twice
            return candidate.quantized()
        if form.corrections not in self._templates:
            known = template(form.model.graph, candidate.ranges, form.model.spec, allow_float=form.allow_float)
            self._templates[form.corrections] = known
        known = self._templates[form.corrections]
        return candidate.filled(known) if known else candidate.quantized()


def kept(steps: Sequence[Step], kind: Kind) -> tuple[Step, ...]:
    """The steps of one kind that what followed built on."""
    return tuple(step for step in steps if step.kind == kind and step.kept)
