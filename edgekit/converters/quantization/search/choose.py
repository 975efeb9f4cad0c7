"""Choosing by evidence: how to rewrite a float model and set its ranges so that its int8 form answers as it does.

Every candidate, that is a form of the model (as it is, or corrected) with ranges by one method, is quantized and run on
calibration images; the one whose scores are nearest to the float model's is taken. Then corrected rounding is tried
on it, and other range methods for the tensors of one role (`refine.py`), each kept if it brings the scores nearer.
Plain min-max ranges are always among the candidates, so that the choice is never worse than these on those images.
There are few candidates, and the measure is an average over all scores, not a count of right answers: so choosing on
the very images that gave the ranges does not fit the chance in them.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from edgekit.calibration import METHODS, Ranges, Samples, choose_ranges, limited, observe
from edgekit.converters.quantization.search.refine import REFINEMENTS, refine
from edgekit.converters.quantization.search.scores import check_same
from edgekit.converters.quantization.search.search import Choice, Contest, Form, Trial
from edgekit.converters.quantization.search.tensor_groups import tied
from edgekit.converters.quantization.transforms.equalize import split_swish
from edgekit.preprocess import InputSpec
from edgekit.progress import Progress, silent
from edgekit.tflite import read_graph
from edgekit.tflite.model import Model
from edgekit.tflite.scores import score_tensor

#: Images to compare candidates on: with more of them the order of the candidates stays the same.
SELECTION = 64
#: Range methods that "auto" tries. Entropy was never the best: it lost 3 to 20 dB to the best on Lite0 and two B0s.
CANDIDATES = tuple(method for method in METHODS if method != "entropy")
#: A form that is so far behind another one, both with the first range method, is tried with no other method.
BEATEN_DB = 6.0
#: What takes back the weights' rounding, which any form can have, is called among the corrections.
ROUNDING = "rounding"


def split(form: Form, samples: Samples, spec: InputSpec, progress: Progress) -> Form:
    """The form with swishes split (see `equalize.py`)."""
    rewritten = split_swish(read_graph(form.content), form.observations)
    if not rewritten.count:
        return form
    content = rewritten.graph.content
    check_same(form.content, content, samples, spec)
    observations = observe(content, samples, spec, progress=progress)
    return Form("split-swish", content, observations, rewritten.limits, rewritten.count)


#: How to correct a model. Each gives its form back unchanged where there is nothing to do.
CORRECTIONS: Mapping[str, Callable[[Form, Samples, InputSpec, Progress], Form]] = {
    "split-swish": split,
}


def forms(
    model: Model, samples: Samples, corrections: str = "auto", *, progress: Progress = silent
) -> tuple[Form, ...]:
    """The model's forms to choose from: as it is, corrected, or both where `corrections` is "auto".

    Args:
      samples: representative images.
      corrections: "auto", "none", or a key of CORRECTIONS.
    """
    plain = Form("none", model.graph.content, observe(model.graph.content, samples, model.spec, progress=progress), {})
    wanted = tuple(CORRECTIONS) if corrections == "auto" else tuple({corrections} & set(CORRECTIONS))
    corrected = [CORRECTIONS[name](plain, samples, model.spec, progress) for name in wanted]
    corrected = [form for form in corrected if form is not plain]
    return (plain, *corrected) if corrections == "auto" or not corrected else tuple(corrected)


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
      candidates: from `forms`, on the same images, with the same `corrections`.
      samples: representative images; the first SELECTION are run.
      spec: the preprocessing that belongs to the forms.
      ranges: a key of METHODS, "auto" to try all CANDIDATES, or ranges that were chosen before, which are taken as they
        are with the form of the model that they name.
    """
    options = _options(candidates, ranges, rounding=corrections == ROUNDING)
    if len(options) == 1 and corrections != "auto":
        return options[0]
    most = len(options) + (corrections == "auto") + (REFINEMENTS if ranges == "auto" else 0)
    contest = Contest(candidates[0], samples.take(SELECTION), spec, most=most, progress=progress)
    for option in options:
        if not _is_beaten(option.form, contest.trials):
            contest.enter(option)
    if corrections == "auto":
        contest.enter(replace(contest.best, rounding=True))
    if ranges == "auto":
        own = (option.ranges for option in options if option.form is contest.best.form)
        refine(contest, {ranges.method: ranges for ranges in own})
    return contest.won()


def _options(candidates: tuple[Form, ...], ranges: str | Ranges, *, rounding: bool) -> list[Choice]:
    if isinstance(ranges, Ranges):
        fitting = (form for form in reversed(candidates) if set(form.observations.tensors) <= set(ranges.bounds))
        return [Choice(next(fitting, candidates[0]), ranges, rounding)]
    methods = CANDIDATES if ranges == "auto" else (ranges,)
    return [Choice(form, ranges_of(form, method), rounding) for method in methods for form in candidates]


def _is_beaten(form: Form, trials: Iterable[Trial]) -> bool:
    """Whether the form's first range method left its scores so far behind another form's that no other will help."""
    first = {trial.correction: trial.sqnr_db for trial in reversed(tuple(trials))}
    return form.correction in first and first[form.correction] < max(first.values()) - BEATEN_DB


def explain(choice: Choice) -> tuple[str, ...]:
    """What was found out about the model and done about it, for people; nothing where nothing had to be done."""
    reached = {(trial.correction, trial.method, trial.rounding, trial.role): trial.sqnr_db for trial in choice.trials}
    plain = reached.get(("none", "minmax", False, ""))
    corrected, method = choice.form.correction, choice.ranges.method
    before, after = (reached.get((corrected, method, rounding, "")) for rounding in (False, True))
    notes = []
    if corrected != "none" and plain is not None and before is not None:
        notes.append(
            f"swish after a convolution whose channels differ in size loses much in int8: with plain min-max ranges "
            f"the scores have {plain:.1f} dB of signal to noise. Scaling {choice.form.changes} of them per channel "
            f"(their convolutions are doubled) and ranges by {method} give {before:.1f} dB."
        )
    if choice.rounding and before is not None and after is not None:
        notes.append(
            f"what the rounding of the weights does is taken back, in biases and in depthwise weights whose errors "
            f"cancel: the scores' signal to noise goes from {before:.1f} to {after:.1f} dB."
        )
    refined = _kept_refinements(choice.trials)
    if refined:
        changes = ", ".join(f"{trial.method}: {trial.role}" for trial in refined)
        notes.append(f"other range methods for tensors of some roles ({changes}): {refined[-1].sqnr_db:.1f} dB.")
    return tuple(notes)


def _kept_refinements(trials: Iterable[Trial]) -> list[Trial]:
    kept, best = [], -math.inf
    for trial in trials:
        if trial.sqnr_db > best:
            best = trial.sqnr_db
            kept += [trial] if trial.role else []
    return kept


def ranges_of(form: Form, method: str) -> Ranges:
    """A method's ranges within the form's limits. The scores keep their extremes: the largest is what counts."""
    graph = read_graph(form.content)
    ranges = choose_ranges(form.observations, method, unclipped={score_tensor(graph).name})
    return tied(limited(ranges, form.limits), graph)
