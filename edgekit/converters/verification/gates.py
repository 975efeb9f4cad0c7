"""One function for each gate: it measures a model and says what was found and what was asked for."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgekit.calibration.labelled import ImageSet
from edgekit.converters.comparing import agreement
from edgekit.converters.verification.reproduce import reproduce
from edgekit.converters.verification.spec import Spec
from edgekit.devices.benchmarking.benchmark import benchmark
from edgekit.edgetpu.estimate.estimate import around, bytes_text, estimate
from edgekit.edgetpu.placement.mapping import map_ops
from edgekit.evaluation.accuracy import evaluate
from edgekit.progress import Progress
from edgekit.sizes import size_text
from edgekit.targets.judges import Place, judge
from edgekit.tflite.reader import read_graph


@dataclass(frozen=True)
class Outcome:
    """What became of a gate.

    Attributes:
      gate: its name in the file.
      met: whether the model passes.
      found: what was measured, in words; what went wrong where it could not be.
      asked: what was asked for.
      value: the figure, in the gate's unit; None where there is none.
    """

    gate: str
    met: bool
    found: str
    asked: str
    value: float | None = None


Gate = Callable[[Path, Spec, bool, Progress], Outcome]


def _percent(value: float, interval: tuple[float, float] | None = None) -> str:
    bounds = f" (95 % CI {100 * interval[0]:.1f}–{100 * interval[1]:.1f})" if interval else ""
    return f"{100 * value:.1f} %{bounds}"


def _images(spec: Spec) -> ImageSet:
    return ImageSet(spec.data, spec.labels_csv, spec.images)


def _min_agreement(model: Path, spec: Spec, trust: bool, progress: Progress) -> Outcome:
    assert spec.source and spec.min_agreement is not None
    verdict = agreement(spec.source, model, _images(spec), trust=trust, progress=progress)
    found = f"{_percent(verdict.agreement, verdict.interval)} on {verdict.images} images"
    met = verdict.agreement >= spec.min_agreement - 1e-9
    asked = f"at least {_percent(spec.min_agreement)} with {spec.source.name}"
    return Outcome("min_agreement", met, found, asked, verdict.agreement)


def _min_top1(model: Path, spec: Spec, trust: bool, progress: Progress) -> Outcome:
    assert spec.min_top1 is not None
    found = evaluate(model, _images(spec), progress=progress)
    text = "; ".join((f"{_percent(found.top1, found.top1_interval)} on {found.images} images", *found.alarms))
    met = found.unmet(spec.min_top1) is None and not found.alarms
    return Outcome("min_top1", met, text, f"at least {_percent(spec.min_top1)}", found.top1)


def _min_mapped(model: Path, spec: Spec, trust: bool, progress: Progress) -> Outcome:
    assert spec.min_mapped is not None
    placement = judge(read_graph(model), Place(spec.target, configuration=spec.accelerator))
    count, total = placement.mapped, max(1, len(placement.ops))
    found = f"{count} of {total} ops {placement.accelerator.takes[0]} ({placement.judge or 'predicted'})"
    met = placement.refusal is None and count / total >= spec.min_mapped - 1e-9
    return Outcome("min_mapped", met, found, f"at least {_percent(spec.min_mapped)}", count / total)


def _max_on_chip(model: Path, spec: Spec, trust: bool, progress: Progress) -> Outcome:
    assert spec.max_on_chip is not None
    graph = read_graph(model)
    needed = sum(layer.work.on_chip_bytes for layer in estimate(graph, map_ops(graph)).layers)
    found = f"{bytes_text(around(needed))} for all parameters (estimated)"
    return Outcome("max_on_chip", needed <= spec.max_on_chip, found, f"at most {size_text(spec.max_on_chip)}", needed)


def _max_size(model: Path, spec: Spec, trust: bool, progress: Progress) -> Outcome:
    assert spec.max_size is not None
    size = read_graph(model).size
    return Outcome("max_size", size <= spec.max_size, size_text(size), f"at most {size_text(spec.max_size)}", size)


def _max_latency_ratio(model: Path, spec: Spec, trust: bool, progress: Progress) -> Outcome:
    assert spec.baseline and spec.max_latency_ratio is not None
    found = benchmark([str(spec.baseline), str(model)], devices=("cpu",), threads=(1,), progress=progress)
    ratio = found.ratio(found.measurements[1])
    low, high = ratio.interval
    text = f"{ratio.value:.3f} times as long (95 % CI {low:.3f}–{high:.3f})"
    asked = f"at most {spec.max_latency_ratio:g} times as long as {spec.baseline.name}"
    return Outcome("max_latency_ratio", ratio.value <= spec.max_latency_ratio, text, asked, ratio.value)


def _reproducible(model: Path, spec: Spec, trust: bool, progress: Progress) -> Outcome:
    assert spec.source
    found = reproduce(
        model,
        spec.source,
        spec.convert_data,
        verify_data=spec.verify_data,
        labels=spec.convert_labels,
        trust=trust,
        progress=progress,
    )
    where = f"; the records differ in {', '.join(found.differing)}" if found.differing else ""
    text = "the same bytes" if found.same else f"other bytes{where}"
    asked = f"the same bytes again from {spec.source.name}"
    return Outcome("reproducible", found.same, text, asked, float(found.same))


#: Gate → its function, the quick ones first.
GATES: dict[str, Gate] = {
    "max_size": _max_size,
    "min_mapped": _min_mapped,
    "max_on_chip": _max_on_chip,
    "min_top1": _min_top1,
    "min_agreement": _min_agreement,
    "max_latency_ratio": _max_latency_ratio,
    "reproducible": _reproducible,
}
