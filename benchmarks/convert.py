"""Whole-process time, peak memory and agreement: `edgekit convert` against a plain TFLiteConverter script.

    python benchmarks/convert.py lite0.h5 CALIBRATION_DIR VALIDATION_DIR [--rounds 3]

Both calibrate on the same pictures (all that lie directly in CALIBRATION_DIR) and write full int8. They take
turns, so that a busy machine slows both; the ratio of the fastest rounds counts. Agreement with the float
model is then measured for both files in the same way, on VALIDATION_DIR.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from edgekit.calibration import open_samples
from edgekit.converters.export import export_float
from edgekit.converters.source import load_source
from edgekit.evaluation import compare
from edgekit.evaluation.verdict import Runner
from edgekit.preprocess import InputSpec

# What the tutorials tell users to write, with the preprocessing of EfficientNet-Lite.
PLAIN = """
import sys
from pathlib import Path
import keras, numpy as np, tensorflow as tf
from PIL import Image
model = keras.models.load_model(sys.argv[1], compile=False)
height, width = model.input_shape[1:3]
def representative_data():
    for path in sorted(Path(sys.argv[2]).iterdir()):
        picture = Image.open(path).convert("RGB").resize((width, height), Image.BILINEAR)
        yield [((np.asarray(picture, np.float32) - 127) / 128)[None]]
converter = tf.lite.TFLiteConverter.from_keras_model(model)
converter.optimizations = [tf.lite.Optimize.DEFAULT]
converter.representative_dataset = representative_data
converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
converter.inference_input_type = converter.inference_output_type = tf.uint8
Path(sys.argv[3]).write_bytes(converter.convert())
"""


def run(command: list[str]) -> tuple[float, float]:
    """(wall seconds, peak resident MB) of a process."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"failed: {' '.join(command[:4])} …")
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("calibration", type=Path)
    parser.add_argument("validation", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ranges", default="minmax", help="range method of edgekit; auto is its default")
    arguments = parser.parse_args()
    pictures = str(len(list(arguments.calibration.iterdir())))
    with tempfile.TemporaryDirectory() as folder:
        files = {
            name: f"{folder}/{name.replace(' ', '_')}.tflite" for name in ("plain", "edgekit", "edgekit --no-verify")
        }
        ours = [sys.executable, "-m", "edgekit", "convert", arguments.model, "--int8", "--ranges", arguments.ranges]
        ours += ["--data", str(arguments.calibration), "--samples", pictures]
        commands = {
            "plain": [sys.executable, "-c", PLAIN, arguments.model, str(arguments.calibration), files["plain"]],
            "edgekit": [*ours, "-o", files["edgekit"]],
            "edgekit --no-verify": [*ours, "--no-verify", "-o", files["edgekit --no-verify"]],
        }
        results = {name: [] for name in commands}
        for _ in range(arguments.rounds):
            for name, command in commands.items():
                results[name].append(run(command))
        report(arguments, results, files)


def report(arguments: argparse.Namespace, results: dict, files: dict) -> None:
    source = load_source(arguments.model)
    spec = InputSpec(source.spec.height, source.spec.width).with_convention("lite")
    reference = Runner(export_float(source, spec).content, spec)
    pictures = open_samples(arguments.validation, spec, count=None)
    plain = min(seconds for seconds, _ in results["plain"])
    print(f"{'':20} {'seconds (min of ' + str(arguments.rounds) + ')':>20} {'ratio':>6} {'peak MB':>8}  agreement")
    for name, rounds in results.items():
        verdict = compare(reference, Runner(Path(files[name]).read_bytes(), spec), pictures)
        low, high = verdict.interval
        seconds = min(seconds for seconds, _ in rounds)
        memory = max(memory for _, memory in rounds)
        agreement = f"{verdict.agreement:.1%} ({low:.1%} to {high:.1%}, {verdict.pictures} pictures)"
        print(f"{name:20} {seconds:20.1f} {plain / seconds:6.2f} {memory:8.0f}  {agreement}")


if __name__ == "__main__":
    main()
