"""`edgekit convert` against the plain TFLiteConverter script: agreement, accuracy, seconds and memory of each.

    python -m benchmarks.peers MODEL... --data DIR [--verify-data DIR] [--labels-csv FILE] [--samples 100] [--rounds 1]
                               [--onnx2tf PYTHON] [--litert LITERT]

PYTHON is one that has tf2onnx, onnx2tf and Pillow, LITERT the command of litert-cli with ai-edge-quantizer beside it.
Both calibrate on the same images, drawn from --data, and write full int8 with uint8 input and output. The plain
script is told the preprocessing that edgekit found; where it fails, its error stands in its place. Both files are
then judged in the same way, against the float model, on --verify-data, or without it on what is left of --data.
«alone»: images on which only this file names the float model's class, or the right one; p: McNemar's exact test of
these. Seconds and memory are those of whole processes that take turns, so that a busy machine slows all: the fastest
round, and the largest peak.
"""

import argparse
import json
import multiprocessing
import shutil
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from scipy.stats import binomtest

from benchmarks.processes import CommandError, Usage, link, run
from edgekit.calibration import Samples, open_samples
from edgekit.calibration.labelled import Labelled, from_csv, from_folder
from edgekit.calibration.parallel import map_samples
from edgekit.converters.export.through_tensorflow import export_float
from edgekit.converters.sources.open import load_source
from edgekit.devices.interpreter import open_interpreter
from edgekit.errors import DataError
from edgekit.evaluation import wilson_interval
from edgekit.evaluation.verdict import decide
from edgekit.evaluation.verdict import run as answer
from edgekit.preprocess import InputSpec, parse_preprocess
from edgekit.quiet import tensorflow_quiet
from edgekit.tflite import read_graph
from edgekit.tflite.model import Model

PLAIN, EDGEKIT, UNVERIFIED = "plain", "edgekit", "edgekit --no-verify"
ONNX2TF, LITERT = "onnx2tf", "litert"


@dataclass(frozen=True)
class Images:
    """Where images come from: `samples` of `data` to calibrate on, `verify` or the rest of `data` to judge on."""

    data: Path
    samples: int
    verify: Path | None
    table: Path | None

    @property
    def judged(self) -> Path:
        return self.verify or self.data

    def held_out(self, spec: InputSpec) -> Samples:
        """The images to judge on."""
        found = open_samples(self.judged, spec, count=None)
        return found if self.verify else found.split(self.samples)[1]

    def truths(self, labels: tuple[str, ...], outputs: int) -> Mapping[str, int]:
        """Image's name → output of its class; {} where that is not known."""
        try:
            known: Labelled = (
                from_csv(self.table, self.judged, labels, outputs)
                if self.table
                else from_folder(self.judged, labels, outputs)
            )
        except DataError:
            return {}
        (way, *_) = known.matching.ways
        return {name: way.outputs[each] for name, each in zip(known.names, known.classes, strict=True)}


@dataclass(frozen=True)
class Judged:
    """What the float model and each file name on each image, and its truth (-1: unknown)."""

    expected: np.ndarray
    found: Mapping[str, np.ndarray]
    truth: np.ndarray


def main() -> None:
    arguments = parse()
    images = Images(arguments.data, arguments.samples, arguments.verify_data, arguments.labels_csv)
    title = f"{'model':<26} {'by':<20} {'agreement':<22} {'alone':>5} {'p':>5} {'top-1':>7} {'alone':>5} {'p':>5}"
    print(f"{title} {'seconds':>8} {'MB':>6}")
    for name, python in ((ONNX2TF, arguments.onnx2tf), ("litert-cli", litert_python(arguments.litert))):
        if python:
            said = f"import importlib.metadata as m; print({name!r}, m.version({name!r}))"
            print(subprocess.run([python, "-c", said], capture_output=True, text=True).stdout.strip(), flush=True)
    # Judging loads TensorFlow, which must not count as memory of the commands: it has a process of its own.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as aside:
        for model in arguments.models:
            with TemporaryDirectory() as folder:
                usage = convert(model, images, Path(folder), arguments.rounds)
                usage |= others(Path(folder), arguments.onnx2tf, arguments.litert)
                judged = aside.submit(judge, model, images, Path(folder)).result()
            tell(f"{model.parent.name}/{model.name}", judged, usage)


def convert(model: Path, images: Images, folder: Path, rounds: int) -> dict[str, Usage | CommandError]:
    """Makes `folder`/plain.tflite and edgekit.tflite with its manifest; the least time and the largest memory."""
    drawn = open_samples(images.data, InputSpec(1, 1), count=images.samples)
    files = [images.data / candidate.name for candidate in drawn.candidates[: drawn.count]]
    data, described = str(link(files, len(files), folder / "data")), folder / "input.json"
    ours = [sys.executable, "-m", "edgekit", "convert", str(model), "--data", data, "--samples", str(len(files))]
    script = str(Path(__file__).with_name("plain.py"))
    made = (f"{folder}/plain.tflite", f"{folder}/float.tflite")
    commands = {
        EDGEKIT: [*ours, "--verify-data", str(images.judged), "-o", f"{folder}/edgekit.tflite"],
        PLAIN: [
            sys.executable,
            script,
            str(model),
            data,
            str(described),
            f"{folder}/plain.tflite",
            f"{folder}/float.tflite",
        ],
        UNVERIFIED: [*ours, "--no-verify", "-o", f"{folder}/unverified.tflite"],
    }
    usages: dict[str, Usage | CommandError] = {}
    for number in range(rounds):
        for name in list(commands)[:: -1 if number % 2 else 1]:
            usages[name] = extremes(usages.get(name), commands[name])
            made = usages.get(EDGEKIT)
            if isinstance(made, CommandError):
                raise SystemExit(f"{model}: {made}")
            if not described.exists():
                described.write_text(json.dumps(found_input(folder / "edgekit.json").to_json()))
    return usages


def litert_python(litert: str | None) -> str | None:
    """The Python beside the litert command."""
    return str(Path(litert).with_name("python")) if litert else None


def others(folder: Path, onnx2tf: str | None, litert: str | None) -> dict[str, Usage | CommandError]:
    """Makes onnx2tf.tflite and litert.tflite in `folder` of the plain script's float file, where asked for."""
    script = Path(__file__).with_name("through_onnx.py")
    commands = {}
    if onnx2tf:
        arguments = [f"{folder}/float.tflite", f"{folder}/data", f"{folder}/input.json", f"{folder}/onnx2tf.tflite"]
        commands[ONNX2TF] = [onnx2tf, str(script), *arguments]
    if litert:
        shutil.copy(Path(__file__).with_name("litert_calibration.py"), folder / "calibration.py")
        chosen = ["--recipe", "static_wi8_ai8", "--calibration-data", f"{folder}/calibration.py"]
        commands[LITERT] = [
            litert,
            "quantize",
            f"{folder}/float.tflite",
            *chosen,
            "--output",
            f"{folder}/litert.tflite",
        ]
    return {name: extremes(None, command) for name, command in commands.items()}


def extremes(before: Usage | CommandError | None, command: list[str]) -> Usage | CommandError:
    """What a command takes in one more round: the least time of all, and the largest memory."""
    try:
        now = run(command)
    except CommandError as failure:
        return failure
    return Usage(min(before.seconds, now.seconds), max(before.memory, now.memory)) if before else now


def found_input(manifest: Path) -> InputSpec:
    """The preprocessing that edgekit found: what the model wanted before it was folded into it."""
    record = json.loads(manifest.read_text())
    return parse_preprocess(record["preprocessing"]["name"], InputSpec.from_json(record["input"]))


def judge(model: Path, images: Images, folder: Path) -> Judged:
    """Runs the float model and both files on the images kept apart."""
    wanted = InputSpec.from_json(json.loads((folder / "input.json").read_text()))
    takes = InputSpec.from_json(json.loads((folder / "edgekit.json").read_text())["input"])
    with tensorflow_quiet(False):
        source = load_source(model)
        original = export_float(replace(source, spec=wanted), wanted)
        held_out = images.held_out(wanted)
        files = {name: (f"{name}.tflite", wanted) for name in (PLAIN, ONNX2TF, LITERT)} | {
            EDGEKIT: ("edgekit.tflite", takes)
        }
        runners = {
            name: Model(read_graph((folder / file).read_bytes()), spec, original.output)
            for name, (file, spec) in files.items()
            if (folder / file).exists()
        }
        expected = named(replace(original, spec=wanted), held_out)
        found = {name: named(runner, held_out) for name, runner in runners.items()}
    truths = images.truths(source.labels, 2 if source.classes == 1 else source.classes)
    return Judged(expected, found, np.array([truths.get(sample.name, -1) for sample in held_out]))


def named(runner: Model, samples: Samples) -> np.ndarray:
    """The class that a model names on each image."""

    def worker():
        interpreter = open_interpreter(runner.graph.content, threads=1)
        return lambda sample: decide(answer(interpreter, sample.input(runner.spec)), runner.output)

    return np.array([found for _, found in map_samples(worker, samples)])


def tell(model: str, judged: Judged, usage: Mapping[str, Usage | CommandError]) -> None:
    known = judged.truth >= 0
    print(f"{model:<26} {'float':<20} {'':<34} {share((judged.expected == judged.truth)[known]):>7}")
    agreeing = {name: found == judged.expected for name, found in judged.found.items()}
    right = {name: (found == judged.truth)[known] for name, found in judged.found.items()}
    for name, other in ((PLAIN, EDGEKIT), (ONNX2TF, EDGEKIT), (LITERT, EDGEKIT), (EDGEKIT, PLAIN)):
        if name not in usage:
            continue
        if name not in agreeing:
            print(f"{'':<26} {name:<20} {str(usage[name])[:100]}")
            continue
        low, high = (100 * bound for bound in wilson_interval(int(agreeing[name].sum()), agreeing[name].size))
        agreement = f"{share(agreeing[name])} % ({low:.1f} to {high:.1f})"
        print(f"{'':<26} {name:<20} {agreement:<22} {paired(agreeing[name], agreeing.get(other))} "
              f"{share(right[name]):>7} {paired(right[name], right.get(other))} {cost(usage[name])}")  # fmt: skip
    print(f"{'':<26} {UNVERIFIED:<20} {'':<54} {cost(usage[UNVERIFIED])}", flush=True)


def share(hits: np.ndarray) -> str:
    return f"{100 * hits.mean():.1f}" if hits.size else "–"


def paired(hits: np.ndarray, others: np.ndarray | None) -> str:
    """How many images only the first hits, and the p of as uneven a division of those that only one hits."""
    if others is None or not hits.size:
        return f"{'–':>5} {'–':>5}"
    alone, against = int((hits & ~others).sum()), int((others & ~hits).sum())
    chance = binomtest(alone, alone + against).pvalue if alone + against else 1.0
    return f"{alone:5} {chance:5.2f}"


def cost(usage: Usage) -> str:
    return f"{usage.seconds:8.1f} {usage.memory:6.0f}"


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, nargs="+", metavar="MODEL")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--verify-data", type=Path)
    parser.add_argument("--labels-csv", type=Path, help="classes of the images to judge on: file,label")
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--onnx2tf", metavar="PYTHON")
    parser.add_argument("--litert", metavar="LITERT")
    parser.add_argument("--rounds", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
