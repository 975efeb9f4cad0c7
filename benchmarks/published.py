"""Published latencies and memory of Edge TPUs beside edgekit's estimates for the same models, and the fit behind them.

Latencies are in published.csv, memory that compilers printed in printed.csv, where they are from in sources.csv; what
real compiled files hold is in the shared data. Needs Keras for the architectures and SciPy to fit.
"""

import csv
import json
import zipfile
from collections import defaultdict
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from benchmarks.architectures import work_of
from edgekit.edgetpu.estimate.estimate import estimate_work
from edgekit.edgetpu.estimate.profiles import EDGE_TPU, HOSTS
from edgekit.edgetpu.estimate.work import op_work
from edgekit.tflite.reader import read_graph

HERE = Path(__file__).resolve().parent
#: Repositories whose compiled files the rules of storage were found on; all others are set aside.
DEVELOPED_ON = ("Jorgitou98/EdgeTPU-QuantRL-Evaluation", "google-coral/test_data")
#: No rate of any bus explains its figure: less than half of what sending its parameters takes on the same host.
UNEXPLAINED = "inception_resnet_v2_299"
#: Synthetic figures are many of a kind: each counts less in the fit.
SYNTHETIC_WEIGHT = 0.4
#: What is taken of another host where no figure of a host is left, or where it was never measured.
LIKE = {"usb3-std": "usb3", "pi4": "usb3", "pcie": "usb3", "devboard": "pcie", "usb2": "usb3"}


@dataclass(frozen=True)
class Figure:
    """A published latency.

    Attributes:
      model: name in `architectures`.
      host: key of HOSTS.
      ms: as published.
      source: key of sources.csv.
    """

    model: str
    host: str
    ms: float
    source: str

    @property
    def synthetic(self):
        """Whether the model is one of a series made to measure, not a network."""
        return self.source == "quantrl" or self.model.startswith(("deep", "wide7", "dense_", "in_", "out_", "pad_"))

    @property
    def group(self):
        """What is left out together: a source, or one series of the source that has several."""
        return {"quantrl": self.model.partition("_")[0], "coral-models": "coral"}.get(self.source, self.source)


def table(name):
    lines = [line for line in (HERE / name).read_text().splitlines() if not line.startswith("#")]
    return list(csv.DictReader(lines))


def figures():
    return [Figure(row["model"], row["host"], float(row["ms"]), row["source"]) for row in table("published.csv")]


def size_of(shape):
    return int(np.prod(shape))


@lru_cache(maxsize=None)
def estimated(model):
    """A model's estimate."""
    works = work_of(model)
    height, width, channels = works[-1].output
    fetched = height * width * -(-channels // EDGE_TPU.words) * EDGE_TPU.words
    return estimate_work(dict(enumerate(works)), size_of(works[0].input), fetched)


@lru_cache(maxsize=None)
def parts(model):
    """Bytes sent and fetched, and for each operation array passes, vector passes and bytes streamed."""
    found = estimated(model)
    layers = [
        (x.work.array_passes, x.work.vector_passes, x.work.parameter_bytes * x.work.pieces if x.streamed else 0.0)
        for x in found.layers
    ]
    return found.input_bytes + found.instruction_bytes, found.output_bytes, np.array(layers).T


def milliseconds(model, host, chip=EDGE_TPU):
    """The formula of `edgekit.edgetpu.estimate`, for any constants."""
    sent, fetched, (array, vector, streamed) = parts(model)
    compute = (array * chip.array_ns + vector * chip.vector_ns) * host.clock
    nanoseconds = sent * host.send_ns + fetched * host.fetch_ns + np.maximum(compute, streamed * host.send_ns).sum()
    return host.fixed_ms + nanoseconds * 1e-6


def all_milliseconds(chosen, hosts, chip):
    """`milliseconds` of many figures at once: a fit asks for them a thousand times."""
    sent, fetched, layers = zip(*(parts(figure.model) for figure in chosen))
    fixed_ms, send_ns, fetch_ns, clock = np.array(
        [
            [getattr(hosts[figure.host], field) for field in ("fixed_ms", "send_ns", "fetch_ns", "clock")]
            for figure in chosen
        ]
    ).T
    array, vector, streamed = np.hstack(layers)
    counts = [each.shape[1] for each in layers]
    compute = (array * chip.array_ns + vector * chip.vector_ns) * np.repeat(clock, counts)
    slowest = np.maximum(compute, streamed * np.repeat(send_ns, counts))
    layered = np.add.reduceat(slowest, np.cumsum([0, *counts[:-1]]))
    return fixed_ms + (np.array(sent) * send_ns + np.array(fetched) * fetch_ns + layered) * 1e-6


#: What is fitted, with what it starts from: the time of a vector pass, and (host, field) for each host's own times.
FITTED = {
    "vector_ns": 3.0,
    **{("usb3", field): value for field, value in zip(("fixed_ms", "send_ns", "fetch_ns"), (0.3, 2.2, 25.0))},
    **{("usb2", field): value for field, value in zip(("fixed_ms", "send_ns", "fetch_ns"), (0.3, 27.0, 80.0))},
    **{("pcie", field): value for field, value in zip(("fixed_ms", "send_ns", "fetch_ns"), (0.15, 2.6, 6.0))},
    **{("devboard", field): value for field, value in zip(("fixed_ms", "send_ns"), (0.3, 2.6))},
    **{("pi4", field): value for field, value in zip(("fixed_ms", "send_ns"), (0.6, 3.2))},
}


def with_times(values):
    """(chip, hosts) with the fitted values; what is not fitted for a host is that of the one it is like."""
    given = dict(zip(FITTED, values))
    hosts = dict(HOSTS)
    for name in HOSTS:
        like = hosts[LIKE[name]] if name in LIKE else HOSTS[name]
        own = {key[1]: value for key, value in given.items() if key[0] == name}
        shared = {field: getattr(like, field) for field in ("fixed_ms", "send_ns", "fetch_ns")}
        hosts[name] = replace(HOSTS[name], **{**shared, **own})
    return replace(EDGE_TPU, vector_ns=given["vector_ns"]), hosts


def fit(chosen):
    """(chip, hosts) that fit the figures best: least absolute relative error, as published figures have outliers.

    A host of which no figure is among them is like the one that it is most like.
    """
    from scipy.optimize import least_squares

    chosen = [figure for figure in chosen if figure.model != UNEXPLAINED]
    known = {figure.host for figure in chosen}
    start = np.log(list(FITTED.values()))
    real = np.log([figure.ms for figure in chosen])
    weights = np.array([SYNTHETIC_WEIGHT if figure.synthetic else 1.0 for figure in chosen])

    def errors(logs):
        chip, hosts = with_times(np.exp(logs))
        expected = np.log(all_milliseconds(chosen, hosts, chip))
        # What the figures do not tell stays where it starts.
        return np.concatenate([weights * (expected - real), 0.1 * (logs - start)])

    chip, hosts = with_times(np.exp(least_squares(errors, start, loss="soft_l1", f_scale=0.1, max_nfev=60).x))
    for name in HOSTS:
        if name not in known:
            like = hosts[LIKE[name]]
            hosts[name] = replace(HOSTS[name], fixed_ms=like.fixed_ms, send_ns=like.send_ns, fetch_ns=like.fetch_ns)
    return chip, hosts


def set_aside(chosen):
    """[(figure, logarithm of expected ÷ published)], each with its source left out of the fit."""
    found = []
    for group in dict.fromkeys(figure.group for figure in chosen):
        chip, hosts = fit([figure for figure in chosen if figure.group != group])
        for figure in (figure for figure in chosen if figure.group == group and figure.model != UNEXPLAINED):
            found.append((figure, float(np.log(milliseconds(figure.model, hosts[figure.host], chip) / figure.ms))))
    return found


def spread(errors):
    """The factor within which 9 in 10 errors lie."""
    return float(np.exp(np.quantile(np.abs(errors), 0.9)))


def printed():
    """[(row, estimate)] of what compilers printed."""
    return [(row, estimated(row["model"])) for row in table("printed.csv")]


def memory_pairs(found):
    """[(source, published MiB, Interval in MiB)] of on-chip and streamed memory of 64 KiB and more."""
    for row, expected in found:
        for name, interval in (("on_chip_mib", expected.on_chip), ("streamed_mib", expected.streamed)):
            if float(row[name]) * 1024 >= 64:
                yield row["source"], float(row[name]), [value / 2**20 for value in interval]


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
            expected = sum(op_work(graph, op).parameter_bytes for op in graph.ops if op.index in mapped[name])
            yield name, repos[name], int(row["cached_bytes"]) + int(row["streamed_bytes"]), expected
