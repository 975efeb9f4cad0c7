"""Whether the intervals of `edgekit benchmark` can be relied on.

    python -m benchmarks.benchmarking [--repetitions 100] [--runs 250]

Two copies of one small model: how many of so many runs give a ratio whose 95 % interval holds 1. The same for a model
of 20 equal convolutions against one of 21, which takes about 5 % longer: how many intervals lie above 1. Last, what
the interval would say if both copies were opened once and stayed open.
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from edgekit.devices.benchmarking.benchmark import BLOCKS, _take_turns, _Turn
from edgekit.devices.benchmarking.ratio import paired_ratio
from edgekit.devices.benchmarking.subject import Configuration
from tests.support.build import GraphBuilder

STEP = {"padding": 0, "strideW": 1, "strideH": 1, "dilationWFactor": 1, "dilationHFactor": 1}


def convolutions(count, side=32, channels=8):
    """A float model of so many equal 3×3 convolutions."""
    graph, shape = GraphBuilder(), (1, side, side, channels)
    kernel = np.random.default_rng(0).normal(0, 0.1, (channels, 3, 3, channels)).astype(np.float32)
    x = graph.input(shape)
    for _ in range(count):
        weights, bias = graph.constant(kernel), graph.constant(np.zeros(channels, np.float32))
        x = graph.op("CONV_2D", [x, weights, bias], shape, options=STEP)
    return graph.finish([x])


class _Open(_Turn):
    """A model that is opened once."""

    def reopen(self):
        pass


def ratio(paths, runs, turn=_Turn):
    """The ratio of the second model's time to the first one's, as `benchmark` finds it."""
    turns = [turn(Configuration(str(path), "cpu", 1), None, "it is none") for path in paths]
    for each in turns:
        each.warm_up(10)
    _take_turns(turns, runs // BLOCKS, lambda stage, done, total: None)
    first, second = (np.median(each.result(None).inference, axis=1) for each in turns)
    return paired_ratio(second, first)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=100)
    parser.add_argument("--runs", type=int, default=250)
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        paths = {name: Path(folder) / f"{name}.tflite" for name in ("one", "copy", "slower")}
        for name, count in (("one", 20), ("copy", 20), ("slower", 21)):
            paths[name].write_bytes(convolutions(count))
        for title, other, turn in (
            ("two copies", "copy", _Turn),
            ("21 convolutions to 20", "slower", _Turn),
            ("two copies, opened once", "copy", _Open),
        ):
            found = [ratio((paths["one"], paths[other]), options.runs, turn) for _ in range(options.repetitions)]
            low, high = np.array([each.interval for each in found]).T
            print(
                f"{title}: median ratio {np.median([each.value for each in found]):.4f}, interval "
                f"{np.median(high - low):.4f} wide; holds 1 in {np.sum((low <= 1) & (high >= 1))}, "
                f"above 1 in {np.sum(low > 1)} of {len(found)} runs"
            )


if __name__ == "__main__":
    main()
