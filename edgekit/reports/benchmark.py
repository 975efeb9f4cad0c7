"""A benchmark: its JSON document, which is also the baseline of later runs, and its table."""

from pathlib import Path
from typing import Dict, Iterator, List, Optional, Tuple

import numpy as np

from edgekit.devices.benchmarking.baseline import Baseline, Slowdown
from edgekit.devices.benchmarking.benchmark import Benchmark, Measurement
from edgekit.devices.benchmarking.ratio import Ratio
from edgekit.devices.benchmarking.subject import Configuration
from edgekit.reports.text import Facts, columns, error_to_json
from edgekit.sizes import size_text

_HEADER = (
    "model",
    "device",
    "threads",
    "load",
    "first",
    "p50",
    "p95",
    "p99",
    "pre",
    "post",
    "memory",
    "ratio (95 % CI)",
)


def benchmark_to_json(found: Benchmark, slower: Optional[List[Slowdown]] = None) -> Dict[str, object]:
    """`{"machine", "image", "warm_up", "results", "failed", "notes"}`; times in milliseconds, memory in bytes."""
    then = {each.timed.key: each.ratio for each in slower or ()}
    return {
        "machine": {
            "processor": found.conditions.processor,
            "cores": found.conditions.cores,
            "system": found.conditions.system,
            "python": found.conditions.python,
            "interpreter": found.conditions.interpreter,
            "governors": list(found.conditions.governors),
            "load": found.conditions.load,
        },
        "image": found.image,
        "warm_up": found.warm_up,
        "results": [_result(each, found.ratio(each), then.get(each.timed.key)) for each in found.measurements],
        "failed": [{**_asked(each.configuration), **error_to_json(each.error)} for each in found.failed],
        "notes": list(_notes(found)),
    }


def _asked(each: Configuration) -> Dict[str, object]:
    return {"model": each.model, "device": each.device, "threads": each.threads}


def _result(each: Measurement, ratio: Ratio, slowdown: Optional[Ratio]) -> Dict[str, object]:
    pre, post = _beside(each)
    return {
        "model": each.configuration.model,
        "device": each.device,
        "reason": each.reason,
        "threads": each.configuration.threads,
        "load_ms": each.start.load_ms,
        "first_ms": each.start.first_ms,
        "inference_ms": {f"p{part}": each.percentile(part) for part in (50, 95, 99)},
        "preprocess_ms": pre,
        "postprocess_ms": post,
        "runs": int(each.inference.size),
        "blocks_ms": [float(value) for value in each.blocks],
        "peak_memory_bytes": each.start.peak_bytes,
        "model_memory_bytes": each.start.model_bytes,
        **ratio_to_json("ratio", ratio),
        **ratio_to_json("slowdown", slowdown),
    }


def ratio_to_json(name: str, ratio: Optional[Ratio]) -> Dict[str, object]:
    """A ratio as two fields, `name` and `name_interval`; null where there is none."""
    return {name: ratio.value if ratio else None, f"{name}_interval": list(ratio.interval) if ratio else None}


def _beside(each: Measurement) -> Tuple[Optional[float], Optional[float]]:
    """The medians of preprocess and postprocess, or (None, None) where only inference was timed."""
    if each.only_inference:
        return None, None
    pre, post = np.median(each.times[:, :, (0, 2)].reshape(-1, 2), axis=0)
    return float(pre), float(post)


def benchmark_facts(found: Benchmark) -> Facts:
    """The machine and the way of measuring."""
    machine = found.conditions
    yield "Machine", f"{machine.processor}, {machine.cores} cores, {machine.system}, {machine.interpreter}"
    if machine.governors:
        yield "Governor", ", ".join(machine.governors)
    if machine.load is not None:
        yield "Load", f"{machine.load:.2f} before the run"
    blocks, runs = found.measurements[0].inference.shape
    yield "Runs", f"{blocks * runs} of each in {blocks} blocks, interleaved, after {found.warm_up} of warm-up"
    yield "Image", found.image or "a frame of 640×480 pixels in memory"
    for note in _notes(found):
        yield "Note", note


def slowdown_facts(slower: List[Slowdown], baseline: Baseline, processor: str) -> Facts:
    """This run against an earlier one."""
    for each in slower:
        yield "Baseline", f"{each.timed.key[0]} takes {ratio_text(each.ratio)} times as long as then"
    if baseline.processor != processor:
        yield "Note", f"The baseline was measured on another machine: {baseline.processor}."


def benchmark_lines(found: Benchmark) -> Iterator[str]:
    """A row for each measurement."""
    yield from columns(_HEADER, [_row(found, each) for each in found.measurements])
    yield ""
    yield "  Times in ms: load and first inference in a process of its own; pre, p50 … and post are preprocess,"
    yield "  inference and postprocess. Memory is the process's peak, and what of it came with the model."


def _row(found: Benchmark, each: Measurement) -> Tuple[str, ...]:
    pre, post = _beside(each)
    times = (each.start.load_ms, each.start.first_ms, *map(each.percentile, (50, 95, 99)), pre, post)
    memory = (each.start.peak_bytes, each.start.model_bytes)
    return (
        Path(each.configuration.model).name,
        each.device,
        str(each.configuration.threads),
        *("-" if value is None else f"{value:.3g}" if value < 100 else f"{value:.0f}" for value in times),
        " / ".join(size_text(value) for value in memory if value is not None) or "-",
        "1" if each is found.measurements[0] else ratio_text(found.ratio(each)),
    )


def ratio_text(ratio: Ratio) -> str:
    """«1.052 (1.041–1.060)»."""
    low, high = ratio.interval
    return f"{ratio.value:.3f} ({low:.3f}–{high:.3f})"


def _notes(found: Benchmark) -> Iterator[str]:
    for lost in found.failed:
        asked = lost.configuration
        yield f"{Path(asked.model).name} on {asked.device} could not be timed. {lost.error}"
    yield from found.conditions.notes()
    for each in found.measurements:
        if each.only_inference:
            yield f"Of {Path(each.configuration.model).name} only inference is timed: {each.only_inference}"
