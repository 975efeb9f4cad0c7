"""What kind of model lies at a path, judged by its bytes: names lie, first bytes rarely do."""

import zipfile
from pathlib import Path

from edgekit.errors import ModelFormatError, UnsupportedModelError
from edgekit.files import open_regular

KERAS_ZIP = "keras zip"
KERAS_H5 = "keras h5"
SAVEDMODEL = "savedmodel"
TFLITE = "tflite"

SAVEDMODEL_FILE = "saved_model.pb"
HDF5_MARK = b"\x89HDF\r\n\x1a\n"
ZIP_MARK = b"PK\x03\x04"

#: Far above any image classifier with all that training left in the file.
MAX_SOURCE_BYTES = 8 << 30

_ACCEPTED = "edgekit opens .keras, .h5, SavedModel folders and float .tflite files."
_EXPORT_TORCH = (
    "Convert it with Google's litert-torch (formerly ai-edge-torch) to a float .tflite and give that to edgekit."
)
_GIVE_WHOLE = "Save the whole model with `model.save('model.keras')` and give that file to edgekit."

#: suffix → (what such a file is, what to do instead), for files whose bytes do not tell enough.
_FOREIGN: dict[str, tuple[str, str]] = {
    ".pt": ("a PyTorch file", _EXPORT_TORCH),
    ".pth": ("a PyTorch file", _EXPORT_TORCH),
    ".bin": ("a file of bare weights", _GIVE_WHOLE),
    ".safetensors": ("a file of bare weights", _GIVE_WHOLE),
    ".npz": ("a file of bare arrays", _GIVE_WHOLE),
    ".pkl": ("a Python pickle", _GIVE_WHOLE),
    ".pickle": ("a Python pickle", _GIVE_WHOLE),
    ".onnx": ("an ONNX model", "Convert it with onnx2tf to a SavedModel or a float .tflite and give that to edgekit."),
    ".json": ("a description of layers without weights", _GIVE_WHOLE),
    ".index": ("part of a TensorFlow checkpoint, which holds weights only", _GIVE_WHOLE),
    ".ckpt": ("a TensorFlow checkpoint, which holds weights only", _GIVE_WHOLE),
    ".meta": ("part of a TensorFlow 1 checkpoint", "Export it as a SavedModel with TensorFlow 1 and give that folder."),
    ".pb": (
        "a single TensorFlow graph file (a TensorFlow 1 frozen graph, by its suffix)",
        "Give the whole SavedModel folder, or import the frozen graph and save it with `tf.saved_model.save`.",
    ),
    ".mlmodel": ("a Core ML model", "Go back to the Keras model it was made from."),
}


def sniff(path: Path) -> str:
    """The kind of model at `path`: one of this module's four constants.

    Raises:
      ModelFormatError: nothing there, an empty file, a Git-LFS pointer, a web page.
      UnsupportedModelError: a kind of file edgekit does not convert; the hint says what to do.
    """
    if path.is_dir():
        return _sniff_folder(path)
    try:
        with open_regular(path, MAX_SOURCE_BYTES) as file:
            head = file.read(512)
    except FileNotFoundError:
        raise ModelFormatError(f"There is no file {path}.") from None
    except OSError as error:
        raise ModelFormatError(f"{path} could not be read: {error.strerror}.") from error
    if head.startswith(HDF5_MARK):
        return KERAS_H5
    if head.startswith(ZIP_MARK):
        return _sniff_zip(path)
    if head[4:8] == b"TFL3":
        return TFLITE
    raise _refusal(path, head)


def _refusal(path: Path, head: bytes) -> Exception:
    if not head:
        return ModelFormatError(f"{path} is empty.", "Copy or download it again.")
    if head.startswith(b"version https://git-lfs"):
        return ModelFormatError(
            f"{path} is a Git-LFS pointer, not the model itself.", "Run `git lfs pull` in its repository to fetch it."
        )
    if head.lstrip().lower().startswith((b"<!doctype", b"<html")):
        return ModelFormatError(f"{path} is a web page, not a model.", "Download the raw file behind that page.")
    if path.name == SAVEDMODEL_FILE:
        return UnsupportedModelError(f"{path} is one file of a SavedModel.", f"Give its folder: {path.parent}.")
    if ".data-" in path.suffix:
        return UnsupportedModelError(
            f"{path} is part of a TensorFlow checkpoint, which holds weights only.", _GIVE_WHOLE
        )
    if path.suffix.lower() in _FOREIGN:
        what, hint = _FOREIGN[path.suffix.lower()]
        return UnsupportedModelError(f"{path} is {what}; edgekit cannot convert it.", hint)
    return ModelFormatError(f"{path} is no model that edgekit knows, or its first bytes are damaged.", _ACCEPTED)


def _sniff_zip(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise ModelFormatError(
            f"{path} is a zip archive cut short or damaged ({error}).", "Copy or download it again."
        ) from error
    if "config.json" in names and any(name.startswith("model.weights") for name in names):
        return KERAS_ZIP
    if any(name.endswith("data.pkl") for name in names):
        raise UnsupportedModelError(f"{path} is a PyTorch file; edgekit cannot convert it.", _EXPORT_TORCH)
    inside = [name for name in names if name.endswith((".h5", ".keras", ".tflite", SAVEDMODEL_FILE))]
    if inside:
        raise UnsupportedModelError(f"{path} is an archive around a model ({inside[0]}).", "Unpack it first.")
    raise ModelFormatError(f"{path} is a zip archive without a Keras model in it.", _ACCEPTED)


def _sniff_folder(path: Path) -> str:
    if (path / SAVEDMODEL_FILE).is_file():
        return SAVEDMODEL
    if (path / "config.json").is_file() and (path / "model.weights.h5").is_file():
        raise UnsupportedModelError(
            f"{path} is an unpacked .keras archive.", "Zip its files back into one file named model.keras."
        )
    if any(path.glob("*.index")) or (path / "checkpoint").is_file():
        raise UnsupportedModelError(f"{path} holds a TensorFlow checkpoint: weights only.", _GIVE_WHOLE)
    if (path / "model.json").is_file():
        raise UnsupportedModelError(
            f"{path} holds a TensorFlow.js model.", "Turn it back with `tensorflowjs_converter --output_format keras`."
        )
    models = sorted(
        str(found) for suffix in ("*.keras", "*.h5", "*.tflite", f"*/{SAVEDMODEL_FILE}") for found in path.glob(suffix)
    )
    hint = f"Did you mean {models[0]}?" if models else _ACCEPTED
    raise ModelFormatError(f"{path} is a folder, but not a SavedModel: it holds no {SAVEDMODEL_FILE}.", hint)
