"""`edgekit evaluate` on all cores against one thread, side by side in one run.

    python benchmarks/evaluate.py MODEL.tflite IMAGES_DIR [--rounds 3]

One thread is what a script does: a `Classifier` with one thread that takes one image after the other. Both take
turns, so that a busy machine slows both; the ratio of the fastest rounds counts. Their top-1 must be the same.
"""

import argparse
import os
import time
from pathlib import Path

from edgekit.calibration.labelled import Labelled, from_folder
from edgekit.devices.interpreter import allowed_cores
from edgekit.evaluation.accuracy import Evaluation, measure, summarize
from edgekit.evaluation.answers import Subject, answer, read_image


def one_thread(subject: Subject, images: Labelled) -> Evaluation:
    classifier = subject.open()
    answers = [answer(classifier, read_image(images.root / name)) for name in images.names]
    labels, outputs = subject.classes()
    return summarize(images, answers, labels or images.matching.labels, outputs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("images", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    subject = Subject(arguments.model.read_bytes())
    images = from_folder(arguments.images, *subject.classes())
    seconds: dict[str, list[float]] = {"one thread": [], "all cores": []}
    for _ in range(arguments.rounds):
        for name, run in (("one thread", one_thread), ("all cores", measure)):
            start = time.perf_counter()
            result = run(subject, images)
            seconds[name].append(time.perf_counter() - start)
            print(f"{name:12}{seconds[name][-1]:8.2f} s  top-1 {result.top1:.4f} of {result.images}")
    ratio = min(seconds["one thread"]) / min(seconds["all cores"])
    load = os.getloadavg()[0]
    print(f"all cores ({allowed_cores()}): {ratio:.2f} times one thread (load average {load:.1f})")


if __name__ == "__main__":
    main()
