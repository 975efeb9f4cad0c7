"""Candidates for an int8 model, measured on the same images: whose scores are nearest to the float model's wins."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from edgekit.calibration import Bounds, Observations, Ranges, Sample
from edgekit.converters.quantization.backend import quantize_int8
from edgekit.converters.quantization.search.scores import mean_sqnr, scores
from edgekit.converters.quantization.transforms.rounding import correct_rounding
from edgekit.preprocess import InputSpec
from edgekit.progress import Progress, silent
from edgekit.tflite import read_graph
from edgekit.tflite.scores import centred


@dataclass(frozen=True)
class Form:
    """A float model that computes what the exported one does.

    Attributes:
      correction: name of what was done to it, a key of `choose.CORRECTIONS`; "none" for nothing.
      content: the float `.tflite`.
      observations: of its tensors.
      limits: of its tensors' ranges, whatever the method.
      changes: how many places were rewritten.
    """

    correction: str
    content: bytes = field(repr=False)
    observations: Observations = field(repr=False)
    limits: Mapping[str, Bounds] = field(repr=False)
    changes: int = 0


@dataclass(frozen=True)
class Trial:
    """One candidate and how near it came.

    Attributes:
      correction, method, rounding: what it was made with, see Form, Ranges and Choice.
      role: that of the tensors which had this method instead of the best so far (see `roles.py`), "" for all tensors.
      sqnr_db: mean over the images of the scores' signal to quantization noise ratio, in dB.
    """

    correction: str
    method: str
    rounding: bool
    role: str
    sqnr_db: float


@dataclass(frozen=True)
class Choice:
    """What to quantize, and why.

    Attributes:
      form: the model.
      ranges: of its tensors.
      rounding: whether it takes back what the rounding of the weights does (see `rounding.py`).
      trials: all candidates that were measured; () where there was nothing to choose.
    """

    form: Form
    ranges: Ranges
    rounding: bool = False
    trials: tuple[Trial, ...] = ()

    def quantized(self, spec: InputSpec, *, io: str = "uint8") -> bytes:
        """The int8 model, see `quantize_int8`."""
        content = quantize_int8(self.form.content, self.ranges, spec, io=io)
        if not self.rounding:
            return content
        floats = read_graph(self.form.content)
        return correct_rounding(read_graph(content), floats, self.form.observations).content


class Contest:
    """Measures candidates and keeps the best.

    Attributes:
      images: that all candidates are run on.
      spec: the preprocessing that belongs to them.
    """

    def __init__(
        self,
        plain: Form,
        images: Iterable[Sample],
        spec: InputSpec,
        *,
        most: int | None = None,
        progress: Progress = silent,
    ) -> None:
        """Args: the float model to come near to, and the most candidates that will enter, for the progress."""
        self.images, self.spec = list(images), spec
        self._most, self._progress = most, progress
        self._expected = np.stack(list(scores(plain.content, self.images, spec)))
        self._trials: list[Trial] = []
        self._best: Choice | None = None
        self._best_db, self._found = -np.inf, self._expected

    @property
    def best(self) -> Choice:
        """The best candidate so far."""
        assert self._best is not None, "no candidate has entered"
        return self._best

    @property
    def trials(self) -> tuple[Trial, ...]:
        """All candidates so far, in the order they entered."""
        return tuple(self._trials)

    @property
    def noise(self) -> np.ndarray:
        """float64 (images,): power of what the best candidate adds to the centred scores."""
        return np.asarray(np.square(centred(self._found - self._expected)).sum(axis=1))

    def enter(self, candidate: Choice, *, role: str = "", method: str = "") -> bool:
        """Measures a candidate; whether it is the best so far."""
        self._progress("Choosing ranges", len(self._trials), self._most)
        found = np.stack(list(scores(candidate.quantized(self.spec), self.images, self.spec)))
        sqnr = mean_sqnr(self._expected, found)
        made_with = candidate.form.correction, method or candidate.ranges.method, candidate.rounding
        self._trials.append(Trial(*made_with, role, sqnr))
        if sqnr <= self._best_db:
            return False
        self._best, self._best_db, self._found = candidate, sqnr, found
        return True

    def won(self) -> Choice:
        """The best candidate with all trials; without them where there was only one."""
        return replace(self.best, trials=self.trials if len(self._trials) > 1 else ())
