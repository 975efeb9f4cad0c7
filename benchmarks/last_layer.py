"""The last layer trained by pycoral's names, int8 against the formula in floating point.

    python benchmarks/last_layer.py MODEL.tflite TRAINING VALIDATION [--images 20] [--held-out 40]

TRAINING and VALIDATION are folders with one folder of images for each class.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from edgekit.pycoral.adapters import classify, common
from edgekit.pycoral.learn.backprop.softmax_regression import SoftmaxRegression
from edgekit.pycoral.learn.head import embedding_extractor
from edgekit.pycoral.learn.imprinting.engine import ImprintingEngine
from edgekit.pycoral.utils.edgetpu import make_interpreter


def images(folder, count):
    """(files, labels) of the first images of each class."""
    classes = sorted(path for path in Path(folder).iterdir() if path.is_dir())
    found = [(file, i) for i, path in enumerate(classes) for file in sorted(path.iterdir())[:count]]
    return [file for file, _ in found], np.array([label for _, label in found])


def answers(content, files):
    """What a model answers to each image, (images, values)."""
    interpreter = make_interpreter(content)
    interpreter.allocate_tensors()
    rows = []
    for file in files:
        with Image.open(file) as image:
            size = common.input_size(interpreter)
            common.set_input(interpreter, image.convert("RGB").resize(size, Image.BICUBIC))
        interpreter.invoke()
        rows.append(classify.get_scores(interpreter))
    return np.stack(rows).astype(np.float32)


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def report(name, quantized, real, labels):
    ours, theirs = quantized.argmax(axis=1), real.argmax(axis=1)
    right, expected, same = (float(np.mean(hit)) for hit in (ours == labels, theirs == labels, ours == theirs))
    print(f"{name}: {right:.1%} as a model, {expected:.1%} by the formula in float, same class {same:.1%}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("training")
    parser.add_argument("validation")
    parser.add_argument("--images", type=int, default=20)
    parser.add_argument("--held-out", type=int, default=40)
    given = parser.parse_args()
    files, labels = images(given.training, given.images)
    held_out, expected = images(given.validation, given.held_out)
    extractor = embedding_extractor(given.model)
    embeddings, others = answers(extractor, files), answers(extractor, held_out)

    engine = ImprintingEngine(given.model)
    for embedding, label in zip(answers(engine.serialize_extractor_model(), files), labels):
        engine.train(embedding, int(label))
    weights = unit(np.stack([unit(embeddings)[labels == label].mean(axis=0) for label in np.unique(labels)]))
    report("imprinting", answers(engine.serialize_model(), held_out), unit(others) @ weights.T, expected)

    np.random.seed(0)
    model = SoftmaxRegression(embeddings.shape[1], int(labels.max()) + 1)
    data = {"data_train": embeddings, "labels_train": labels, "data_val": others, "labels_val": expected}
    model.train_with_sgd(data, 500, 0.01, print_every=0)
    print(f"softmax regression in float: {model.get_accuracy(others, expected):.1%}")
    print(
        "softmax regression as a model: "
        f"{np.mean(answers(model.serialize_model(given.model), held_out).argmax(axis=1) == expected):.1%}"
    )


if __name__ == "__main__":
    main()
