"""How far the Edge TPU estimates are off on figures that they were not fitted on, and the fit behind them.

    python -m benchmarks.estimates [--fit] [--write | --check] [--shared FOLDER]

Compares with published latencies, with memory that compilers printed, and with real compiled files (the shared data,
where they are at hand), leaving one source out of the fit at a time (`benchmarks/published.py`). `--fit` prints the
times that fit all figures best and the intervals that follow; `--write` writes docs/estimates.md and its plot,
`--check` only tells whether they are up to date. Needs Keras for the architectures, SciPy to fit, matplotlib to draw.
"""

import argparse
import sys
from pathlib import Path

from benchmarks.estimates_page import PAGE, page, write
from benchmarks.published import figures, fit, set_aside, spread

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data" / "edgetpu"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fit", action="store_true", help="print the times that fit best, and the interval")
    parser.add_argument("--write", action="store_true", help="write docs/estimates.md and its plot")
    parser.add_argument("--check", action="store_true", help="tell whether docs/estimates.md is up to date")
    parser.add_argument("--shared", type=Path, default=SHARED, help="folder of compiled.csv and graphs.zip")
    arguments = parser.parse_args()
    chosen = figures()
    if arguments.fit:
        chip, hosts = fit(chosen)
        print(f"vector_ns={chip.vector_ns:.2f}")
        for name, host in hosts.items():
            print(f"{name}: fixed_ms={host.fixed_ms:.2f}, send_ns={host.send_ns:.2f}, fetch_ns={host.fetch_ns:.1f}")
        print(f"9 in 10 set aside within a factor of {spread([error for _, error in set_aside(chosen)]):.2f}")
        return
    text = page(chosen, arguments.shared if arguments.shared.is_dir() else None)
    if arguments.write:
        write(text, chosen)
    elif not arguments.check:
        print(text)
    elif PAGE.read_text(encoding="utf-8") != text:
        sys.exit("docs/estimates.md is out of date: run python -m benchmarks.estimates --write")


if __name__ == "__main__":
    main()
