"""What a model takes beside another: size, and time of one inference, measured in turns."""

from collections.abc import Callable
from dataclasses import dataclass
from time import get_clock_info, perf_counter, thread_time

import numpy as np

from edgekit.devices.benchmarking.ratio import Ratio, paired_ratio
from edgekit.devices.interpreter import open_interpreter
from edgekit.tflite.model import Model

#: Rounds in turns: no fewer, since the median of fewer has no 95 % interval; no more, and none begun after so long.
_LEAST, _MOST, _SECONDS = 6, 25, 0.5

#: The processor's time of this thread, which other programs do not lengthen, where the system tells it finely.
_clock = thread_time if get_clock_info("thread_time").resolution <= 1e-6 else perf_counter


@dataclass(frozen=True)
class Cost:
    """Two models side by side, on one core of this machine's CPU.

    Attributes:
      sizes: bytes of the first one's file and of the second one's, without what they say about themselves.
      milliseconds: the median inference of each.
      ratio: how many times as long as the first one's the second one's inference takes, with its 95 % interval.
    """

    sizes: tuple[int, int]
    milliseconds: tuple[float, float]
    ratio: Ratio


def cost(first: Model, second: Model) -> Cost:
    """Measures two models in turns, for half a second or six rounds.

    What else the machine does meets both. That they stay open makes equal models seem up to 1 % apart, which
    `edgekit benchmark` avoids by opening them anew.
    """
    run_first, run_second = _ready(first), _ready(second)
    times: list[tuple[float, float]] = []
    end = perf_counter() + _SECONDS
    while len(times) < _LEAST or (len(times) < _MOST and perf_counter() < end):
        times.append((run_first(), run_second()))
    rounds = 1000 * np.array(times)
    medians = np.median(rounds, axis=0)
    return Cost(
        (first.graph.size, second.graph.size),
        (float(medians[0]), float(medians[1])),
        paired_ratio(rounds[:, 1], rounds[:, 0]),
    )


def _ready(model: Model) -> Callable[[], float]:
    """A function that runs a model once and tells the seconds; it has run before."""
    interpreter = open_interpreter(model.graph.content, threads=1)
    (source,) = interpreter.get_input_details()
    interpreter.set_tensor(source["index"], np.ones(source["shape"], source["dtype"]))  # no time depends on values
    interpreter.invoke()

    def run() -> float:
        start = _clock()
        interpreter.invoke()
        return _clock() - start

    return run
