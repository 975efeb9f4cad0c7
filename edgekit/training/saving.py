"""What a training made, as files."""

from pathlib import Path

from edgekit.converters import save
from edgekit.converters.export.as_keras import classifier_network
from edgekit.devices.admission import vouch
from edgekit.errors import UnsupportedModelError
from edgekit.files import write_bytes
from edgekit.models.kerasfile import h5_bytes, keras_bytes
from edgekit.preprocess import InputSpec
from edgekit.tflite import read_graph
from edgekit.tflite.model import Model
from edgekit.training.trained import Trained

#: Of the float model's file.
SUFFIXES = (".tflite", ".keras", ".h5")


def save_trained(trained: Trained, output: str | Path, floating: str | Path | None = None) -> Path:
    """Writes the int8 model and its manifest, and the float model where a path for it is given.

    Args:
      floating: ends in one of `SUFFIXES`. A Keras file takes pixels of 0–255, as it has no place to say otherwise.

    Returns:
      The manifest's path.

    Raises:
      UnsupportedModelError: the float model cannot be written as a Keras file.
      OutputError: one of them cannot be written.
    """
    if floating is not None:
        content = float_bytes(trained.floating, trained.spec, Path(floating).suffix)
        write_bytes(floating, content)
        vouch(content)
    return save(trained.conversion.artefact, output)


def float_bytes(content: bytes, spec: InputSpec, suffix: str) -> bytes:
    """A float model's `.tflite` in the form of that suffix."""
    if suffix == ".tflite":
        return content
    network = classifier_network(Model(read_graph(content), spec))
    return h5_bytes(network) if suffix == ".h5" else keras_bytes(network)


def check_float(base: Model, suffix: str) -> None:
    """Raises UnsupportedModelError where a model on this base could not be written so, before the work."""
    if suffix == ".tflite":
        return
    try:
        classifier_network(base)
    except UnsupportedModelError as error:
        raise UnsupportedModelError(
            f"The float model cannot be written as {suffix}: {error.message}", "Write it as .tflite."
        ) from error
