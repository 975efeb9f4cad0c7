"""Keras files written without Keras: `.h5`, which Keras 2 and 3 read, and Keras 3's `.keras`.

Their bytes depend on nothing but the network.
"""

import json
import re
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from io import BytesIO
from typing import TYPE_CHECKING, cast

import numpy as np

from edgekit.errors import UnsupportedModelError
from edgekit.install import not_importable
from edgekit.models.network import Network

if TYPE_CHECKING:
    import h5py

#: What the files say wrote them: the oldest release of Keras 3.
_VERSION = "3.0.0"
#: Zip files want some date; they know none before.
_DATE = (1980, 1, 1, 0, 0, 0)
#: Names of weights, which nobody reads but people.
_PARTS: Mapping[str, tuple[str, ...]] = {
    "BatchNormalization": ("gamma", "beta", "moving_mean", "moving_variance"),
    "DepthwiseConv2D": ("depthwise_kernel", "bias"),
    "Normalization": ("mean", "variance", "count"),
    "PReLU": ("alpha",),
}


def h5_bytes(network: Network) -> bytes:
    """A network as a `.h5` file: a group per layer, which lists its weights.

    Raises:
      MissingDependencyError: h5py is not installed.
      UnsupportedModelError: it holds a model inside.
    """
    content = BytesIO()
    with _open(content) as file:
        file.attrs["model_config"] = json.dumps(network.configuration)
        root = file.create_group("model_weights")
        for group in (file, root):
            group.attrs["keras_version"], group.attrs["backend"] = _VERSION, "tensorflow"
        layers = dict(_layers(network))
        root.attrs["layer_names"] = _texts(list(layers))
        for name, kind in layers.items():
            group, weights = root.create_group(name), network.weights.get(name, ())
            parts = _PARTS.get(kind, ("kernel", "bias"))
            names = [f"{name}/{part}:0" for part in (*parts, *map(str, range(len(parts), len(weights))))]
            group.attrs["weight_names"] = _texts(names[: len(weights)])
            for each, value in zip(names, weights):
                group.create_dataset(each, data=value)
    return content.getvalue()


def keras_bytes(network: Network) -> bytes:
    """A network as a `.keras` file: a zip of its configuration and of its weights in HDF5.

    Raises:
      MissingDependencyError: h5py is not installed.
      UnsupportedModelError: it holds a model inside.
    """
    weights = BytesIO()
    with _open(weights) as file:
        counts: Counter[str] = Counter()
        for name, kind in _layers(network):
            group = snake_case(kind) + (f"_{counts[kind]}" if counts[kind] else "")
            counts[kind] += 1
            for index, value in enumerate(network.weights.get(name, ())):
                file.create_dataset(f"layers/{group}/vars/{index}", data=value)
    kind = str(network.configuration["class_name"])
    origin = {"module": f"keras.src.models.{kind.lower()}", "registered_name": kind}
    parts = {
        "metadata.json": json.dumps({"keras_version": _VERSION}).encode(),
        "config.json": json.dumps({**network.configuration, **origin}).encode(),
        "model.weights.h5": weights.getvalue(),
    }
    return _zipped(parts)


def snake_case(kind: str) -> str:
    """Keras' name for the weights of a class's layers: Conv2D is conv2d, ReLU re_lu, PReLU p_re_lu."""
    kind = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", kind))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", kind).lower()


def _open(content: BytesIO) -> "h5py.File":
    try:
        import h5py
    except ImportError as error:
        raise not_importable("Writing a Keras file", "h5py", "convert", error) from error
    return h5py.File(content, "w")


def _layers(network: Network) -> Iterator[tuple[str, str]]:
    """(name, class) of each layer, in order."""
    config = cast(Mapping[str, object], network.configuration["config"])
    for layer in cast(list[Mapping[str, object]], config["layers"]):
        inner = cast(Mapping[str, object], layer["config"])
        if "layers" in inner:
            raise UnsupportedModelError(
                f"The model holds another model, {str(inner.get('name'))[:60]!r}: it can be written as .tflite only."
            )
        yield str(inner["name"]), str(layer["class_name"])


def _texts(names: list[str]) -> object:
    """Names in the form in which HDF5 bounds neither their number nor their length."""
    import h5py

    return np.array(names, dtype=h5py.string_dtype())


def _zipped(parts: Mapping[str, bytes]) -> bytes:
    content = BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        for name, part in parts.items():
            file.writestr(zipfile.ZipInfo(name, _DATE), part)
    return content.getvalue()
