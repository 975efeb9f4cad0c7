"""`edgekit benchmark`: how fast models run, and whether one has become slower."""

import sys
from typing import Dict, List, Optional, Tuple

import click

from edgekit.cli.common import command_options, echo_json, progress_bar
from edgekit.cli.settings import DEVICES, suggest
from edgekit.devices.benchmarking.baseline import read_baseline, slowdowns
from edgekit.devices.benchmarking.baseline import unmet as too_slow
from edgekit.devices.benchmarking.benchmark import BLOCKS
from edgekit.devices.benchmarking.benchmark import benchmark as run_benchmark
from edgekit.errors import UsageError
from edgekit.quiet import tensorflow_quiet
from edgekit.reports.benchmark import benchmark_facts, benchmark_lines, benchmark_to_json, slowdown_facts
from edgekit.terminal import echo_facts, echo_lines
from edgekit.units import fraction


@click.command()
@click.argument("models", nargs=-1, required=True, type=click.Path(), metavar="MODEL...")
@click.option(
    "--device", default="auto", show_default=True, help="One or more, as cpu,usb.", shell_complete=suggest(*DEVICES)
)
@click.option("--threads", help="One or more numbers, as 1,2 (default: the cores allowed).")
@click.option("--image", type=click.Path(), help="Classify this file each time (default: a frame in memory).")
@click.option("--runs", default=500, show_default=True, type=click.IntRange(min=BLOCKS), help="Inferences of each.")
@click.option("--warm-up", default=10, show_default=True, type=click.IntRange(min=0), help="Inferences before them.")
@click.option("--against", type=click.Path(), metavar="FILE", help="An earlier run's --json, to compare with.")
@click.option("--max-slowdown", help="With --against: slowdown allowed, such as 5%; more is exit code 1.")
@command_options
def benchmark(
    models: Tuple[str, ...],
    against: Optional[str],
    max_slowdown: Optional[str],
    as_json: bool,
    verbose: bool,
    **options: object,
) -> None:
    """Time each .tflite MODEL: load, first inference, percentiles, preprocess and postprocess, memory.

    All models, devices and numbers of threads take turns in one run; the ratio of each to the first has
    a 95 % interval. Models that are no classifiers run on random inputs.

    \b
    Examples:
      edgekit benchmark model.tflite
      edgekit benchmark float.tflite int8.tflite --threads 1,2
      edgekit benchmark model.tflite --json > baseline.json
      edgekit benchmark model.tflite --against baseline.json --max-slowdown 5%
    """
    allowed = fraction("--max-slowdown", max_slowdown)
    if allowed is not None and against is None:
        raise UsageError("--max-slowdown needs something to compare with.", "Name an earlier run with --against.")
    baseline = read_baseline(against) if against else None
    with tensorflow_quiet(verbose) as stream, progress_bar(stream, as_json=as_json, verbose=verbose) as progress:
        found = run_benchmark(models, progress=progress, **_lists(options))  # type: ignore[arg-type]
    slower = slowdowns(found, baseline) if baseline else []
    unmet = too_slow(slower, allowed) if allowed is not None else None
    if as_json:
        echo_json({**benchmark_to_json(found, slower), "accepted": unmet is None, "unmet": unmet})
    else:
        echo_facts(benchmark_facts(found))
        echo_lines(["", *benchmark_lines(found), ""])
        if baseline:
            echo_facts(slowdown_facts(slower, baseline, unmet, found.conditions.processor))
    sys.exit(1 if unmet else 0)


def _lists(options: Dict[str, object]) -> Dict[str, object]:
    """The options with `--device` and `--threads` as lists. Raises UsageError where --threads holds no numbers."""
    threads, device = options.pop("threads"), str(options.pop("device"))
    return {**options, "devices": device.split(","), "threads": _numbers(str(threads)) if threads else [None]}


def _numbers(text: str) -> List[int]:
    words = [word.strip() for word in text.split(",")]
    if not all(word.isascii() and word.isdigit() and 0 < int(word) < 10_000 for word in words):
        raise UsageError(f"--threads {text} is no list of numbers.", "Write for instance 1 or 1,2,4.")
    return [int(word) for word in words]
