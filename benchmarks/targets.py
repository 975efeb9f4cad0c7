"""One table for all targets: size, agreement, accuracy, CPU time, and who opens the file.

    python -m benchmarks.targets MODEL --data DIR --verify-data DIR [--labels-csv FILE] [--mediapipe PYTHON]

Every target is made in every precision that it takes; targets that get the same model share a row. Agreement and
accuracy are those on --verify-data; CPU time is the processor's time of one inference on one thread, the median of
5 × 20, so that other programs hardly count. «left behind» counts the ops that do not run on the accelerator, by the
word of each target's judge: edgekit's rules for the Edge TPU, Vela, the converter to TOSA, the GPU or Core ML delegate.
--mediapipe names a Python in which MediaPipe is installed, and what edgekit needs: there ImageClassifier names
--images images (already of the model's size, since each resizes in its own way), and its best class and score are
compared with edgekit's. `python -m benchmarks.targets FILES --answers IMAGES.npy` is what runs in that Python.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from edgekit import Classifier, Recipe, convert_for, evaluate, load_source, save
from edgekit.calibration import open_samples
from edgekit.calibration.labelled import ImageSet
from edgekit.converters.recipe import for_target
from edgekit.quiet import tensorflow_quiet
from edgekit.reports.text import columns, with_interval
from edgekit.targets import PRECISIONS, TARGETS
from edgekit.targets.judges import JUDGES, Place, judge
from edgekit.terminal import echo_lines
from edgekit.tflite.graph import Graph
from edgekit.tflite.reader import read_graph

#: Scores of both lie as near as a step of 8 bits.
NEAR = 1 / 256


@dataclass(frozen=True)
class Row:
    """A file for some targets that get the same model."""

    targets: tuple[str, ...]
    precision: str
    path: Path
    cells: tuple[str, ...]
    left: tuple[str, ...] = ()


def made(model: Path, data: Path, verify: Path, folder: Path) -> Iterator[tuple[str, str, Path, str]]:
    """(target, precision, file, agreement) of each target in each precision that it takes."""
    source = load_source(model)
    for precision in PRECISIONS:
        wanted = [name for name, target in TARGETS.items() if precision in target.precisions]
        recipes = [for_target(Recipe(target=wanted[-1], precision=precision), name) for name in wanted]
        for each in convert_for(recipes, source, data, verify_data=verify):
            if each.conversion is None or each.conversion.verdict is None:
                print(f"{each.target} {precision}: {each.error}", file=sys.stderr)
                continue
            path = folder / f"{each.target}_{precision}.tflite"
            save(each.conversion.artefact, path)
            verdict = each.conversion.verdict
            agreement = with_interval(verdict.agreement, verdict.interval)
            yield each.target, precision, path, agreement


def cpu_ms(path: Path) -> float:
    """Processor time of one inference on one thread, milliseconds."""
    frame = np.random.default_rng(0).integers(0, 256, (480, 640, 3)).astype(np.uint8)
    with Classifier(str(path), device="cpu", threads=1) as classifier:
        pixels = frame[: classifier.spec.height, : classifier.spec.width]
        classifier.classify(pixels)
        bursts = []
        for _ in range(5):
            before = time.process_time()
            for _ in range(20):
                classifier.classify(pixels)
            bursts.append((time.process_time() - before) / 20)
    return 1000 * float(np.median(bursts))


def rows(arguments: argparse.Namespace, folder: Path) -> list[Row]:
    """A row for each model; targets that get the same one, but for the record of its making, share it."""
    found: dict[tuple[object, ...], Row] = {}
    for target, precision, path, agreement in made(arguments.model[0], arguments.data, arguments.verify_data, folder):
        graph = read_graph(path)
        same = (precision, agreement, graph.tensors, graph.ops)
        row = found.get(same) or Row((), precision, path, measured(path, agreement, arguments))
        found[same] = replace(row, targets=(*row.targets, target), left=(*row.left, *left_behind(target, graph)))
    return list(found.values())


def measured(path: Path, agreement: str, arguments: argparse.Namespace) -> tuple[str, ...]:
    """Size, agreement, accuracy and CPU time of a file, as texts."""
    judged = evaluate(path, ImageSet(arguments.verify_data, arguments.labels_csv))
    top1 = with_interval(judged.top1, judged.top1_interval)
    return f"{path.stat().st_size / 1e6:.2f} MB", agreement, top1, f"{cpu_ms(path):.1f} ms"


def left_behind(target: str, graph: Graph) -> Iterator[str]:
    """How many of a model's ops do not run on a target's accelerator, where it has one."""
    if target in JUDGES:
        placement = judge(graph, Place(target))
        total = len(placement.ops)
        yield f"{target} {total - placement.mapped} of {total}"


# In the Python that has MediaPipe.


def answers(files: Sequence[Path], stack: Path) -> dict[str, list[int]]:
    """File → [images on which both name the same class, images whose scores are near, images]."""
    from mediapipe import Image, ImageFormat
    from mediapipe.tasks.python import BaseOptions, vision

    found = {}
    for path in files:
        options = vision.ImageClassifierOptions(base_options=BaseOptions(model_asset_path=str(path)))
        same = near = 0
        images = np.load(stack)
        with vision.ImageClassifier.create_from_options(options) as theirs, Classifier(str(path)) as ours:
            for pixels in images:
                told = theirs.classify(Image(image_format=ImageFormat.SRGB, data=pixels)).classifications[0]
                best, mine = told.categories[0], ours.classify(pixels, 1).classes[0]
                same += best.category_name == mine.label
                near += abs(best.score - mine.score) <= NEAR
        found[str(path)] = [same, near, len(images)]
    return found


def in_mediapipe(python: Path, files: Sequence[Path], images: np.ndarray, folder: Path) -> Mapping[str, list[int]]:
    """What `answers` tells in another Python."""
    np.save(folder / "images.npy", images)
    command = [str(python), "-m", "benchmarks.targets", *map(str, files), "--answers", str(folder / "images.npy")]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    told: dict[str, list[int]] = json.loads(done.stdout.decode().splitlines()[-1])
    return told


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, nargs="+")
    for name in ("--data", "--verify-data", "--labels-csv", "--mediapipe", "--answers", "--keep"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--images", type=int, default=50)
    arguments = parser.parse_args()
    if arguments.answers:
        print(json.dumps(answers(arguments.model, arguments.answers)))
        return
    with TemporaryDirectory() as scratch, tensorflow_quiet(False):
        folder = arguments.keep or Path(scratch)
        folder.mkdir(exist_ok=True)
        found = rows(arguments, folder)
        told: Mapping[str, list[int]] = {}
        if arguments.mediapipe:
            with Classifier(str(found[0].path)) as classifier:
                spec = classifier.spec
            images = [each.pixels for each in open_samples(arguments.verify_data, spec, count=arguments.images)]
            read = [name for name, target in TARGETS.items() if target.io == "uint8"]  # MediaPipe takes no int8 input
            files = [path for path in sorted(folder.glob("*.tflite")) if path.name.split("_")[0] in read]
            told = in_mediapipe(arguments.mediapipe, files, np.stack(images), folder)
    echo_lines(_table(found, told, folder))


def _table(found: Sequence[Row], told: Mapping[str, list[int]], folder: Path) -> Iterator[str]:
    header = (
        "targets",
        "precision",
        "size",
        "agreement",
        "top-1",
        "CPU time",
        "left behind",
        "MediaPipe: class, score",
        "who opens it",
    )
    lines = []
    for row in found:
        answered = [told.get(str(folder / f"{target}_{row.precision}.tflite")) for target in row.targets]
        equal = "; ".join(dict.fromkeys(f"{same}, {near} of {total}" for same, near, total in filter(None, answered)))
        opens = "; ".join(dict.fromkeys(TARGETS[target].opens for target in row.targets))
        lines.append(
            (", ".join(row.targets), row.precision, *row.cells, "; ".join(row.left), equal or "not asked", opens)
        )
    yield from columns(header, lines)


if __name__ == "__main__":
    main()
