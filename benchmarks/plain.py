"""Full int8 as the tutorials write it: TFLiteConverter with a representative data set.

    python benchmarks/plain.py MODEL IMAGES_DIR INPUT.json OUTPUT.tflite [FLOAT.tflite]

INPUT.json says how the model wants its images: an `edgekit.preprocess.InputSpec`, so that this script is told
what its writer would have to know. Nothing of edgekit is imported.
"""

import json
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from PIL import Image


def main(model: str, images: str, description: str, output: str, unquantized: str = "") -> None:
    spec = json.loads(Path(description).read_text())

    def representative_data():
        for path in sorted(Path(images).iterdir()):
            image = Image.open(path).convert("RGB").resize((spec["width"], spec["height"]), Image.BICUBIC)
            pixels = np.asarray(image, np.float32)[..., :: -1 if spec["order"] == "bgr" else 1]
            yield [((pixels - np.float32(spec["mean"])) / np.float32(spec["std"]))[np.newaxis]]

    converter = tf.lite.TFLiteConverter.from_keras_model(load(model))
    if unquantized:
        Path(unquantized).write_bytes(converter.convert())
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = representative_data
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.uint8
    Path(output).write_bytes(converter.convert())


def load(model: str):
    """The model, by Keras 2 where Keras 3 does not take the file."""
    try:
        return keras.models.load_model(model, compile=False)
    except Exception:
        import tf_keras

        return tf_keras.models.load_model(model, compile=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
