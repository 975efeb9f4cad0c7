"""Another range method for the tensors of one role, where that brings the scores nearer.

There are too many tensors and methods to quantize and run every combination. So it is measured first, on few images,
what rounding the tensors of one role (`roles.py`) by each method does to the scores of the float model, which rounds
nothing else. Were errors independent, their powers would add up: what a change would then gain decides which changes
are tried on the int8 model, the most promising first. Each is kept only if it does bring the scores nearer.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from edgekit.calibration import Ranges, Sample
from edgekit.calibration.parallel import map_samples
from edgekit.converters.quantization.search.search import Contest
from edgekit.converters.quantization.search.tensor_groups import roles, tied
from edgekit.devices.interpreter import open_interpreter
from edgekit.evaluation.disturb import Disturbed
from edgekit.evaluation.verdict import feed
from edgekit.preprocess import InputSpec
from edgekit.tflite import Graph, read_graph
from edgekit.tflite.expose import exposed
from edgekit.tflite.quant import affine_params, rounded

#: Images to measure the harm of each role and method on. On four, worse changes were tried first on two B0.
MEASURED = 8
#: The most candidates that are tried.
REFINEMENTS = 12
#: Gains less than this are not worth a trial, in dB.
LEAST_GAIN = 0.05
#: What remains of the noise at least, by the estimate: no role explains all of it.
_REST = 0.05

#: (role, method) → float64 (images,): power of what it adds to the scores.
Harms = Mapping[tuple[str, str], np.ndarray]


def refine(contest: Contest, methods: Mapping[str, Ranges]) -> None:
    """Enters changes of the best candidate into the contest.

    Args:
      methods: range method → the ranges of the best candidate's form by it; that candidate has one of them.
    """
    graph = read_graph(contest.best.form.content)
    groups = roles(graph)
    harms = role_harms(graph, groups, methods, contest.images[:MEASURED], contest.spec)
    current = dict.fromkeys(groups, contest.best.ranges.method)
    tried = {(role, method) for role, method in current.items()}
    for _ in range(REFINEMENTS):
        gains = {key: _gain(key, current, harms, contest.noise) for key in harms if key not in tried}
        best = max(gains, key=lambda key: gains[key], default=None)
        if best is None or gains[best] < LEAST_GAIN:
            return
        tried.add(best)
        role, method = best
        before = contest.best.ranges
        own = {name: methods[method].bounds[name] for name in groups[role]}
        changed = tied(replace(before, bounds={**before.bounds, **own}), graph)
        if contest.enter(replace(contest.best, ranges=changed), role=role, method=method):
            current[role] = method


def _gain(key: tuple[str, str], current: Mapping[str, str], harms: Harms, noise: np.ndarray) -> float:
    """Mean dB by which the noise would fall if harms simply added up."""
    noise = np.maximum(noise[: len(harms[key])], np.finfo(np.float64).tiny)
    saved = harms[key[0], current[key[0]]] - harms[key]
    return float(np.mean(-10 * np.log10(np.maximum(1 - saved / noise, _REST))))


def role_harms(
    graph: Graph,
    groups: Mapping[str, Sequence[str]],
    methods: Mapping[str, Ranges],
    images: Sequence[Sample],
    spec: InputSpec,
) -> Harms:
    """What rounding the tensors of each role, and nothing else, does to the float model's scores.

    Args:
      graph: the float model.
      groups: role → names of its tensors.
      methods: range method → ranges of all these tensors.
    """
    rows = [row for _, row in map_samples(lambda: _worker(graph, groups, methods, spec), images)]
    return {key: np.array([row[key] for row in rows]) for key in rows[0]}


def _worker(
    graph: Graph, groups: Mapping[str, Sequence[str]], methods: Mapping[str, Ranges], spec: InputSpec
) -> Callable[[Sample], dict[tuple[str, str], float]]:
    wanted = {name for names in groups.values() for name in names}
    tensors = [tensor for tensor in graph.tensors if tensor.name in wanted]
    indices = [tensor.index for tensor in tensors]
    watched, disturbed = open_interpreter(exposed(graph, indices).content, threads=1), Disturbed(graph, indices)
    places = {tensor.name: tensor.index for tensor in tensors}

    def measure(sample: Sample) -> dict[tuple[str, str], float]:
        batch = sample.input(spec)
        feed(watched, batch)
        expected, found = disturbed.show(batch), dict[tuple[str, str], float]()
        for role, names in groups.items():
            known: dict[tuple[tuple[float, float], ...], float] = {}
            for method, ranges in methods.items():
                bounds = tuple(ranges.bounds[name] for name in names)
                if bounds not in known:
                    errors = {places[name]: _error(watched.get_tensor(places[name]), ranges, name) for name in names}
                    known[bounds] = float(np.square(disturbed.scores(errors) - expected).sum())
                found[role, method] = known[bounds]
        return found

    return measure


def _error(values: np.ndarray, ranges: Ranges, name: str) -> np.ndarray:
    error: np.ndarray = rounded(values, *affine_params(*ranges.bounds[name]), "int8") - values
    return error
