"""Choosing by evidence: how to rewrite a float model and set its ranges so that its int8 form answers as it does.

Every candidate, that is a form of the model (as it is, or corrected) with ranges by one method, is quantized and run on
calibration pictures; the one whose scores are nearest to the float model's is taken. Then corrected biases are tried
on it, and other range methods for the tensors of one role after the other (`roles.py`), each kept if it brings the
scores nearer. Plain min-max ranges are always among the candidates, so that the choice is never worse than these on
those pictures. There are few candidates, and the measure is an average over all scores, not a count of right answers:
so choosing on the very pictures that gave the ranges does not fit the chance in them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from edgekit.calibration import METHODS, Bounds, Observations, Ranges, Samples, choose_ranges, limited, observe
from edgekit.converters.bias import correct_biases
from edgekit.converters.equalize import split_swish
from edgekit.converters.export import FloatModel
from edgekit.converters.quantize import quantize_int8
from edgekit.converters.roles import roles, same_values
from edgekit.converters.scores import check_same, mean_sqnr, scores
from edgekit.preprocess import InputSpec
from edgekit.progress import Progress, silent
from edgekit.tflite import Graph, read_graph
from edgekit.tflite.scores import score_tensor

#: Pictures to compare candidates on: with more of them the order of the candidates stays the same.
SELECTION = 64
#: Models to try, at most, with other range methods for one role.
REFINEMENTS = 12
#: What corrects biases, which any form can have, is called among the corrections.
BIAS = "bias"


@dataclass(frozen=True)
class Form:
    """A float model that computes what the exported one does.

    Attributes:
      correction: name of what was done to it, a key of CORRECTIONS; "none" for nothing.
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
      correction, method, biases: what it was made with, see Form, Ranges and Choice.
      role: that of the tensors which had this method instead of the best so far (see `roles.py`), "" for all tensors.
      sqnr_db: mean over the pictures of the scores' signal to quantization noise ratio, in dB.
    """

    correction: str
    method: str
    biases: bool
    role: str
    sqnr_db: float


@dataclass(frozen=True)
class Choice:
    """What to quantize, and why.

    Attributes:
      form: the model.
      ranges: of its tensors.
      biases: whether its biases are corrected for the rounding of the weights (see `bias.py`).
      trials: all candidates that were measured; () where there was nothing to choose.
    """

    form: Form
    ranges: Ranges
    biases: bool = False
    trials: tuple[Trial, ...] = ()

    def quantized(self, spec: InputSpec, *, io: str = "uint8") -> bytes:
        """The int8 model, see `quantize_int8`."""
        content = quantize_int8(self.form.content, self.ranges, spec, io=io)
        return correct_biases(content, self.form.content, self.form.observations) if self.biases else content


def split(form: Form, samples: Samples, spec: InputSpec, progress: Progress) -> Form:
    """The form with swishes split (see `equalize.py`)."""
    rewritten = split_swish(form.content, form.observations)
    if not rewritten.count:
        return form
    check_same(form.content, rewritten.content, samples, spec)
    observations = observe(rewritten.content, samples, spec, progress=progress)
    return Form("split-swish", rewritten.content, observations, rewritten.limits, rewritten.count)


#: How to correct a model. Each gives its form back unchanged where there is nothing to do.
CORRECTIONS: Mapping[str, Callable[[Form, Samples, InputSpec, Progress], Form]] = {
    "split-swish": split,
}


def forms(
    model: FloatModel, samples: Samples, corrections: str = "auto", *, progress: Progress = silent
) -> tuple[Form, ...]:
    """The model's forms to choose from: as it is, corrected, or both where `corrections` is "auto".

    Args:
      samples: representative pictures.
      corrections: "auto", "none", or a key of CORRECTIONS.
    """
    plain = Form("none", model.content, observe(model.content, samples, model.spec, progress=progress), {})
    wanted = tuple(CORRECTIONS) if corrections == "auto" else tuple({corrections} & set(CORRECTIONS))
    corrected = [CORRECTIONS[name](plain, samples, model.spec, progress) for name in wanted]
    corrected = [form for form in corrected if form is not plain]
    return (plain, *corrected) if corrections == "auto" or not corrected else tuple(corrected)


class _Contest:
    """Candidates measured on the same pictures, and the best of them so far."""

    def __init__(self, plain: Form, samples: Samples, spec: InputSpec, progress: Progress) -> None:
        self._spec, self._pictures, self._progress = spec, list(samples.take(SELECTION)), progress
        self._expected = np.stack(list(scores(plain.content, self._pictures, spec)))
        self._trials: list[Trial] = []
        self.best: Choice | None = None
        self._best_db = -np.inf

    def enter(self, candidate: Choice, role: str = "", method: str = "") -> None:
        """Measures a candidate, and makes it the best where it is."""
        self._progress("Choosing ranges", len(self._trials), None)
        found = np.stack(list(scores(candidate.quantized(self._spec), self._pictures, self._spec)))
        sqnr = mean_sqnr(self._expected, found)
        method = method or candidate.ranges.method
        self._trials.append(Trial(candidate.form.correction, method, candidate.biases, role, sqnr))
        if sqnr > self._best_db:
            self.best, self._best_db = candidate, sqnr

    def won(self) -> Choice:
        """The best candidate with all trials; without them where there was only one."""
        assert self.best is not None
        return replace(self.best, trials=tuple(self._trials) if len(self._trials) > 1 else ())


def choose(
    candidates: tuple[Form, ...],
    samples: Samples,
    spec: InputSpec,
    *,
    ranges: str | Ranges = "auto",
    corrections: str = "auto",
    progress: Progress = silent,
) -> Choice:
    """The candidate that comes nearest to the float model.

    Args:
      candidates: from `forms`, on the same pictures, with the same `corrections`.
      samples: representative pictures; the first SELECTION are run.
      spec: the preprocessing that belongs to the forms.
      ranges: a key of METHODS, "auto" to try all of them, or ranges that were chosen before, which are taken as they
        are with the form of the model that they name.
    """
    options = _options(candidates, ranges, biases=corrections == BIAS)
    if len(options) == 1 and corrections != "auto":
        return options[0]
    contest = _Contest(candidates[0], samples, spec, progress)
    for option in options:
        contest.enter(option)
    if corrections == "auto" and contest.best is not None:
        contest.enter(replace(contest.best, biases=True))
    if ranges == "auto":
        _refine(contest)
    return contest.won()


def _options(candidates: tuple[Form, ...], ranges: str | Ranges, *, biases: bool) -> list[Choice]:
    if isinstance(ranges, Ranges):
        fitting = (form for form in reversed(candidates) if set(form.observations.tensors) <= set(ranges.bounds))
        return [Choice(next(fitting, candidates[0]), ranges, biases)]
    methods = tuple(METHODS) if ranges == "auto" else (ranges,)
    return [Choice(form, ranges_of(form, method), biases) for form in candidates for method in methods]


def _refine(contest: _Contest) -> None:
    """Tries other range methods on the tensors of one role after the other, the most numerous first."""
    assert contest.best is not None
    form, left = contest.best.form, REFINEMENTS
    by_method = {method: ranges_of(form, method) for method in METHODS}
    graph = read_graph(form.content)
    for role, names in roles(graph).items():
        before = contest.best
        for method, ranges in by_method.items():
            own = {name: ranges.bounds[name] for name in names}
            changed = _tied(replace(before.ranges, bounds={**before.ranges.bounds, **own}), graph)
            if left and changed != before.ranges:
                left -= 1
                contest.enter(replace(before, ranges=changed), role, method)


def explain(choice: Choice) -> tuple[str, ...]:
    """What was found out about the model and done about it, for people; nothing where nothing had to be done."""
    reached = {(trial.correction, trial.method, trial.biases, trial.role): trial.sqnr_db for trial in choice.trials}
    plain = reached.get(("none", "minmax", False, ""))
    notes = []
    if choice.form.correction != "none" and plain is not None:
        notes.append(
            f"swish after a convolution whose channels differ in size loses much in int8: with plain min-max ranges "
            f"the scores have {plain:.1f} dB of signal to noise. Scaling {choice.form.changes} of them per channel "
            f"(their convolutions are doubled) and ranges by {choice.ranges.method}, chosen anew for tensors of some "
            f"roles, give {max(reached.values()):.1f} dB."
        )
    made_with = choice.form.correction, choice.ranges.method
    if choice.biases and (*made_with, False, "") in reached:
        before, after = (reached[(*made_with, biases, "")] for biases in (False, True))
        notes.append(
            f"biases take back what the rounding of the weights shifts: the scores' signal to noise goes from "
            f"{before:.1f} to {after:.1f} dB."
        )
    return tuple(notes)


def ranges_of(form: Form, method: str) -> Ranges:
    """A method's ranges within the form's limits. The scores keep their extremes: the largest is what counts."""
    graph = read_graph(form.content)
    ranges = choose_ranges(form.observations, method, unclipped={score_tensor(graph).name})
    return _tied(limited(ranges, form.limits), graph)


def _tied(ranges: Ranges, graph: Graph) -> Ranges:
    """The same with what only hands values on, such as PAD, in the range of those values: nothing is clipped twice."""
    bounds = dict(ranges.bounds)
    bounds.update((name, bounds[source]) for name, source in same_values(graph).items() if source in bounds)
    return replace(ranges, bounds=bounds)
