"""Full int8 by way of ONNX, as onnx2tf's documentation has it: tf2onnx, then onnx2tf with calibration data.

    python benchmarks/through_onnx.py FLOAT.tflite IMAGES_DIR INPUT.json OUTPUT.tflite

Run it with a Python that has tf2onnx, onnx2tf and Pillow. FLOAT.tflite is TFLiteConverter's, without quantization;
INPUT.json says how the model wants its images, as for plain.py. Nothing of edgekit is imported.
"""

import json
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx2tf
import tensorflow as tf
import tf2onnx
from PIL import Image


def main(model: str, images: str, description: str, output: str) -> None:
    spec = json.loads(Path(description).read_text())
    with TemporaryDirectory() as folder:
        data, onnx = f"{folder}/data.npy", f"{folder}/model.onnx"
        np.save(data, pixels(images, spec))
        name = tf.lite.Interpreter(model).get_input_details()[0]["name"]
        made, _ = tf2onnx.convert.from_tflite(model, opset=17, output_path=onnx, inputs_as_nchw=[name])
        name = made.graph.input[0].name
        scaling = [np.array(spec[key], np.float32).reshape(1, 1, 1, -1).tolist() for key in ("mean", "std")]
        onnx2tf.convert(
            input_onnx_file_path=onnx,
            output_folder_path=folder,
            output_integer_quantized_tflite=True,
            quant_type="per-channel",
            custom_input_op_name_np_data_path=[[name, data, *scaling]],
            input_quant_dtype="uint8",
            output_quant_dtype="uint8",
            non_verbose=True,
        )
        (quantized,) = Path(folder).glob("*_full_integer_quant.tflite")
        shutil.copy(quantized, output)


def pixels(images: str, spec: dict) -> np.ndarray:
    """(images, height, width, 3) float32, in the model's order, before scaling."""
    found = [Image.open(path).convert("RGB") for path in sorted(Path(images).iterdir())]
    resized = [np.asarray(image.resize((spec["width"], spec["height"]), Image.BICUBIC), np.float32) for image in found]
    return np.stack(resized)[..., :: -1 if spec["order"] == "bgr" else 1]


if __name__ == "__main__":
    main(*sys.argv[1:])
