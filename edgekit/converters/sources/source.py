"""A trained image classifier, as it was opened: a `Source`, which is one of four kinds."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from edgekit.converters.sources.protocols import KerasModel, Traced
from edgekit.labels.finding import NAMELESS, find_names
from edgekit.preprocess import InputSpec
from edgekit.tflite.graph import Graph


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


@dataclass(frozen=True, kw_only=True)
class _Trained:
    """What is known of every trained image classifier, whatever it was saved as.

    Attributes:
      path: as given by the user.
      framework: what wrote it, as far as the file says, such as "keras 2.11.0".
      sha256: of the file; of a folder, over its files' names and bytes in sorted order.
      spec: input size and channels; mean 0 and std 1 until the preprocessing is found.
      classes: number of outputs; 1 for a single sigmoid that tells two classes apart.
      output: "probabilities" or "logits".
      labels: class names, given or found beside or inside the file, or ().
      names_from: where they are from, in words; or that there are none.
      rescales: whether the model itself scales raw 0–255 pixels.
      notes: sentences for the user about what was changed or assumed.
      way: how its float `.tflite` comes to be: "direct" from the file's layers, through "tensorflow", or "none" where
        it is one.
      predict: float32 array (n, height, width, channels) → float32 array (n, classes).
      architecture: a known family member such as "EfficientNetB0", or None.
      chosen: what the user chose of the file: "output" and "signature", by what names it; {} where nothing.
    """

    path: str
    framework: str
    sha256: str
    spec: InputSpec
    classes: int
    output: str
    labels: tuple[str, ...] = ()
    names_from: str = NAMELESS
    rescales: bool
    notes: tuple[str, ...] = ()
    way: ClassVar[str] = "tensorflow"
    predict: Callable[[np.ndarray], np.ndarray] = field(repr=False)
    architecture: str | None = None
    chosen: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class KerasSource(_Trained):
    """A classifier saved by Keras.

    Attributes:
      format: "keras2" or "keras3", the library that built it.
      call: its inference.
      first_norm: its first batch normalization, or None where it has none.
      build: builds the model anew, weights and all.
      layers: name of a layer → what it is, such as "GroupNormalization" or "Activation with gelu".
    """

    format: str
    call: Traced = field(repr=False)
    first_norm: FirstNorm | None
    build: Callable[[], KerasModel] = field(repr=False)
    layers: Mapping[str, str] = field(repr=False, default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class DirectSource(_Trained):
    """A classifier saved by Keras, read without it.

    Attributes:
      format: "keras2" or "keras3", for which it was written.
      graph: the same in TFLite's float ops, for a batch of 1.
      first_norm: its first batch normalization, or None where it has none.
      through_keras: opens the file once more, with Keras.
      layers: name of a layer → what it is, as of a KerasSource.
    """

    way: ClassVar[str] = "direct"
    format: str
    graph: Graph = field(repr=False)
    first_norm: FirstNorm | None
    through_keras: Callable[[], KerasSource] = field(repr=False)
    layers: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class SavedModelSource(_Trained):
    """A SavedModel, called by one of its signatures.

    Attributes:
      call: its inference.
      first_norm: its first batch normalization, or None where none is recognized.
    """

    format: ClassVar[str] = "savedmodel"
    call: Traced = field(repr=False)
    first_norm: FirstNorm | None


@dataclass(frozen=True, kw_only=True)
class TfliteSource(_Trained):
    """A float `.tflite`, whose batch normalizations are folded into its convolutions.

    Attributes:
      content: the file's bytes.
      stated: the input with the preprocessing that the file's metadata state, or None.
    """

    format: ClassVar[str] = "tflite"
    way: ClassVar[str] = "none"
    content: bytes = field(repr=False)
    stated: InputSpec | None


#: A trained image classifier of any kind that edgekit opens.
Source = KerasSource | DirectSource | SavedModelSource | TfliteSource


def with_labels(source: Source, path: str | Path) -> Source:
    """The source with class names from a file, one a line in the order of its outputs.

    Raises:
      DataError: the file cannot be read, or does not name each class once.
    """
    names = find_names(None, source.classes, given=path)
    return replace(source, labels=names.labels, names_from=names.origin)


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
