"""Opening any trained image classifier, whatever it was saved as."""

from dataclasses import replace
from pathlib import Path

from edgekit.converters.export.direct.layer import UnknownLayerError
from edgekit.converters.export.direct.open import open_directly
from edgekit.converters.sources.keras.loader import load_keras
from edgekit.converters.sources.savedmodel.loader import load_savedmodel
from edgekit.converters.sources.sniff import SAVEDMODEL, TFLITE, sniff
from edgekit.converters.sources.source import Source
from edgekit.converters.sources.tflite import load_tflite
from edgekit.errors import MissingDependencyError, UsageError

#: (height, width), one number for a square, or None to take the model's own.
Size = tuple[int, int] | int | None


def load_source(
    path: str | Path,
    *,
    trust: bool = False,
    size: Size = None,
    output: str | None = None,
    signature: str | None = None,
) -> Source:
    """Opens a trained model of any supported format, judged by its content and not by its name.

    Args:
      path: a `.keras` or `.h5` file of Keras 2 or 3, a SavedModel folder, or a float `.tflite`.
      trust: let the file run its own code: Lambda and custom layers, operations that read or write files.
      size: image size for models that leave it open.
      output: name, or place from 0 on, of the output that holds the scores; None to find it.
      signature: of a SavedModel or `.tflite`, the signature to call; None for the usual one.

    Raises:
      ModelFormatError: missing, damaged, truncated, or no model.
      UnsafeModelError: opening it would run code from the file and `trust` is not set.
      UnsupportedModelError: readable, but no image classifier that edgekit can convert.
      MissingDependencyError: TensorFlow or tf_keras is not installed.
      UsageError: `size` is no image size, or there is no such output or signature.
    """
    location, wanted = Path(path), _checked_size(size)
    kind = sniff(location)
    chosen = {key: name for key, name in (("output", output), ("signature", signature)) if name is not None}
    if kind == TFLITE:
        source: Source = load_tflite(location, size=wanted, output=output, signature=signature)
    elif kind == SAVEDMODEL:
        source = load_savedmodel(location, size=wanted, trust=trust, output=output, signature=signature)
    elif signature is not None:
        raise UsageError(f"{location} is a Keras file: it has no signatures.", "Choose an output with --output-name.")
    else:
        source = _load_keras(location, kind, trust=trust, size=wanted, output=output)
    return replace(source, chosen=chosen)


def _load_keras(path: Path, kind: str, *, trust: bool, size: tuple[int, int] | None, output: str | None) -> Source:
    """Without Keras where all of its layers are known, else with it."""
    try:
        return open_directly(path, kind, trust=trust, size=size, output=output)
    except UnknownLayerError as unknown:
        try:
            source = load_keras(path, kind, trust=trust, size=size, output=output)
        except MissingDependencyError as error:
            raise MissingDependencyError(f"{unknown.message} {error.message}", error.hint) from error
        return replace(source, notes=(*source.notes, f"Exported through TensorFlow: {unknown.message}"))


def _checked_size(size: Size) -> tuple[int, int] | None:
    if size is None:
        return None
    height, width = (size, size) if isinstance(size, int) else size
    if not (1 <= height <= 4096 and 1 <= width <= 4096):
        raise UsageError(f"{height}x{width} is no image size (1 to 4096 pixels each way).")
    return height, width
