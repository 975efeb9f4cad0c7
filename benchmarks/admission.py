"""What the first run of a model from elsewhere costs, in another process, and what its second opening does.

    python benchmarks/admission.py MODEL.tflite [MODEL.tflite ...] [--times 9]

For each model, medians in milliseconds: the check of its graph, the first run (a new process, two invocations), the
opening of a model that is remembered by a new process (its digest and a look into the record), and, to compare with,
opening it and one invocation.
"""

import argparse
import os
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np

from edgekit import read_graph
from edgekit.devices import admission
from edgekit.devices.interpreter import open_interpreter
from edgekit.tflite.checks import check_graph


def costs(path, times):
    """Milliseconds of (checks, first run, a remembered model's admission, opening and one invocation)."""
    graph = read_graph(path)
    admission.admit(graph, str(path))
    return (
        timed(lambda: check_graph(graph), times),
        timed(lambda: admission._first_run(graph.content, str(path)), times),
        timed(lambda: remembered(graph, str(path)), times),
        timed(lambda: opened(graph), times),
    )


def remembered(graph, name):
    """Admits a model that another process has tried, less the check of its graph."""
    admission._passed.clear()
    assert admission._key(graph.content) in admission._remembered(), name


def opened(graph):
    """Opens a model and runs it once."""
    interpreter = open_interpreter(graph.content)
    for given in interpreter.get_input_details():
        interpreter.set_tensor(given["index"], np.zeros(given["shape"], given["dtype"]))
    interpreter.invoke()


def timed(function, times):
    """The median of some calls, in milliseconds."""
    took = []
    for _ in range(times):
        start = perf_counter()
        function()
        took.append(1000 * (perf_counter() - start))
    return median(took)


def main():
    """Parses the command line and prints a line for each model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--times", type=int, default=9)
    arguments = parser.parse_args()
    print("  check  first run  remembered  open + invoke   (ms)")
    with TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        for path in arguments.models:
            check, first, again, plain = costs(path, arguments.times)
            print(
                f"{check:7.1f} {first:10.1f} {again:11.1f} {plain:14.1f}   {path.name}, {path.stat().st_size:,} bytes"
            )


if __name__ == "__main__":
    main()
