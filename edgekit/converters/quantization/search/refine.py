"""Another range method for the tensors of one group, where that brings the scores nearer.

There are too many tensors and methods to quantize and run every combination. So it is measured first, on few images,
what fake-quantizing the tensors of one group (`tensor_groups.py`) by each method does to the scores of the float model,
nothing else being quantized. Were errors independent, their powers would add up: what a change would then gain decides
which changes are tried on the int8 model, the most promising first. Each is kept only if it does bring the scores
nearer.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from edgekit.calibration import Ranges, Sample
from edgekit.calibration.parallel import map_samples
from edgekit.converters.quantization.search.effort import Effort
from edgekit.converters.quantization.search.search import Search
from edgekit.converters.quantization.search.tensor_groups import tensor_groups, tied
from edgekit.devices.interpreter import open_interpreter
from edgekit.evaluation.disturb import Disturbed, disturbable
from edgekit.evaluation.verdict import feed
from edgekit.tflite.expose import exposed
from edgekit.tflite.model import Model
from edgekit.tflite.quant import choose_qparams, fake_quantize

#: Gains less than this are not worth a trial, in dB.
LEAST_GAIN = 0.05
#: A group that costs less than this part of all noise is left alone: LEAST_GAIN is 1.1 % of it.
_WORTH = 0.005
#: What remains of the noise at least, by the estimate: no group explains all of it.
_REST = 0.05

#: (group, method) → float64 (images,): power of what it adds to the scores.
Sensitivities = Mapping[tuple[str, str], np.ndarray]


def refine(search: Search, methods: Mapping[str, Ranges], effort: Effort) -> None:
    """Tries changes of the best candidate.

    Args:
      methods: range method → the ranges of the best candidate's form by it; that candidate has one of them.
      effort: how many images to measure on, and how many changes to try.
    """
    if _spread(search) < effort.spread_db:
        return
    model = search.best.form.model
    groups = tensor_groups(model.graph)
    current = dict.fromkeys(groups, search.best.ranges.method)
    ordered = {name: methods[name] for name in sorted(methods, key=lambda name: name != search.best.ranges.method)}
    measured = list(zip(search.images, search.noise))[: effort.measured]
    sensitivities = group_sensitivities(model, groups, ordered, measured)
    tried = {(group, method) for group, method in current.items()}
    for _ in range(effort.refinements):
        gains = {key: _gain(key, current, sensitivities, search.noise) for key in sensitivities if key not in tried}
        best = max(gains, key=lambda key: gains[key], default=None)
        if best is None or gains[best] < LEAST_GAIN:
            return
        tried.add(best)
        group, method = best
        before = search.best.ranges
        own = {name: methods[method].bounds[name] for name in groups[group]}
        changed = tied(replace(before, bounds={**before.bounds, **own}), model.graph)
        if search.attempt(replace(search.best, ranges=changed), "group", method=method, group=group):
            current[group] = method


def _spread(search: Search) -> float:
    """How far the best range method for all tensors is ahead of the first, on the form that was chosen."""
    tried = [step.sqnr_db for step in search.steps if step.kind == "ranges" and step.candidate.form is search.best.form]
    return max(tried) - tried[0]


def _gain(key: tuple[str, str], current: Mapping[str, str], found: Sensitivities, noise: np.ndarray) -> float:
    """Mean dB by which the noise would fall if the powers simply added up."""
    noise = np.maximum(noise[: len(found[key])], np.finfo(np.float64).tiny)
    saved = found[key[0], current[key[0]]] - found[key]
    with np.errstate(over="ignore"):  # where there is no noise at all
        left = np.maximum(1 - saved / noise, _REST)
    return float(np.mean(-10 * np.log10(left)))


def group_sensitivities(
    model: Model,
    groups: Mapping[str, Sequence[str]],
    methods: Mapping[str, Ranges],
    images: Sequence[tuple[Sample, float]],
) -> Sensitivities:
    """What fake-quantizing the tensors of each group, and nothing else, does to the float model's scores.

    Args:
      model: the float model.
      groups: group → names of its tensors.
      methods: range method → ranges of all these tensors. The first is the present one: where that costs an image next
        to nothing, no other is tried.
      images: each with the power of all that its scores suffer at present; 0 to try everything.
    """
    wanted = {name for names in groups.values() for name in names}
    places = {tensor.name: tensor.index for tensor in model.graph.tensors if tensor.name in wanted}
    content = disturbable(model.graph, [*places.values()])
    rows = [row for _, row in map_samples(lambda: _worker(content, model, places, groups, methods), images)]
    return {key: np.array([row[key] for row in rows]) for key in rows[0]}


def _worker(
    content: bytes,
    model: Model,
    places: Mapping[str, int],
    groups: Mapping[str, Sequence[str]],
    methods: Mapping[str, Ranges],
) -> Callable[[tuple[Sample, float]], dict[tuple[str, str], float]]:
    indices = [*places.values()]
    watched, disturbed = open_interpreter(exposed(model.graph, indices).content, threads=1), Disturbed(content, indices)

    def measure(image: tuple[Sample, float]) -> dict[tuple[str, str], float]:
        sample, noise = image
        batch = sample.input(model.spec)
        feed(watched, batch)
        expected, found = disturbed.show(batch), dict[tuple[str, str], float]()
        for group, names in groups.items():
            known: dict[tuple[tuple[float, float], ...], float] = {}
            for method, ranges in methods.items():
                if known and next(iter(known.values())) < _WORTH * noise:
                    found[group, method] = next(iter(known.values()))
                    continue
                bounds = tuple(ranges.bounds[name] for name in names)
                if bounds not in known:
                    errors = {places[name]: _error(watched.get_tensor(places[name]), ranges, name) for name in names}
                    known[bounds] = float(np.square(disturbed.scores(errors) - expected).sum())
                found[group, method] = known[bounds]
        return found

    return measure


def _error(values: np.ndarray, ranges: Ranges, name: str) -> np.ndarray:
    error: np.ndarray = fake_quantize(values, *choose_qparams(*ranges.bounds[name]), "int8") - values
    return error
