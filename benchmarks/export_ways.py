"""CPU seconds from a Keras file to the float `.tflite`: directly, and through TensorFlow; processes that take turns.

    python -m benchmarks.export_ways MODEL... [--rounds 3]

What every process needs (Python, numpy, edgekit itself) is measured by a third process and taken off both. Each ends at
once: how long Python takes to give back what it imported is no part of an export. A first round is not counted: it
leaves the modules compiled, as an installation does.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys

COMMON = """
import edgekit.converters.sources.open, edgekit.converters.export.through_tensorflow, edgekit.devices.interpreter
from ai_edge_litert import interpreter
"""
END = """
import os
os._exit(0)
"""
EXPORT = f"""
import sys
from pathlib import Path
from edgekit.converters.export.through_tensorflow import export_float
from edgekit.converters.sources.sniff import sniff
path = Path(sys.argv[1])
source = opened(path, sniff(path), trust=False, size=None)
export_float(source, source.spec).graph.content{END}"""
DIRECT = f"{COMMON}from edgekit.converters.export.direct.open import open_directly as opened{EXPORT}"
THROUGH = f"{COMMON}from edgekit.converters.sources.keras.loader import load_keras as opened{EXPORT}"


def seconds(program: str, model: str) -> float:
    """User and system time of one process."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", program, model], check=True, capture_output=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Prints one line a model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    for model in arguments.models:
        rounds = [
            [seconds(program, model) for program in (COMMON + END, DIRECT, THROUGH)]
            for _ in range(1 + arguments.rounds)
        ]
        common, direct, through = (statistics.median(times) for times in zip(*rounds[1:], strict=True))
        ratio = (through - common) / (direct - common)
        print(
            f"{model}: direct {direct - common:.2f} s, through TensorFlow {through - common:.2f} s, {ratio:.0f} times"
        )


if __name__ == "__main__":
    main()
