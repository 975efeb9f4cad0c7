"""`edgekit benchmark`: how fast models run, here or on a phone, and whether one has become slower."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Dict, List, Optional, Tuple

import click

from edgekit.cli.common import command_options, echo_json, progress_bar
from edgekit.cli.reporting import check_report, report_option, write_report
from edgekit.cli.settings import DEVICES, gather, suggest
from edgekit.devices.benchmarking.baseline import Baseline, Slowdown, Timed, read_baseline, slowdowns
from edgekit.devices.benchmarking.baseline import unmet as too_slow
from edgekit.devices.benchmarking.benchmark import BLOCKS
from edgekit.devices.benchmarking.benchmark import benchmark as run_benchmark
from edgekit.errors import EdgekitError, UsageError
from edgekit.progress import Progress
from edgekit.quiet import tensorflow_quiet
from edgekit.reports.benchmark import benchmark_facts, benchmark_lines, benchmark_to_json, slowdown_facts
from edgekit.reports.text import Facts
from edgekit.terminal import echo_facts, echo_lines
from edgekit.units import fraction

#: No device is named: which ones are run is ours to choose.
AUTO = "auto"


@dataclass(frozen=True)
class PhoneOptions:
    """Where and how to run on a phone: the options of the same names."""

    adb: bool
    binary: Optional[str]
    serial: Optional[str]
    data: Optional[str]
    images: Optional[int]


@dataclass(frozen=True)
class Timing:
    """What is timed: the options of the same names."""

    device: str
    threads: Optional[str]
    image: Optional[str]
    runs: int
    warm_up: int


@dataclass(frozen=True)
class Earlier:
    """What a run is compared with: the options of the same names."""

    against: Optional[str]
    max_slowdown: Optional[str]


@dataclass(frozen=True)
class Outcome:
    """A run, ready to be printed.

    Attributes:
      timed: what is held against a baseline.
      processor: of the machine or phone.
      document: from the slowdowns to the JSON document.
      facts, lines: for people.
      failed: how many measurements that were asked for could not be made.
      unmet: what is plainly wrong, or None.
    """

    timed: List[Timed]
    processor: str
    document: Callable[[List[Slowdown]], Dict[str, object]]
    facts: Facts
    lines: List[str]
    failed: int
    unmet: Optional[str] = None


@click.command()
@click.argument("models", nargs=-1, required=True, type=click.Path(), metavar="MODEL...")
@click.option(
    "--device",
    default=AUTO,
    show_default=True,
    help="One or more, as cpu,usb; with --adb cpu, gpu, gpu-fp32, nnapi, hexagon, npu.",
    shell_complete=suggest(*DEVICES),
)
@click.option("--threads", help="One or more numbers, as 1,2 (default: the cores allowed; 4 on a phone).")
@click.option("--image", type=click.Path(), help="Classify this file each time (default: a frame in memory).")
@click.option("--runs", default=500, show_default=True, type=click.IntRange(min=BLOCKS), help="Inferences of each.")
@click.option("--warm-up", default=10, show_default=True, type=click.IntRange(min=0), help="Inferences before them.")
@click.option("--adb", is_flag=True, help="On the Android phone that is attached, with --binary.")
@click.option("--binary", type=click.Path(), help="With --adb: the official benchmark_model for the phone.")
@click.option("--serial", help="With --adb: which phone, of several.")
@click.option("--data", type=click.Path(), help="With --adb: images to compare answers on (default: synthetic ones).")
@click.option("--images", type=click.IntRange(min=1), help="With --adb: at most so many of them.  [default: 50]")
@click.option("--against", type=click.Path(), metavar="FILE", help="An earlier run's --json, to compare with.")
@click.option("--max-slowdown", help="With --against: slowdown allowed, such as 5%; more is exit code 1.")
@gather(PhoneOptions, "phone")
@gather(Timing, "timing")
@gather(Earlier, "earlier")
@report_option
@command_options
def benchmark(
    models: Tuple[str, ...],
    timing: Timing,
    phone: PhoneOptions,
    earlier: Earlier,
    report: Optional[Path],
    as_json: bool,
    verbose: bool,
) -> None:
    """Time each .tflite MODEL: load, first inference, percentiles, preprocess and postprocess, memory.

    All models, devices and numbers of threads take turns in one run; the ratio of each to the first has
    a 95 % interval. Models that are no classifiers run on random inputs. With --adb they run on a phone, and
    their answers are compared with the CPU interpreter's here.

    \b
    Examples:
      edgekit benchmark model.tflite
      edgekit benchmark float.tflite int8.tflite --threads 1,2
      edgekit benchmark model.tflite --json > baseline.json
      edgekit benchmark model.tflite --against baseline.json --max-slowdown 5%
      edgekit benchmark model.tflite --adb --binary android_aarch64_benchmark_model --device cpu,gpu
    """
    _check(phone, timing)
    check_report(report)
    allowed, baseline = _allowed(earlier)
    run = _on_phone if phone.adb else _here
    with tensorflow_quiet(verbose) as stream, progress_bar(stream, as_json=as_json, verbose=verbose) as progress:
        found = run(models, timing, phone, progress)
    slower = slowdowns(found.timed, baseline) if baseline else []
    unmet = found.unmet or (too_slow(slower, allowed) if allowed is not None else None)
    document = {**found.document(slower), "accepted": unmet is None, "unmet": unmet}
    write_report(report, document)
    if as_json:
        echo_json(document)
    else:
        _print(found, slower, baseline, unmet)
    sys.exit(1 if unmet else EdgekitError.exit_code if found.failed else 0)


def _print(found: Outcome, slower: List[Slowdown], baseline: Optional[Baseline], unmet: Optional[str]) -> None:
    echo_facts(found.facts)
    echo_lines(["", *found.lines, ""])
    if baseline:
        echo_facts(slowdown_facts(slower, baseline, found.processor))
    if unmet:
        echo_facts([("Not met", unmet)])


def _allowed(earlier: Earlier) -> Tuple[Optional[float], Optional[Baseline]]:
    """The slowdown allowed, and what it is against."""
    allowed = fraction("--max-slowdown", earlier.max_slowdown)
    if allowed is not None and earlier.against is None:
        raise UsageError("--max-slowdown needs something to compare with.", "Name an earlier run with --against.")
    return allowed, read_baseline(earlier.against) if earlier.against else None


def _check(phone: PhoneOptions, timing: Timing) -> None:
    """Raises UsageError where options do not go together."""
    only = {"--binary": phone.binary, "--serial": phone.serial, "--data": phone.data, "--images": phone.images}
    given = [name for name, value in only.items() if value is not None]
    if given and not phone.adb:
        raise UsageError(f"{given[0]} is for a run on a phone.", "Add --adb.")
    if phone.adb and timing.image is not None:
        raise UsageError("--image cannot be timed on a phone: only inference is.", "Leave it out.")
    if phone.adb and phone.binary is None:
        raise UsageError(
            "--adb needs the official benchmark binary.",
            "Name it with --binary: android_aarch64_benchmark_model for nearly every phone, see docs/benchmark.md.",
        )


def _here(models: Tuple[str, ...], timing: Timing, phone: PhoneOptions, progress: Progress) -> Outcome:
    found = run_benchmark(
        models,
        devices=timing.device.split(","),
        threads=_numbers(timing.threads),
        image=timing.image,
        runs=timing.runs,
        warm_up=timing.warm_up,
        progress=progress,
    )
    return Outcome(
        [each.timed for each in found.measurements],
        found.conditions.processor,
        lambda slower: benchmark_to_json(found, slower),
        benchmark_facts(found),
        list(benchmark_lines(found)),
        len(found.failed),
    )


def _on_phone(models: Tuple[str, ...], timing: Timing, phone: PhoneOptions, progress: Progress) -> Outcome:
    from edgekit.devices.phone.benchmark import IMAGES, Plan
    from edgekit.evaluation.phone import benchmark_on_phone
    from edgekit.reports.phone import phone_facts, phone_lines, phone_to_json, processor, unmet

    plan = Plan(
        tuple(timing.device.split(",")),
        tuple(_numbers(timing.threads)),
        timing.runs,
        timing.warm_up,
        phone.images or IMAGES,
    )
    found, agreements = benchmark_on_phone(
        models, phone.binary or "", plan, serial=phone.serial, data=phone.data, progress=progress
    )
    return Outcome(
        [each.timed for each in found.measurements],
        processor(found),
        lambda slower: phone_to_json(found, agreements, slower),
        phone_facts(found, agreements),
        list(phone_lines(found, agreements)),
        len(found.failed) if timing.device != AUTO else 0,
        unmet(agreements),
    )


def _numbers(text: Optional[str]) -> List[Optional[int]]:
    """The numbers of `--threads`; [None] for none. Raises UsageError where it holds something else."""
    if text is None:
        return [None]
    words = [word.strip() for word in text.split(",")]
    if not all(word.isascii() and word.isdigit() and 0 < int(word) < 10_000 for word in words):
        raise UsageError(f"--threads {text} is no list of numbers.", "Write for instance 1 or 1,2,4.")
    return [int(word) for word in words]
