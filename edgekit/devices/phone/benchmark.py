"""benchmark(): models on a phone's accelerators, in turns, with ratios that can be relied on.

Each block starts the binary anew for every model and accelerator, in another order: what changes in the course of
time, the phone's heat above all, changes all alike.
"""

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Tuple, Union

import numpy as np

from edgekit.devices.benchmarking.baseline import Timed
from edgekit.devices.benchmarking.ratio import Ratio, paired_ratio
from edgekit.devices.phone.adb import Phone
from edgekit.devices.phone.session import Session
from edgekit.devices.phone.tool import Accelerator, Printed, choose
from edgekit.errors import DeviceError
from edgekit.progress import Progress, silent
from edgekit.tflite.reader import read_graph

#: Blocks of a run: the interval of their median goes from the 2nd to the 8th and holds in 96.1 %.
BLOCKS = 9
#: Threads where none are asked for, as in the binary's own documentation; phones have at least so many fast cores.
THREADS = 4
#: Images on which answers are compared.
IMAGES = 50


@dataclass(frozen=True)
class Plan:
    """What to do on a phone.

    Attributes:
      devices: names of `ACCELERATORS`; ("auto",) for the usual ones that the binary knows.
      threads: on the CPU; None for 4.
      runs: inferences of each that are counted, in 9 blocks.
      warm_up: inferences before each block.
      images: at most so many to compare answers on.
    """

    devices: Tuple[str, ...] = ("auto",)
    threads: Tuple[Optional[int], ...] = (None,)
    runs: int = 500
    warm_up: int = 10
    images: int = IMAGES


USUAL = Plan()


@dataclass(frozen=True)
class Turn:
    """What is timed: a model, an accelerator, a number of threads."""

    model: str
    there: str
    accelerator: Accelerator
    threads: int


@dataclass(frozen=True)
class PhoneMeasurement:
    """One model on one accelerator.

    Attributes:
      turn: what was timed.
      printed: what the binary told in each block.
    """

    turn: Turn
    printed: Tuple[Printed, ...]

    @property
    def timed(self) -> Timed:
        """Its blocks, to be compared with an earlier run's."""
        blocks = np.array([each.typical for each in self.printed])
        return Timed(self.turn.model, self.turn.accelerator.name, self.turn.threads, blocks)

    def median(self, field: str) -> Optional[float]:
        """The median over the blocks of one of `Printed`'s numbers; None where it is not told."""
        values = [value for value in (getattr(each, field) for each in self.printed) if value is not None]
        return float(np.median(values)) if values else None


@dataclass(frozen=True)
class Failed:
    """What could not be timed, and why."""

    turn: Turn
    error: DeviceError


@dataclass(frozen=True)
class PhoneBenchmark:
    """A run on a phone.

    Attributes:
      phone: which one.
      binary: the benchmark binary's file name.
      governors: what sets the phone's clocks; () where it does not tell.
      load: programs that wanted to run, the mean over the minute before; None where it does not tell.
      warm_up: inferences before each block that were not counted.
      measurements: in the order in which they were asked for.
      failed: what could not be timed.
    """

    phone: Phone
    binary: str
    governors: Tuple[str, ...]
    load: Optional[float]
    warm_up: int
    measurements: Tuple[PhoneMeasurement, ...]
    failed: Tuple[Failed, ...]

    def ratio(self, measurement: PhoneMeasurement) -> Ratio:
        """How many times as long a measurement's inference takes as the first one's."""
        return paired_ratio(measurement.timed.blocks, self.measurements[0].timed.blocks)


def benchmark(
    session: Session,
    binary: str,
    models: Sequence[str],
    plan: Plan,
    *,
    progress: Progress = silent,
) -> PhoneBenchmark:
    """Times every model on every accelerator; on the CPU with every number of threads.

    Args:
      session: from `open_session`.
      binary: the binary's file, for the record.
      models: `.tflite` files; the first one is what the others are compared with.
      plan: how.
      progress: called as work goes on.

    Raises:
      ModelFormatError: a file is no model.
      UsageError: a device is none.
      DeviceError: nothing at all can be run.
    """
    turns = _turns(session, models, choose(plan.devices, session.flags), [each or THREADS for each in plan.threads])
    governors, load = _conditions(session.phone)
    told = _in_turns(session, turns, plan, progress)
    measured = tuple(PhoneMeasurement(turn, tuple(found)) for turn, found in told.items() if isinstance(found, list))
    failed = tuple(Failed(turn, found) for turn, found in told.items() if isinstance(found, DeviceError))
    if not measured:
        raise failed[0].error
    return PhoneBenchmark(session.phone, Path(binary).name, governors, load, plan.warm_up, measured, failed)


def _in_turns(
    session: Session, turns: Sequence[Turn], plan: Plan, progress: Progress
) -> Dict[Turn, Union[List[Printed], DeviceError]]:
    """What the binary printed in each block; of a turn that fails, its first error."""
    told: Dict[Turn, Union[List[Printed], DeviceError]] = {turn: [] for turn in turns}
    order = random.Random(0)
    for block in range(BLOCKS):
        progress("Timing on the phone", block, BLOCKS)
        for turn in order.sample(list(turns), len(turns)):
            so_far = told[turn]
            if isinstance(so_far, list):
                found = _timed(session, turn, max(1, plan.runs // BLOCKS), plan.warm_up)
                told[turn] = found if isinstance(found, DeviceError) else [*so_far, found]
    return told


def _turns(
    session: Session, models: Sequence[str], accelerators: Sequence[Accelerator], threads: Sequence[int]
) -> List[Turn]:
    turns: List[Turn] = []
    for number, model in enumerate(models):
        read_graph(model)
        there = session.put(model, number)
        for accelerator in accelerators:
            wanted = threads if accelerator.name == "cpu" else threads[:1]
            turns += [Turn(model, there, accelerator, count) for count in wanted]
    return turns


def _timed(session: Session, turn: Turn, runs: int, warm_up: int) -> Union[Printed, DeviceError]:
    """One block; an error where it fails, or where the accelerator took nothing, so that the CPU was timed."""
    try:
        printed = session.time(turn.there, turn.accelerator, threads=turn.threads, runs=runs, warm_up=warm_up)
    except DeviceError as error:
        return error
    if turn.accelerator.delegate and printed.delegated == "nothing of it":
        return DeviceError(
            f"The {turn.accelerator.delegate} delegate took nothing of the model: it would run on the CPU.",
            "`edgekit inspect MODEL --target android` names the ops that such delegates do not take.",
        )
    return printed


def _conditions(phone: Phone) -> Tuple[Tuple[str, ...], Optional[float]]:
    """(governors, load) of the phone, as far as its shell may read them."""
    said = phone.run("cat /sys/devices/system/cpu/cpufreq/policy*/scaling_governor")
    governors = tuple(sorted(set(said.text.split()))) if said.code == 0 else ()
    load = phone.run("cat /proc/loadavg")
    words = load.text.split()
    try:
        return governors, float(words[0]) if load.code == 0 and words else None
    except ValueError:
        return governors, None
