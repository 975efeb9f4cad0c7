"""How far the Edge TPU estimates are off, and the fit behind them.

    python benchmarks/estimates.py [--fit] [--plot FOLDER] [--shared FOLDER]

Compares predicted with published latencies (published.csv), and parameter bytes with those in real
compiled files (compiled.csv and graphs of the shared data, where they are at hand). `--fit` prints the
times that best fit the published figures of part «fit»; `--plot` draws docs/images/estimates.svg (matplotlib).
"""

import argparse
import csv
import json
import zipfile
from collections import defaultdict
from pathlib import Path

import numpy as np

from benchmarks.architectures import work_of
from edgekit.edgetpu.estimate.estimate import estimate_work
from edgekit.edgetpu.estimate.profiles import EDGE_TPU, HOSTS
from edgekit.edgetpu.estimate.work import op_work
from edgekit.tflite.reader import read_graph

HERE = Path(__file__).resolve().parent
SHARED = HERE.parents[1] / "shared" / "data" / "edgetpu"
#: Repositories whose compiled files the rules of storage were found on; all others are set aside.
DEVELOPED_ON = ("Jorgitou98/EdgeTPU-QuantRL-Evaluation", "google-coral/test_data")


def table(name):
    lines = [line for line in (HERE / name).read_text().splitlines() if not line.startswith("#")]
    return list(csv.DictReader(lines))


def size_of(shape):
    return int(np.prod(shape))


def estimates(rows):
    """model → its estimate."""
    found = {}
    for name in dict.fromkeys(row["model"] for row in rows):
        works = work_of(name)
        found[name] = estimate_work(dict(enumerate(works)), size_of(works[0].input), size_of(works[-1].output))
    return found


def features(row, found):
    """What the five kinds of time are multiplied by, for one figure; milliseconds per nanosecond."""
    works = [layer.work for layer in found.layers]
    bus = found.input_bytes + sum(x.work.parameter_bytes * x.work.pieces for x in found.layers if x.streamed)
    per_host = [[1.0, bus * 1e-6] if row["host"] == host else [0.0, 0.0] for host in HOSTS]
    passes = [sum(w.array_passes for w in works) * 1e-6, sum(w.vector_passes for w in works) * 1e-6]
    return np.array([*np.ravel(per_host), found.output_bytes * 1e-6, *passes])


def fit(rows, found):
    """Times that minimize the relative error (absolute, not squared: published figures have outliers)."""
    from scipy.optimize import nnls

    rows = [row for row in rows if row["part"] == "fit"]
    table = np.array([features(row, found[row["model"]]) for row in rows])
    real = np.array([float(row["ms"]) for row in rows])
    # Many figures of one synthetic series count no more than a few of real models.
    series = np.array([0.3 if row["source"] == "evaluation" else 1.0 for row in rows])
    weights = series / real
    for _ in range(30):
        times, _ = nnls(table * weights[:, None], real * weights)
        weights = series / real / np.sqrt(np.maximum(abs(table @ times / real - 1), 0.03))
    names = [f"{host}.{time}" for host in HOSTS for time in ("fixed_ms", "byte_ns")]
    return dict(zip([*names, "output_ns", "array_ns", "vector_ns"], times))


def latency_report(rows, found):
    errors = defaultdict(list)
    for row in rows:
        errors[row["part"], row["host"]].append(error(row, found))
        if row["source"] != "evaluation":
            expected = found[row["model"]].latency[row["host"]].expected
            figures = f"{row['ms']:>6} ms, estimated {expected:6.1f}  {error(row, found):+.0%}"
            print(f"  {row['model']:28}{row['host']:9}{figures}  ({row['part']})")
    for (part, host), values in sorted(errors.items()):
        print(f"latency, {part}, {host}: {summary(values)}")
    for part in ("fit", "test"):
        pooled = [value for (p, _), values in errors.items() if p == part for value in values]
        print(f"latency, {part}, all: {summary(pooled)}")
    networks = [row for row in rows if row["part"] == "test" and row["source"] != "evaluation"]
    print(f"latency, test, networks only: {summary([error(row, found) for row in networks])}")
    held = [row for row in rows if row["part"] != "left_out"]
    for host in HOSTS:
        inside = [holds(row, found) for row in held if row["host"] == host]
        print(f"latency, {host}: {np.mean(inside):.0%} of {len(inside)} figures lie in their interval")


def error(row, found):
    return found[row["model"]].latency[row["host"]].expected / float(row["ms"]) - 1


def holds(row, found):
    interval = found[row["model"]].latency[row["host"]]
    return interval.low <= float(row["ms"]) <= interval.high


def printed_report(rows, found):
    """On-chip and streamed memory against what the compiler printed."""
    for part in ("fit", "test"):
        chosen = [row for row in rows if row["part"] == part]
        for name, field in (("on_chip_mib", "on_chip_bytes"), ("streamed_mib", "streamed_bytes")):
            real = [float(row[name]) for row in chosen]
            pairs = [(getattr(found[row["model"]], field) / 2**20, mib) for row, mib in zip(chosen, real) if mib]
            print(f"printed {name}, {part}: {summary([estimated / mib - 1 for estimated, mib in pairs])}")


def summary(errors):
    size = np.abs(errors)
    shares = ", ".join(f"within {limit:.0%}: {np.mean(size <= limit):.0%}" for limit in (0.1, 0.25))
    return f"{len(size)} figures, median error {np.median(size):.1%}, {shares}, worst {size.max():.0%}"


def memory_rows(folder):
    """(model, repository, real bytes, estimated bytes) of parameters in single-subgraph compiled files."""
    repos = {entry["name"]: entry["repo"] for entry in json.loads((folder / "graphs.json").read_text())}
    mapped = defaultdict(set)
    for row in csv.DictReader((folder / "ops.csv").read_text().splitlines()):
        if row["mapped"] == "1":
            mapped[row["model"]].add(int(row["index"]))
    with zipfile.ZipFile(folder / "graphs.zip") as graphs:
        names = {Path(name).stem: name for name in graphs.namelist()}
        for row in csv.DictReader((folder / "compiled.csv").read_text().splitlines()):
            name = row["model"]
            pair = folder / "pairs" / name / "model.tflite"
            graph = read_graph(graphs.read(names[name]) if name in names else pair)
            estimated = sum(op_work(graph, op).parameter_bytes for op in graph.ops if op.index in mapped[name])
            yield name, repos[name], int(row["cached_bytes"]) + int(row["streamed_bytes"]), estimated


def memory_report(folder):
    errors = defaultdict(list)
    for name, repo, real, estimated in memory_rows(folder):
        part = "developed on" if repo in DEVELOPED_ON else "set aside"
        errors[part].append(estimated / real - 1)
        if part == "set aside" or abs(estimated / real - 1) > 0.02:
            print(f"  {name[:46]:47}{real:9} B, estimated {estimated:9}  {estimated / real - 1:+.1%}  ({part}: {repo})")
    for part, values in errors.items():
        print(f"parameters in compiled files, {part}: {summary(values)}")


def plot(rows, found, folder):
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "edgekit"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 6))
    for part, marker in (("fit", "o"), ("test", "D")):
        for host, colour in zip(HOSTS, ("#1668a8", "#c75b12", "#2a8a3e")):
            chosen = [row for row in rows if row["part"] == part and row["host"] == host]
            if chosen:
                real = [float(row["ms"]) for row in chosen]
                estimated = [found[row["model"]].latency[host].expected for row in chosen]
                face = colour if part == "test" else "none"
                label = f"{HOSTS[host].title}: {'set aside' if part == 'test' else 'fitted'}"
                axes.plot(real, estimated, marker, mec=colour, mfc=face, ms=6, label=label)
    ends = np.array([0.08, 600])
    axes.plot(ends, ends, color="black", lw=1)
    axes.fill_between(ends, ends * 0.75, ends * 1.25, color="black", alpha=0.08, lw=0, label="within 25 %")
    axes.set(xscale="log", yscale="log", xlim=ends, ylim=ends, xlabel="published (ms)", ylabel="estimated (ms)")
    axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(folder / "estimates.svg", metadata={"Date": None})


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fit", action="store_true", help="print the times that fit best")
    parser.add_argument("--plot", type=Path, help="folder for the plot")
    parser.add_argument("--shared", type=Path, default=SHARED, help="folder of compiled.csv and graphs.zip")
    arguments = parser.parse_args()
    rows, printed = table("published.csv"), table("printed.csv")
    found = estimates(rows + printed)
    if arguments.fit:
        print({name: round(float(time), 3) for name, time in fit(rows, found).items()}, f"tile {EDGE_TPU.tile_bytes}")
    latency_report(rows, found)
    printed_report(printed, found)
    if arguments.shared.is_dir():
        memory_report(arguments.shared)
    if arguments.plot:
        plot(rows, found, arguments.plot)


if __name__ == "__main__":
    main()
