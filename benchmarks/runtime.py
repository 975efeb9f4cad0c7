"""What edgekit costs on top of the interpreter, and what it saves on the way from a file to a label.

    python benchmarks/runtime.py MODEL.tflite [IMAGES] [--calls 400] [--threads 1] [--side 1280]

Overhead: `Classifier.classify` of an array, its preprocessing not counted, and a bare set_tensor, invoke,
get_tensor loop, taking turns in one process, each first every other time. File to label: 500 images of a
folder, with the usual recipe (Pillow's full decode, LANCZOS, set_tensor, argmax) and with edgekit under the
same filter, taking turns as well. With --side the images are first enlarged to what a camera would write.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
from PIL import Image

from edgekit import Classifier, read_graph
from edgekit.devices.interpreter import open_interpreter


def bare(content, threads):
    """The interpreter alone: input array → output array."""
    interpreter = open_interpreter(content, threads=threads)
    taken, given = (d[0]["index"] for d in (interpreter.get_input_details(), interpreter.get_output_details()))

    def run(array):
        interpreter.set_tensor(taken, array)
        interpreter.invoke()
        return interpreter.get_tensor(given)

    return run


def overhead(classifier, run, dtype, calls):
    """Milliseconds of (the bare loop, classify without preprocessing, the preprocessing).

    Lower quartiles: what other programs on the machine add has no upper bound.
    """
    pixels = np.random.default_rng(0).integers(0, 256, classifier.spec.shape, dtype=np.uint8)
    tensor = pixels[np.newaxis].view(dtype)
    times = []
    for call in range(calls):
        first = _milliseconds(lambda: run(tensor)) if call % 2 else None
        start = perf_counter()
        latency = classifier.classify(pixels).latency
        wrapped = 1000 * (perf_counter() - start) - latency.preprocess
        times.append((first or _milliseconds(lambda: run(tensor)), wrapped, latency.preprocess))
    return tuple(quantiles(column, n=4)[0] for column in zip(*times[calls // 10 :]))


def _milliseconds(function):
    start = perf_counter()
    function()
    return 1000 * (perf_counter() - start)


def enlarged(files, side, folder):
    """Copies of the images as JPEG files whose longer side has that many pixels."""
    for number, file in enumerate(files):
        image = Image.open(file).convert("RGB")
        factor = side / max(image.size)
        size = tuple(round(factor * length) for length in image.size)
        image.resize(size, Image.BICUBIC).save(folder / f"{number}.jpg", quality=90)
    return [folder / f"{number}.jpg" for number in range(len(files))]


def recipe(path, run, shape, offset):
    """The usual lines from a file to a class number."""
    image = Image.open(path).convert("RGB").resize((shape[1], shape[0]), Image.LANCZOS)
    return int(np.argmax(run((np.asarray(image) ^ offset)[np.newaxis].view("int8" if offset else "uint8"))))


def same_filter(spec):
    return replace(spec, resize="stretch", interpolation="lanczos")


def file_to_label(classifier, run, offset, files):
    """(seconds of the recipe, seconds of edgekit, share of equal answers)."""
    usual = ours = equal = 0
    for file in files:
        start = perf_counter()
        expected = recipe(file, run, classifier.spec.shape, offset)
        middle = perf_counter()
        found = classifier.classify(file, 1).classes[0].index
        usual, ours, equal = usual + middle - start, ours + perf_counter() - middle, equal + (found == expected)
    return usual, ours, equal / len(files)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("images", nargs="?", type=Path)
    parser.add_argument("--calls", type=int, default=400)
    parser.add_argument("--side", type=int)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    graph = read_graph(options.model)
    dtype = graph.tensors[graph.inputs[0]].dtype
    run, classifier = bare(graph.content, options.threads), Classifier(options.model, threads=options.threads)
    alone, wrapped, before = overhead(classifier, run, dtype, options.calls)
    print(f"bare loop {alone:.3f} ms, Classifier {wrapped:.3f} ms without its preprocessing ({before:.3f} ms):")
    print(f"overhead {1000 * (wrapped - alone):.0f} µs, {100 * (wrapped / alone - 1):.1f} %")
    if options.images:
        files = sorted(options.images.rglob("*.jpg"))
        files = files[:: max(1, len(files) // 500)][:500]
        like = Classifier(options.model, threads=options.threads, preprocess=same_filter(classifier.spec))
        with TemporaryDirectory() as folder:
            files = enlarged(files, options.side, Path(folder)) if options.side else files
            usual, ours, equal = file_to_label(like, run, 128 if dtype == "int8" else 0, files)
        print(f"file to label, {len(files)} images: usual recipe {1000 * usual / len(files):.2f} ms,")
        print(f"edgekit {1000 * ours / len(files):.2f} ms: {usual / ours:.2f} times as fast, {equal:.1%} equal top-1")


if __name__ == "__main__":
    main()
