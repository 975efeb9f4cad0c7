"""Peak memory of `edgekit convert` with more and more calibration images, side by side.

    python -m benchmarks.memory MODEL --data DIR [--counts 200 500 1000 2000] [--ranges auto]

Where --data holds fewer images, they are used again under other names; each is decoded each time. A pass over
the images keeps a few of them in memory at a time and a small record of each, so that the peak hardly grows.
"""

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.processes import Usage, link, run
from edgekit.calibration import open_samples
from edgekit.preprocess import InputSpec


def main() -> None:
    arguments = parse()
    drawn = open_samples(arguments.data, InputSpec(1, 1), count=None)
    images = [arguments.data / candidate.name for candidate in drawn.candidates]
    print(f"{arguments.model.name}, --ranges {arguments.ranges}")
    print(f"{'images':>8} {'seconds':>8} {'peak MB':>8} {'times':>6}")
    first = None
    for count in arguments.counts:
        with TemporaryDirectory() as folder:
            usage = convert(arguments, link(images, count, Path(folder) / "data"), count)
        first = first or usage
        ratio = usage.memory / first.memory
        print(f"{count:8} {usage.seconds:8.1f} {usage.memory:8.0f} {ratio:6.2f}", flush=True)


def convert(arguments: argparse.Namespace, data: Path, count: int) -> Usage:
    command = [sys.executable, "-m", "edgekit", "convert", str(arguments.model), "--data", str(data)]
    command += ["--samples", str(count), "--ranges", arguments.ranges, "--no-verify"]
    return run([*command, "-o", str(data.with_name("out.tflite"))])


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--counts", type=int, nargs="+", default=[200, 500, 1000, 2000])
    parser.add_argument("--ranges", default="auto")
    return parser.parse_args()


if __name__ == "__main__":
    main()
