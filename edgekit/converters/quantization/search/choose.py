"""Choosing by evidence: how to correct a float model and set its ranges so that its int8 form answers as it does.

Every candidate, that is a form of the model (as it is, or rewritten) with ranges by one method, is quantized and run on
calibration images; the one whose scores are nearest to the float model's is taken. Then the weights' corrections are
tried on it, and other range methods for one group of tensors (`refine.py`), each kept if it brings the scores nearer.
Plain min-max ranges are always among the candidates, so that the choice is never worse than these on those images.
There are few candidates, and the measure is an average over all scores, not a count of right answers: so choosing on
the very images that gave the ranges does not fit the chance in them.
"""

from collections.abc import Iterable
from dataclasses import replace

from edgekit.calibration import METHODS, Ranges, Samples, choose_ranges, limited, observe, widened
from edgekit.converters.quantization.corrections import AUTO, Form, adjustments, parse_corrections, rewrites
from edgekit.converters.quantization.head_margin import head_margins
from edgekit.converters.quantization.search.effort import EFFORTS, Effort
from edgekit.converters.quantization.search.refine import refine
from edgekit.converters.quantization.search.search import Candidate, Outcome, Search, Step
from edgekit.converters.quantization.search.tensor_groups import tied
from edgekit.progress import Progress, silent
from edgekit.tflite.model import Model
from edgekit.tflite.scores import score_tensor

#: Range methods that "auto" tries. KL was never the best: it lost 3 to 20 dB to the best on Lite0 and two B0s.
CANDIDATES = tuple(method for method in METHODS if method != "kl")
#: A form that is so far behind another one, both with the first range method, is tried with no other method.
BEATEN_DB = 6.0


def forms(
    model: Model,
    samples: Samples,
    corrections: str = AUTO,
    *,
    allow_float: bool = False,
    progress: Progress = silent,
) -> tuple[Form, ...]:
    """The model's forms to choose from: as it is, with the first rewrite, with the first two on top of each other, ….

    Rewrites that are named are made in all of them.

    Args:
      model: the float model.
      samples: representative images.
      corrections: as `parse_corrections` takes them.
      allow_float: see `backend.quantize_int8`.
    """
    wanted = parse_corrections(corrections)
    channels = frozenset[str]().union(*(each.channels(model.graph) for each in rewrites(wanted)))
    seen = observe(model, samples, channels=channels, progress=progress)
    margins = head_margins(model, seen, list(samples)) if samples.kind == "synthetic" else {}
    found = [Form(model, seen, margins=margins, allow_float=allow_float)]
    for correction in rewrites(wanted):
        if correction.name in wanted.named:
            found = [correction(form, samples, progress) for form in found]
        else:
            form = correction(found[-1], samples, progress)
            found += [form] if form is not found[-1] else []
    return tuple(found)


def choose(
    candidates: tuple[Form, ...],
    samples: Samples,
    *,
    ranges: str | Ranges = AUTO,
    corrections: str = AUTO,
    effort: Effort = EFFORTS["auto"],
    progress: Progress = silent,
) -> Outcome:
    """The candidate that comes nearest to the float model.

    Args:
      candidates: from `forms`, on the same images, with the same `corrections`.
      samples: representative images; the first of them are run.
      ranges: a key of METHODS, "auto" to try all CANDIDATES, or ranges that were chosen before, which are taken as they
        are with the form of the model that they name.
      effort: how much to try.
    """
    wanted = parse_corrections(corrections)
    given = tuple(each.name for each in adjustments(wanted) if each.name in wanted.named)
    tries = tuple(each.name for each in adjustments(wanted) if each.name not in wanted.named)
    fits = wanted.head and samples.kind != "synthetic"  # which have no class's features
    if not wanted.auto and ranges != AUTO and not fits:
        return Outcome(_given(candidates, ranges, given))
    extra = len(tries) + effort.refinements * (ranges == AUTO) + fits
    tried = 1 if isinstance(ranges, Ranges) else len(candidates) * (len(CANDIDATES) if ranges == AUTO else 1)
    plain, *_ = candidates
    search = Search(plain, samples.take(effort.selection), most=tried + extra, progress=progress)
    if isinstance(ranges, Ranges):
        search.attempt(_given(candidates, ranges, given))
    else:
        _try_methods(search, candidates, CANDIDATES if ranges == AUTO else (ranges,), given)
    for name in tries:
        search.attempt(replace(search.best, adjusted=(*search.best.adjusted, name)), "adjustment")
    if ranges == AUTO:
        refine(search, {method: ranges_of(search.best.form, method) for method in CANDIDATES}, effort)
    if fits:
        search.fit_head()
    return search.outcome()


def ranges_of(form: Form, method: str) -> Ranges:
    """A method's ranges within the form's limits. The scores keep their extremes: the largest is what counts."""
    graph = form.model.graph
    ranges = choose_ranges(form.observations, method, unclipped={score_tensor(graph).name})
    return tied(widened(limited(ranges, form.limits), form.margins), graph)


def _try_methods(search: Search, forms: tuple[Form, ...], methods: tuple[str, ...], adjusted: tuple[str, ...]) -> None:
    for method in methods:
        for form in forms:
            if not _is_beaten(form, search.steps):
                search.attempt(Candidate(form, ranges_of(form, method), adjusted))


def _given(forms: tuple[Form, ...], ranges: str | Ranges, adjusted: tuple[str, ...]) -> Candidate:
    """The only candidate: ranges by the method that is named, or ranges chosen before with the form that they fit."""
    plain, *_ = forms
    if isinstance(ranges, str):
        return Candidate(plain, ranges_of(plain, ranges), adjusted)
    fitting = (form for form in reversed(forms) if set(form.observations.tensors) <= set(ranges.bounds))
    return Candidate(next(fitting, plain), ranges, adjusted)


def _is_beaten(form: Form, steps: Iterable[Step]) -> bool:
    """Whether the form's first range method left its scores so far behind another form's that no other will help."""
    first = {step.candidate.form.corrections: step.sqnr_db for step in reversed(tuple(steps))}
    made = form.corrections
    return made in first and first[made] < max(first.values()) - BEATEN_DB
