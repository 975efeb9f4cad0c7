"""How often the verdict's 95 % interval holds the truth.

    python benchmarks/interval.py FLOAT.tflite INT8.tflite IMAGES_DIR [--size 200] [--resamplings 200] [--seed 0]

Truth is the agreement of both models over all images of the folder. Sets of a verdict's size are then drawn, with
replacement, as a user's images are drawn from the world; the verdict's interval of each is computed as `compare`
does, and counted where it holds the truth. Below, the same for agreements from 50 to 99.5 %, exactly: the
probability over all outcomes that so many images can have.
"""

import argparse
import math
from pathlib import Path

import numpy as np

from edgekit.calibration import open_samples
from edgekit.calibration.parallel import map_samples
from edgekit.devices import Classifier
from edgekit.evaluation import wilson_interval

AGREEMENTS = (0.5, 0.75, 0.9, 0.95, 0.975, 0.99, 0.995)


def agreements(first: Path, second: Path, images: Path) -> np.ndarray:
    """bool (images,): whether both models name the same class."""
    opened = Classifier(second)
    samples = open_samples(images, opened.spec, count=None)

    def make_worker():
        models = [Classifier(path, threads=1, preprocess=opened.spec) for path in (first, second)]
        return lambda sample: len({model.classify(sample.pixels, 1).classes[0].index for model in models}) == 1

    return np.array([same for _, same in map_samples(make_worker, samples)])


def coverage(outcomes: np.ndarray, truth: float, draws: np.ndarray) -> float:
    """Part of the draws (resamplings, size) of outcomes whose interval holds the truth."""
    intervals = (wilson_interval(int(outcomes[draw].sum()), draw.size) for draw in draws)
    return float(np.mean([low <= truth <= high for low, high in intervals]))


def exact_coverage(truth: float, size: int) -> float:
    """Probability that the interval of `size` images holds the truth."""
    total = 0.0
    for agreeing in range(size + 1):
        low, high = wilson_interval(agreeing, size)
        if low <= truth <= high:
            total += math.comb(size, agreeing) * truth**agreeing * (1 - truth) ** (size - agreeing)
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("float", type=Path)
    parser.add_argument("int8", type=Path)
    parser.add_argument("images", type=Path)
    parser.add_argument("--size", type=int, default=200)
    parser.add_argument("--resamplings", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    random, shape = np.random.default_rng(arguments.seed), (arguments.resamplings, arguments.size)
    outcomes = agreements(arguments.float, arguments.int8, arguments.images)
    held = coverage(outcomes, float(outcomes.mean()), random.integers(outcomes.size, size=shape))
    print(f"{outcomes.size} images, agreement {outcomes.mean():.1%}: the interval of {arguments.size} images")
    print(f"holds it in {held:.1%} of {arguments.resamplings} resamplings")
    for truth in AGREEMENTS:
        print(f"  agreement {truth:.1%}: {exact_coverage(truth, arguments.size):.1%}")


if __name__ == "__main__":
    main()
