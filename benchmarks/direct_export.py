"""Which architectures of keras.applications are exported directly, and how far from Keras' own answer.

    python benchmarks/direct_export.py [NAME ...]

Each is built with random weights and statistics that fit them, as training leaves, saved as Keras 3 `.keras`, Keras 3
`.h5` and Keras 2 `.h5`, opened without Keras, and compared on one image of noise. The difference is relative to the
largest score.
"""

import gc
import inspect
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import keras
import numpy as np
import tf_keras

from edgekit.converters.export.direct.open import open_directly
from edgekit.converters.sources.sniff import sniff
from edgekit.errors import EdgekitError

WAYS = ((keras, ".keras"), (keras, ".h5"), (tf_keras, ".h5"))


def trained(model, numbers):
    """The model with statistics, gains and offsets that are not those of a new one."""
    for layer in model.layers:
        if hasattr(layer, "layers"):
            trained(layer, numbers)
            continue
        layer.set_weights([_trained(weight, layer, numbers) for weight in layer.weights])
        if hasattr(layer, "finalize_state"):  # a Normalization computes with copies
            layer.finalize_state()
    return model


def _trained(weight, layer, numbers):
    name, value = weight.name.split("/")[-1].split(":")[0], weight.numpy()
    if value.dtype.kind != "f":
        return value
    if "var" in name or name == "gamma" or "scale" in layer.name:
        value = numbers.uniform(0.5, 1.5, value.shape)
    elif "mean" in name or name in ("beta", "bias"):
        value = numbers.normal(0, 0.3, value.shape)
    return np.asarray(value, np.float32)


def settle(model, numbers):
    """Gives batch normalizations the statistics of what reaches them: else rounding grows with each block."""
    for layer in model._flatten_layers():
        if hasattr(layer, "momentum"):
            layer.momentum = 0.0
    model(numbers.uniform(0, 255, (4, *model.input_shape[1:])).astype(np.float32), training=True)


def compare(library, name, suffix, folder):
    """A cell of the table."""
    numbers = np.random.default_rng(0)
    options = {"input_shape": (224, 224, 3)} if "MobileNetV3" in name else {}
    model = getattr(library.applications, name)(weights=None, classes=10, classifier_activation=None, **options)
    path = Path(folder, f"model{suffix}")
    settle(trained(model, numbers), numbers)
    model.save(path)
    image = numbers.uniform(0, 255, (1, *model.input_shape[1:])).astype(np.float32)
    expected = np.asarray(model(image, training=False))
    del model
    library.backend.clear_session()
    gc.collect()
    begun = time.process_time()
    try:
        source = open_directly(path, sniff(path), trust=False, size=None)
    except EdgekitError as error:
        return f"no: {error.message}"
    seconds = time.process_time() - begun
    return f"{np.abs(source.predict(image) - expected).max() / np.abs(expected).max():.0e} in {seconds:.1f} s"


def row(name):
    """A row of the table."""
    has = [hasattr(library.applications, name) for library, _ in WAYS]
    with tempfile.TemporaryDirectory() as folder:
        cells = [compare(lib, name, suffix, folder) if there else "–" for (lib, suffix), there in zip(WAYS, has)]
    print(f"| {name} | {' | '.join(cells)} |", flush=True)


def main(wanted):
    """Prints the table, a row as soon as it is known; each in a process of its own, which gives its memory back."""
    if len(wanted) == 1:
        row(*wanted)
        return
    print("| architecture | Keras 3 .keras | Keras 3 .h5 | Keras 2 .h5 |\n|---|---|---|---|", flush=True)
    both = {**vars(keras.applications), **vars(tf_keras.applications)}
    names = sorted(name for name, value in both.items() if inspect.isfunction(value) and name[0].isupper())
    for name in wanted or names:
        if subprocess.run([sys.executable, __file__, name], check=False).returncode:
            print(f"| {name} | did not end well |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
