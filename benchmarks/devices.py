"""The emulated Edge TPU on real pairs, and a stream whose device dies and returns.

python -m benchmarks.devices PAIRS    (a folder of folders, each with model.tflite and model_edgetpu.tflite)
"""

import sys
import time
from pathlib import Path

import numpy as np

from edgekit.devices import EmulatedEdgeTpu, open_model
from edgekit.devices.failover import SteadyModel, open_steady
from edgekit.errors import EdgekitError
from edgekit.tflite.graph import Tensor

FRAMES, DIES, RETURNS = 1000, 300, 600


def main(folder: Path) -> None:
    models = sorted(folder.glob("*/model_edgetpu.tflite"))
    results = [compare(model) for model in models]
    print(f"{results.count('equal')} of {len(results)} pairs: bytes of the twin; {results.count('other')} others")
    for model, result in zip(models, results):
        if result not in ("equal", "other"):
            print(f"  {model.parent.name}: {result}")
    stream(next(model for model in models if "mobilenet_v2" in model.parent.name))


def compare(path: Path) -> str:
    """ "equal", "other", or why the pair cannot be run."""
    tpu = EmulatedEdgeTpu()
    try:
        model, twin = open_model(path, device=tpu), open_model(path, device="cpu")
    except EdgekitError as error:
        return error.message
    if model.device != "emulated":
        return model.reason
    for seed in range(3):
        inputs = [image(model.graph.tensors[index], seed) for index in model.inputs]
        if any(a.tobytes() != b.tobytes() for a, b in zip(model.run(*inputs), twin.run(*inputs))):
            return "other"
    return "equal" if len(tpu.invocations) == 3 * model.graph.op_counts()["edgetpu-custom-op"] else "miscounted"


def stream(path: Path) -> None:
    """Prints the longest time between two answers of a stream, and who gave them."""
    tpu = EmulatedEdgeTpu()
    model = open_steady(path, device=tpu)
    assert isinstance(model, SteadyModel)
    frame = image(model.graph.tensors[model.graph.inputs[0]], 0)
    devices, times = [], [time.perf_counter()]
    for number in range(FRAMES):
        if number == DIES:
            tpu.unplug()
        if number == RETURNS:
            tpu.plug_in()
        model.run(frame)
        devices.append(model.device)
        times.append(time.perf_counter())
    gaps = np.diff(times) * 1000
    back = next((n for n in range(RETURNS, FRAMES) if devices[n] == "emulated"), None)
    failed = sum(call.failed for call in tpu.invocations)
    print(f"{FRAMES} frames, device dead from {DIES} to {RETURNS}: back at frame {back}")
    print(f"longest gap {gaps.max():.1f} ms, median {np.median(gaps):.1f} ms; failed calls {failed}")
    model.close()


def image(tensor: Tensor, seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    if tensor.dtype == "float32":
        return generator.random(tensor.shape, dtype=np.float32)
    limits = np.iinfo(tensor.dtype)
    return generator.integers(limits.min, limits.max + 1, tensor.shape).astype(tensor.dtype)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
