"""The weights of a Keras file, by the paths of the layers that they belong to.

Keras 2, and Keras 3 in `.h5`: a group per layer of the model, which lists its weights; those of a model inside are all
in the group of the outermost. `.keras`: a group per layer, named after its class and counted.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from edgekit.converters.export.direct.draft import Array
from edgekit.converters.export.direct.layer import UnknownLayerError
from edgekit.converters.export.direct.topology import Config, is_model, layers_of, name_of
from edgekit.converters.sources.keras.archive import LAYERS, OLD_LAYERS, KerasArchive, open_weights
from edgekit.converters.sources.keras.hdf5 import check_contents
from edgekit.converters.sources.sniff import KERAS_H5
from edgekit.errors import ModelFormatError, UnsupportedModelError
from edgekit.models.kerasfile import snake_case

if TYPE_CHECKING:
    import h5py

Weights = dict[str, tuple[Array, ...]]

#: What a `.tflite` file can hold.
MAX_BYTES = 2 << 30
_AGAIN = "Copy or download the file again, or save the model again."
#: What stands beside layers' weights in a file and is of no use at inference.
_STATES = re.compile(r"(^|/)seed_generator(_\d+)?/")


def read_weights(archive: KerasArchive, configuration: Config) -> Weights:
    """All weights of a file, each once.

    Args:
      archive: the file.
      configuration: its layers.

    Raises:
      ModelFormatError: damaged.
      UnknownLayerError: weights that cannot be attributed to layers by their names.
      UnsupportedModelError: more of them than a `.tflite` file can hold.
    """
    with open_weights(archive) as file:
        _check_size(file, archive)
        return _in_groups(file, configuration) if archive.kind == KERAS_H5 else _in_archive(file, configuration, "")


def _check_size(file: "h5py.File", archive: KerasArchive) -> None:
    import h5py

    path = str(archive.path)
    if archive.claimed is not None and archive.claimed <= MAX_BYTES:
        return
    training = [
        file[name] for name in file if name.startswith("optimizer") and file.get(name, getclass=True) is h5py.Group
    ]
    if check_contents(file, path) - sum(check_contents(group, path) for group in training) > MAX_BYTES:
        raise UnsupportedModelError(f"{path} has more weights than a .tflite file can hold ({MAX_BYTES >> 30} GB).")


def _in_groups(file: "h5py.File", configuration: Config) -> Weights:
    """Weights as `.h5` files hold them."""
    root = _group(file, "model_weights") if "model_weights" in file else file
    layers = {name_of(layer): layer for layer in layers_of(configuration)}
    found: Weights = {}
    for group in _texts(root.attrs, "layer_names"):
        stored = _group(root, group)  # once: finding a thing by its name takes longer than reading it
        names = _texts(stored.attrs, "weight_names")
        if not names:
            continue
        values = {name: _array(stored[name], name) for name in names}
        layer = layers.get(group)
        if layer is not None and is_model(layer):
            found.update(_attributed(values, _names(layer, (group,))))
        else:
            found[group] = tuple(values.values())
    return found


def _group(parent: "h5py.Group", name: str) -> "h5py.Group":
    import h5py

    found = parent.get(name)
    if not isinstance(found, h5py.Group):
        raise ModelFormatError(f"Among the weights {name[:60]!r} is no group, as it would be.", _AGAIN)
    return found


def _texts(attributes: Mapping[str, object], name: str) -> list[str]:
    """A list of names, which Keras cuts into name0, name1, … where it is long. Raises ModelFormatError for another."""
    parts = [name] if name in attributes else []
    while not parts or parts[-1] != name:
        if f"{name}{len(parts)}" not in attributes:
            break
        parts.append(f"{name}{len(parts)}")
    values = [value for part in parts for value in np.atleast_1d(np.asarray(attributes[part], object)).ravel()]
    if not all(isinstance(value, (str, bytes)) for value in values):
        raise ModelFormatError(f"Its {name!r} is no list of names.", _AGAIN)
    return [value.decode("utf-8") if isinstance(value, bytes) else str(value) for value in values]


def _names(model: Config, outer: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The names that lead to a model's layers, those of models inside it opened up."""
    for layer in layers_of(model):
        inner = (*outer, name_of(layer))
        if is_model(layer):
            yield from _names(layer, inner)
        else:
            yield inner


def _attributed(values: Mapping[str, Array], layers: Iterable[tuple[str, ...]]) -> Weights:
    """The weights of a model inside a model, told apart by their names: …/layer/kernel:0.

    A layer's name counts as a whole, though it may hold slashes: «Conv» is not «expanded_conv/squeeze_excite/Conv».
    """
    by_end: dict[str, list[str]] = {}
    for names in layers:
        for start in range(len(names)):
            by_end.setdefault("/".join(names[start:]), []).append("/".join(names))
    found: dict[str, list[Array]] = {}
    for name, value in values.items():
        scope = name.split("/")[:-1]
        ends = ("/".join(scope[start:]) for start in range(len(scope)))
        candidates = next((by_end[end] for end in ends if end in by_end), [])
        if len(candidates) != 1:
            raise UnknownLayerError(
                f"The weights {name[:60]!r}, whose name does not tell their layer, are not known here."
            )
        found.setdefault(candidates[0], []).append(value)
    return {path: tuple(each) for path, each in found.items()}


def _in_archive(file: "h5py.Group", model: Config, path: str) -> Weights:
    """Weights as `.keras` files hold them, of one model and those inside it."""
    place = next((name for name in (LAYERS, OLD_LAYERS) if name in file), None)
    left = {name: group for name, group in _group(file, place).items() if _holds_weights(group)} if place else {}
    found: Weights = {}
    for layer, name in _group_names(layers_of(model), set(left)):
        group, inner = left.pop(name, None), path + name_of(layer)
        if group is not None and is_model(layer):
            found.update(_in_archive(group, layer, inner + "/"))
        elif group is not None:
            found[inner] = _variables(group, inner)
    # Of no layer: that is told once it is known that all layers are.
    found.update({f"{path}{name} (a group)": () for name in left})
    return found


def _group_names(layers: Iterable[Config], present: set[str]) -> Iterator[tuple[Config, str]]:
    """Each layer with its group: the first of a class is named after it, further ones have a number behind it.

    Releases before 2.15 left numbers out, so that there only the order counts.
    """
    by_kind: dict[str, list[Config]] = {}
    for layer in layers:
        by_kind.setdefault(snake_case(str(layer.get("class_name"))), []).append(layer)
    for kind, alike in by_kind.items():
        names = [kind, *(f"{kind}_{number}" for number in range(1, len(alike)))]
        there = sorted(name for name in present if re.fullmatch(rf"{kind}(_\d+)?", name))
        if not set(there) <= set(names):
            names = sorted(there, key=lambda name: int(name[len(kind) + 1 :] or 0))
        yield from zip(alike, names)


def _holds_weights(group: "h5py.Group") -> bool:
    import h5py

    found: list[str] = []
    if not isinstance(group, h5py.Group):
        raise ModelFormatError("Among the weights of the layers are some of no layer.", _AGAIN)
    group.visititems(lambda name, item: found.append(name) if hasattr(item, "shape") else None)
    return any(not _STATES.search(name) for name in found)


def _variables(group: "h5py.Group", path: str) -> tuple[Array, ...]:
    values = _group(group, "vars")
    if not all(name.isdecimal() for name in values) or any(
        _holds_weights(group[name]) for name in set(group) - {"vars"}
    ):
        raise UnknownLayerError(f"The weights of layer {path[:60]!r} are kept in a form that is not known here.")
    return tuple(_array(values[name], path) for name in sorted(values, key=int))


def _array(stored: object, name: str) -> Array:
    import h5py

    value = np.asarray(stored[()] if isinstance(stored, h5py.Dataset) else None)
    if value.dtype.kind not in "fiu":
        raise ModelFormatError(f"The weights {name[:60]!r} are no numbers.", _AGAIN)
    return np.asarray(value, np.float32)
