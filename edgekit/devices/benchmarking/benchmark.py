"""benchmark(): times of models, devices and thread counts, interleaved, with ratios that can be relied on.

Each block opens every model anew, in another order, and times some inferences of each. What changes in the course
of time, the clock of the processor or other programs, changes all alike. Opened anew because where an interpreter's
memory comes to lie makes it 1 % faster or slower than its like (benchmarks/benchmarking.py): the same open models,
however often they are timed, would be called different.
"""

import random
from dataclasses import dataclass
from typing import Dict, Iterable, List, Optional, Sequence, Tuple

import numpy as np

from edgekit.devices.benchmarking.baseline import Timed
from edgekit.devices.benchmarking.conditions import Conditions, conditions
from edgekit.devices.benchmarking.ratio import Ratio, paired_ratio
from edgekit.devices.benchmarking.start import Start, measure_start
from edgekit.devices.benchmarking.subject import Configuration, Subject, burst, open_subject
from edgekit.devices.interpreter import allowed_cores
from edgekit.devices.request import parse_device
from edgekit.errors import DeviceError, EdgekitError, UsageError
from edgekit.progress import Progress, silent

#: Blocks of a run: the interval of their median ratio goes from the 8th to the 18th and holds in 95.7 %.
BLOCKS = 25


@dataclass(frozen=True)
class Measurement:
    """One model on one device.

    Attributes:
      configuration: what was asked for.
      device, reason: where it ran, and why there.
      start: load, first inference and memory, in a process of its own.
      times: milliseconds (blocks, runs, 3): preprocess, inference, postprocess.
      only_inference: why only inference was timed (the model is no classifier, …), or "".
    """

    configuration: Configuration
    device: str
    reason: str
    start: Start
    times: np.ndarray
    only_inference: str

    @property
    def inference(self) -> np.ndarray:
        """Milliseconds of inference, (blocks, runs)."""
        return self.times[:, :, 1]  # type: ignore[no-any-return]

    @property
    def blocks(self) -> np.ndarray:
        """The median inference of each block, (blocks,)."""
        return np.median(self.inference, axis=1)  # type: ignore[no-any-return]

    @property
    def timed(self) -> Timed:
        """Its blocks, to be compared with an earlier run's."""
        return Timed(self.configuration.model, self.device, self.configuration.threads, self.blocks)

    def percentile(self, part: float) -> float:
        """Milliseconds that this percentage of all inferences took at most."""
        return float(np.percentile(self.inference, part))


@dataclass(frozen=True)
class Failed:
    """What could not be timed, and why."""

    configuration: Configuration
    error: EdgekitError


@dataclass(frozen=True)
class Benchmark:
    """A run.

    Attributes:
      conditions: the machine before it.
      image: the file that was classified, or None for a frame in memory.
      warm_up: inferences before the first block that were not counted.
      measurements: in the order in which they were asked for.
      failed: what could not be begun: the device is not there, or the model is not compiled for it.
    """

    conditions: Conditions
    image: Optional[str]
    warm_up: int
    measurements: Tuple[Measurement, ...]
    failed: Tuple[Failed, ...] = ()

    def ratio(self, measurement: Measurement) -> Ratio:
        """How many times as long a measurement's inference takes as the first one's."""
        return paired_ratio(measurement.blocks, self.measurements[0].blocks)


def benchmark(
    models: Iterable[str],
    *,
    devices: Sequence[str] = ("auto",),
    threads: Sequence[Optional[int]] = (None,),
    image: Optional[str] = None,
    runs: int = 500,
    warm_up: int = 10,
    progress: Progress = silent,
) -> Benchmark:
    """Times every model on every device with every number of threads; a device that is not there leaves the others.

    Args:
      models: `.tflite` files; the first one is what the others are compared with.
      devices: in the forms of `edgekit.devices.request.Request`.
      threads: at most so many; None for each core that this process may use.
      image: a file to classify, decoding included; None for a frame of 640×480 pixels in memory.
      runs: inferences of each that are counted, in 25 blocks.
      warm_up: inferences before them.
      progress: called as work goes on.

    Raises:
      EdgekitError: a model cannot be opened or fails, see `Classifier`.
      DeviceError: no device that was asked for is there.
    """
    if runs < BLOCKS:
        raise UsageError(f"{runs} runs are too few for {BLOCKS} blocks.", f"Ask for {BLOCKS} or more.")
    configurations = _configurations(models, devices, threads)
    before = conditions()
    turns: List[_Turn] = []
    failed: List[Failed] = []
    for number, each in enumerate(configurations):
        progress("Starting each anew", number, len(configurations))
        try:
            turns.append(_Turn(each, image))
        except (DeviceError, UsageError) as error:  # not there, or the model is not compiled for it
            failed.append(Failed(each, error))
    if not turns:
        raise failed[0].error
    for turn in turns:
        turn.warm_up(warm_up)
    _take_turns(turns, runs // BLOCKS, progress)
    return Benchmark(before, image, warm_up, tuple(turn.result() for turn in turns), tuple(failed))


def _configurations(
    models: Iterable[str], devices: Sequence[str], threads: Sequence[Optional[int]]
) -> List[Configuration]:
    cores = allowed_cores()
    for device in devices:
        parse_device(device)
    made = [
        Configuration(model, device, cores if count is None else min(count, cores))
        for model in models
        for device in devices
        for count in threads
    ]
    distinct: Dict[Configuration, None] = dict.fromkeys(made)
    # Naming a file twice is a way to see what equal models come to; threads beyond the cores are no case of their own.
    return made if len(threads) == 1 else list(distinct)


def _why_plain(configuration: Configuration, image: Optional[str]) -> str:
    """Opens a model once, so that its errors are told here, and says why it is not run as a classifier."""
    subject = open_subject(configuration, image)
    subject.run()
    subject.close()
    return subject.only_inference


def _take_turns(turns: "List[_Turn]", runs: int, progress: Progress) -> None:
    order = random.Random(0)
    for block in range(BLOCKS):
        progress("Timing in turns", block, BLOCKS)
        for turn in order.sample(turns, len(turns)):
            turn.reopen()
        for turn in order.sample(turns, len(turns)):
            turn.time(runs)
    progress("Timing in turns", BLOCKS, BLOCKS)


class _Turn:
    """One configuration's part in the run."""

    def __init__(self, configuration: Configuration, image: Optional[str]) -> None:
        self._configuration, self._image = configuration, image
        self._plain = _why_plain(configuration, image)
        self._start = measure_start(configuration, image, self._plain)
        self._times: List[np.ndarray] = []
        self._subject = self._open()

    def warm_up(self, runs: int) -> None:
        burst(self._subject, runs)

    def reopen(self) -> None:
        """Anew on the CPU; an accelerator, which takes seconds to be opened, stays open."""
        if self._subject.place()[0] == "cpu":
            self._subject.close()
            self._subject = self._open()

    def time(self, runs: int) -> None:
        burst(self._subject, 3)  # another model's data are in the cache
        self._times.append(burst(self._subject, runs))

    def result(self) -> Measurement:
        device, reason = self._subject.place()
        self._subject.close()
        return Measurement(self._configuration, device, reason, self._start, np.stack(self._times), self._plain)

    def _open(self) -> Subject:
        return open_subject(self._configuration, self._image, plain=self._plain)
