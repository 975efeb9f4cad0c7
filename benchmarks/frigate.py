"""Frigate's way to train a classifier beside `edgekit train`, on the same backbone and images.

    python benchmarks/frigate.py TRAIN_DIR TEST_DIR [--edgekit MODEL.tflite]

What Frigate 0.17 and 0.18 do (frigate/util/classification.py), reimplemented: a frozen backbone, Dense(128, relu),
Dropout(0.3), Dense(softmax); Adam 0.001, batches of 16, 50 epochs, no augmentation; the first fifth of each class's
files is set aside and never used; pixels are divided by 255 whatever the backbone was trained with; int8 by
TFLiteConverter on the first 300 files that `os.walk` meets, whichever class they are of.

Its backbone is MobileNetV2 (alpha 0.35); here it is EfficientNet-Lite0, so that the recipes are compared and not the
backbones. Since the backbone is frozen, its features are computed once here; Frigate computes them in each of the 50
epochs, and that CPU time is what one pass took, 50 times. Both models are judged as Frigate runs them: OpenCV's
bilinear resize to 224×224, RGB bytes in, uint8 scores out.

Prints one JSON document: top-1 of both with 95 % intervals, right answers by class, CPU seconds.
"""

import argparse
import contextlib
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import cv2
import keras
import numpy as np
import tensorflow as tf

from edgekit.converters.making import save_pretrained
from edgekit.evaluation.intervals import wilson_interval

SIZE, BATCH, EPOCHS, UNUSED, CALIBRATION = (224, 224), 16, 50, 0.2, 300
SUFFIXES = (".jpg", ".jpeg", ".png")


def pixels(path) -> np.ndarray:
    return cv2.resize(cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB), SIZE)


def files_of(folder: Path) -> dict[str, list[Path]]:
    return {each.name: sorted(each.iterdir()) for each in sorted(folder.iterdir()) if each.is_dir()}


def backbone() -> keras.Model:
    """Lite0 up to its pooled features, frozen."""
    with tempfile.TemporaryDirectory() as folder:
        whole = keras.models.load_model(save_pretrained("lite0", Path(folder, "lite0.h5")).model, compile=False)
    dense = next(layer for layer in reversed(whole.layers) if isinstance(layer, keras.layers.Dense))
    model = keras.Model(whole.input, dense.input)
    model.trainable = False
    return model


def train(folder: Path, base: keras.Model) -> tuple[keras.Model, float]:
    """(backbone and head, CPU seconds that 50 epochs through both take)."""
    files = files_of(folder)
    rows = [(path, number) for number, paths in enumerate(files.values()) for path in paths[int(UNUSED * len(paths)) :]]
    begun = time.process_time()
    batches = [
        base(
            np.stack([pixels(path) for path, _ in rows[start : start + BATCH]]).astype(np.float32) / 255, training=False
        )
        for start in range(0, len(rows), BATCH)
    ]
    once = time.process_time() - begun
    features, labels = np.concatenate(batches), keras.utils.to_categorical([label for _, label in rows], len(files))
    layers = [
        keras.layers.Dense(128, activation="relu"),
        keras.layers.Dropout(0.3),
        keras.layers.Dense(len(files), activation="softmax"),
    ]
    head = keras.Sequential([keras.Input((features.shape[1],)), *layers])
    head.compile(optimizer=keras.optimizers.Adam(0.001), loss="categorical_crossentropy")
    begun = time.process_time()
    head.fit(features, labels, batch_size=BATCH, epochs=EPOCHS, verbose=0)
    inputs = keras.Input((*SIZE, 3))
    return keras.Model(inputs, head(base(inputs))), EPOCHS * once + time.process_time() - begun


def convert(model: keras.Model, folder: Path) -> bytes:
    def representative():
        found = [Path(root, name) for root, _, names in os.walk(folder) for name in names]
        for path in [path for path in found if path.suffix.lower() in SUFFIXES][:CALIBRATION]:
            yield [pixels(path)[np.newaxis].astype(np.float32) / 255]

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = representative
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.uint8
    with contextlib.redirect_stdout(sys.stderr):  # Keras tells its endpoints
        return converter.convert()


def judge(content: bytes, folder: Path) -> dict[str, object]:
    """How often a model names the class, run as Frigate runs it."""
    interpreter = tf.lite.Interpreter(model_content=content, num_threads=2)
    interpreter.allocate_tensors()
    into, out = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    right = {}
    for number, (name, paths) in enumerate(files_of(folder).items()):
        answers = []
        for path in paths:
            interpreter.set_tensor(into, pixels(path)[np.newaxis])
            interpreter.invoke()
            answers.append(int(np.argmax(interpreter.get_tensor(out)[0])) == number)
        right[name] = (sum(answers), len(answers))
    hits, total = (sum(counts) for counts in zip(*right.values(), strict=True))
    interval = [round(bound, 4) for bound in wilson_interval(hits, total)]
    return {"top1": hits / total, "interval": interval, "images": total, "right_by_class": right}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("train", type=Path)
    parser.add_argument("test", type=Path)
    parser.add_argument("--edgekit", type=Path, help="model.tflite that edgekit train --for frigate wrote")
    given = parser.parse_args()
    keras.utils.set_random_seed(0)
    model, seconds = train(given.train, backbone())
    begun = time.process_time()
    content = convert(model, given.train)
    found = {"frigate": judge(content, given.test) | {"cpu_seconds": round(seconds + time.process_time() - begun, 1)}}
    if given.edgekit:
        found["edgekit"] = judge(given.edgekit.read_bytes(), given.test)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
