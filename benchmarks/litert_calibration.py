"""Calibration images for `litert quantize`, which loads this file: `peers.py` copies it beside them."""

import json
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image

FOLDER = Path(__file__).parent


def get_calibration_data():
    """Signature → [{input: array}], as ai-edge-quantizer wants it."""
    spec = json.loads((FOLDER / "input.json").read_text())
    ((signature, names),) = Interpreter(str(FOLDER / "float.tflite")).get_signature_list().items()
    return {signature: [{names["inputs"][0]: pixels(path, spec)} for path in sorted((FOLDER / "data").iterdir())]}


def pixels(path: Path, spec: dict) -> np.ndarray:
    """(1, height, width, 3) float32, as the model wants it."""
    image = Image.open(path).convert("RGB").resize((spec["width"], spec["height"]), Image.BICUBIC)
    return ((np.asarray(image, np.float32) - np.float32(spec["mean"])) / np.float32(spec["std"]))[np.newaxis]
