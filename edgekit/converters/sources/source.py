"""Opening any trained image classifier as one kind of value: a `Source`."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.converters.sources.sniff import SAVEDMODEL, TFLITE, sniff
from edgekit.errors import DataError, UsageError
from edgekit.labels import read_labels
from edgekit.preprocess import InputSpec

#: (height, width), one number for a square, or None to take the model's own.
Size = tuple[int, int] | int | None


@dataclass(frozen=True)
class FirstNorm:
    """The first batch normalization of a model: what it saw in training, and what it sees now.

    Attributes:
      name: of the layer.
      mean, variance: float32 (k,), the moving statistics stored in training, one per channel.
      moments: float32 images (n, height, width, channels) → (mean, variance) of what reaches that
        layer, one per channel like the stored ones.
    """

    name: str
    mean: np.ndarray = field(repr=False)
    variance: np.ndarray = field(repr=False)
    moments: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]] = field(repr=False)


@dataclass(frozen=True)
class Source:
    """A trained image classifier, whatever it was saved as.

    Attributes:
      path: as given by the user.
      format: "keras3", "keras2", "savedmodel" or "tflite".
      framework: what wrote it, as far as the file says, such as "keras 2.11.0".
      sha256: of the file; of a folder, over its files' names and bytes in sorted order.
      spec: input size and channels; mean 0 and std 1 until the preprocessing is found.
      classes: number of outputs; 1 for a single sigmoid that tells two classes apart.
      output: "probabilities" or "logits".
      architecture: a known family member such as "EfficientNetB0", or None.
      labels: class names found beside or inside the file, or ().
      call: `tf.function` in inference mode, float32 tensor (1, height, width, channels) → tensor (1, classes);
        None for a `.tflite`.
      tflite: the file's bytes where it is a `.tflite`, else None.
      stated: the input with the preprocessing that the file itself states (TFLite metadata), or None.
      rescales: whether the model itself scales raw 0–255 pixels.
      first_norm: its first batch normalization, or None where there is none to be found.
      notes: sentences for the user about what was changed or assumed.
      predict: float32 array (n, height, width, channels) → float32 array (n, classes).
      build: builds the Keras model anew, weights and all; None where the source is none.
    """

    path: str
    format: str
    framework: str
    sha256: str
    spec: InputSpec
    classes: int
    output: str
    architecture: str | None
    labels: tuple[str, ...]
    call: Any = field(repr=False)
    tflite: bytes | None = field(repr=False)
    stated: InputSpec | None
    rescales: bool
    first_norm: FirstNorm | None
    notes: tuple[str, ...]
    predict: Callable[[np.ndarray], np.ndarray] = field(repr=False)
    build: Callable[[], Any] | None = field(default=None, repr=False)


def load_source(path: str | Path, *, trust: bool = False, size: Size = None) -> Source:
    """Opens a trained model of any supported format, judged by its content and not by its name.

    Args:
      path: a `.keras` or `.h5` file of Keras 2 or 3, a SavedModel folder, or a float `.tflite`.
      trust: build layers that run code from the file (Lambda, custom functions).
      size: image size for models that leave it open.

    Raises:
      ModelFormatError: missing, damaged, truncated, or no model.
      UnsafeModelError: opening it would run code from the file and `trust` is not set.
      UnsupportedModelError: readable, but no image classifier that edgekit can convert.
      MissingDependencyError: TensorFlow or tf_keras is not installed.
      UsageError: `size` is no image size.
    """
    location = Path(path)
    wanted = _checked_size(size)
    kind = sniff(location)
    if kind == TFLITE:
        from edgekit.converters.sources.tflite import load_tflite

        return load_tflite(location, size=wanted)
    if kind == SAVEDMODEL:
        from edgekit.converters.sources.savedmodel.loader import load_savedmodel

        return load_savedmodel(location, size=wanted, trust=trust)
    from edgekit.converters.sources.keras.loader import load_keras

    return load_keras(location, kind, trust=trust, size=wanted)


def with_labels(source: Source, path: str | Path) -> Source:
    """The source with class names from a file, one a line in the order of its outputs.

    Raises:
      DataError: the file cannot be read, or does not name each class once.
    """
    labels = read_labels(path)
    expected = 2 if source.classes == 1 else source.classes
    if len(labels) != expected:
        raise DataError(f"{path} names {len(labels)} classes, the model has {expected}.", "Write one name a line.")
    return replace(source, labels=labels)


def digest(path: Path) -> str:
    """SHA-256 of a file, or of all files of a folder with their names, in sorted order."""
    result = hashlib.sha256()
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    for file in files:
        if file != path:
            result.update(file.relative_to(path).as_posix().encode() + b"\0")
        with file.open("rb") as opened:
            for block in iter(lambda: opened.read(1 << 20), b""):
                result.update(block)
    return result.hexdigest()


def _checked_size(size: Size) -> tuple[int, int] | None:
    if size is None:
        return None
    height, width = (size, size) if isinstance(size, int) else size
    if not (1 <= height <= 4096 and 1 <= width <= 4096):
        raise UsageError(f"{height}x{width} is no image size (1 to 4096 pixels each way).")
    return height, width
