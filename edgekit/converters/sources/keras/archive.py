"""The two containers Keras saves whole models in, `.h5` and `.keras`, read and rewritten without Keras."""

import json
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.converters.sources.keras.hdf5 import MAX_UNPACKED_BYTES, check_contents, rehearse
from edgekit.converters.sources.sniff import KERAS_H5
from edgekit.errors import ModelFormatError, UnsupportedModelError
from edgekit.install import not_importable

if TYPE_CHECKING:
    import h5py

MAX_CONFIG_BYTES = 64 << 20
#: Levels of a configuration: a model in a model in a model has 30. What walks it would overflow the stack.
MAX_CONFIG_DEPTH = 100
#: What the json, zipfile, zlib and h5py modules raise over damaged bytes.
_DAMAGE = (OSError, EOFError, ValueError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error)
_WEIGHTS = "model.weights.h5"
#: The group of a model's layers in a `.keras`; its name in Keras 2.12 to 2.14.
LAYERS, OLD_LAYERS = "layers", "_layer_checkpoint_dependencies"
_AGAIN = "Copy or download it again."
_WHOLE = "Rebuild the model in Python, load the weights into it, and save it whole: `model.save('model.keras')`."


@dataclass(frozen=True)
class KerasArchive:
    """A saved Keras model before anything of it is built.

    Attributes:
      path: the file.
      kind: `sniff.KERAS_ZIP` or `sniff.KERAS_H5`.
      config: the model's configuration, as Keras's JSON has it.
      version: of the Keras that wrote it, such as "2.11.0"; "" where the file does not say.
      claimed: bytes that all its arrays take, what training left among them; None where that is not known yet.
    """

    path: Path
    kind: str
    config: dict[str, object]
    version: str
    claimed: int | None = None


def read_archive(path: Path, kind: str) -> KerasArchive:
    """Reads a model's configuration and checks the container.

    Raises:
      ModelFormatError: truncated or damaged, empty, or larger unpacked than any classifier is.
      UnsupportedModelError: it holds weights without a model.
      UnsafeModelError: it refers to data outside itself.
      MissingDependencyError: h5py is not installed.
    """
    if find_spec("h5py") is None:
        raise not_importable("Opening this model", "h5py", "convert", ModuleNotFoundError())
    reader = _read_h5 if kind == KERAS_H5 else _read_zip
    try:
        text, version, claimed = reader(path)
        config = json.loads(text)
        _check_depth(config)
    except _DAMAGE as error:
        raise ModelFormatError(f"{path} is damaged or cut short ({_reason(error)}).", _AGAIN) from error
    if not isinstance(config, dict) or not isinstance(config.get("class_name"), str):
        raise ModelFormatError(f"{path} is damaged: its configuration describes no model.", _AGAIN)
    return KerasArchive(path, kind, config, version, claimed)


def _check_depth(node: object) -> None:
    """Raises ValueError where a configuration is nested deeper than any model's."""
    level = [node]
    for _ in range(MAX_CONFIG_DEPTH):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return
    raise ValueError(f"its configuration is nested more than {MAX_CONFIG_DEPTH} deep")


def _inside(node: object) -> Iterable[object]:
    return node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()


def write_archive(archive: KerasArchive, config: dict[str, object], folder: Path) -> Path:
    """Copies a model with another configuration, without its training state, under its proper suffix.

    Raises:
      ModelFormatError: the weights are damaged.
    """
    text = json.dumps(config)
    try:
        if archive.kind == KERAS_H5:
            return _write_h5(archive, text, folder / "model.h5")
        return _write_zip(archive, text, folder / "model.keras")
    except _DAMAGE as error:
        raise ModelFormatError(f"{archive.path} is damaged or cut short ({_reason(error)}).", _AGAIN) from error


@contextmanager
def open_weights(archive: KerasArchive) -> Iterator["h5py.File"]:
    """A model's weights as an open HDF5 file that refers to nothing outside itself.

    Raises:
      ModelFormatError: the weights are damaged; also where damage shows only while they are read.
    """
    import h5py

    with tempfile.TemporaryDirectory() as folder:
        try:
            path = archive.path if archive.kind == KERAS_H5 else _unpacked(archive, Path(folder))
            with h5py.File(path, "r") as file:
                if archive.kind != KERAS_H5:  # else it was looked through with the configuration
                    check_contents(file, str(archive.path))
                yield file
        except _DAMAGE as error:
            raise ModelFormatError(f"{archive.path} is damaged or cut short ({_reason(error)}).", _AGAIN) from error


def _unpacked(archive: KerasArchive, folder: Path) -> Path:
    """The weights of a `.keras`, rehearsed, in a file of their own."""
    with zipfile.ZipFile(archive.path) as file:
        if _WEIGHTS not in file.namelist():
            raise UnsupportedModelError(
                f"{archive.path} keeps its weights in an unusual form.", "Save it again: `model.save('model.keras')`."
            )
        weights = Path(file.extract(_WEIGHTS, folder))
    rehearse(weights, str(archive.path))
    return weights


def _read_h5(path: Path) -> tuple[str, str, int]:
    import h5py

    rehearse(path, str(path))
    with h5py.File(path, "r") as file:
        if "model_config" not in file.attrs:
            raise _no_model(path, file)
        claimed = check_contents(file, str(path))
        text = file.attrs["model_config"]
        version = file.attrs.get("keras_version", "")
    return _decoded(text), _decoded(version), claimed


def _no_model(path: Path, file: "h5py.File") -> Exception:
    if not len(file):
        return ModelFormatError(f"{path} is empty: it holds neither layers nor weights.", "Save the model again.")
    if "layer_names" in file.attrs or LAYERS in file or OLD_LAYERS in file:
        return UnsupportedModelError(f"{path} holds weights only, no model.", _WHOLE)
    return UnsupportedModelError(f"{path} is an HDF5 file, but no Keras model is in it.", _WHOLE)


def _read_zip(path: Path) -> tuple[str, str, None]:
    with zipfile.ZipFile(path) as file:
        if sum(member.file_size for member in file.infolist()) > MAX_UNPACKED_BYTES:
            raise ModelFormatError(f"{path} unpacks to more than {MAX_UNPACKED_BYTES >> 30} GB.")
        if file.getinfo("config.json").file_size > MAX_CONFIG_BYTES:
            raise ModelFormatError(f"{path} has a configuration of more than {MAX_CONFIG_BYTES >> 20} MB.")
        text = file.read("config.json").decode("utf-8")
        metadata = json.loads(file.read("metadata.json")) if "metadata.json" in file.namelist() else {}
    version = metadata.get("keras_version", "") if isinstance(metadata, dict) else ""
    return text, str(version), None


def _write_h5(archive: KerasArchive, text: str, target: Path) -> Path:
    import h5py

    shutil.copyfile(archive.path, target)
    with h5py.File(target, "r+") as file:
        file.attrs["model_config"] = text.encode("utf-8")
        if "training_config" in file.attrs:
            del file.attrs["training_config"]
    return target


def _write_zip(archive: KerasArchive, text: str, target: Path) -> Path:
    weights = _unpacked(archive, target.parent)
    with zipfile.ZipFile(archive.path) as old, zipfile.ZipFile(target, "w") as new:
        _mend_weights(archive.path, weights)
        new.writestr("config.json", text)
        new.writestr("metadata.json", old.read("metadata.json"))
        new.write(weights, _WEIGHTS)
    return target


def _mend_weights(path: Path, weights: Path) -> None:
    """Checks the weights of a `.keras`, and names the groups of Keras 2.12 to 2.14 as later ones do."""
    import h5py

    with h5py.File(weights, "r+") as file:
        check_contents(file, str(path))
        old: list[str] = []
        file.visit(lambda name: old.append(name) if name.split("/")[-1] == OLD_LAYERS else None)
        for name in sorted(old, key=len, reverse=True):
            new = name[: -len(OLD_LAYERS)] + LAYERS
            if new not in file:
                file.move(name, new)


def _decoded(value: object) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def _reason(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:120]
