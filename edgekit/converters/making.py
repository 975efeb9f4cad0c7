"""Models that begin here: fresh members of the family, and the zoo's with published weights."""

from dataclasses import dataclass
from pathlib import Path

from edgekit.converters.export.direct.export import export_network
from edgekit.errors import UsageError
from edgekit.files import check_writable, write_bytes, write_together
from edgekit.models.architecture import macs, member, parameters, plan
from edgekit.models.family import Variant
from edgekit.models.kerasfile import h5_bytes, keras_bytes
from edgekit.models.network import Network
from edgekit.models.scaling import find_member
from edgekit.models.zoo import find, imagenet_labels, pretrained
from edgekit.preprocess import InputSpec
from edgekit.progress import Progress, silent
from edgekit.tflite.metadata import Metadata, write_metadata

SUFFIXES = (".keras", ".h5", ".tflite")
#: Twice the classes of the largest set of images that classifiers are trained on.
MOST_CLASSES = 50_000


@dataclass(frozen=True)
class NewModel:
    """What `new` wrote.

    Attributes:
      path: the file.
      variant: the member that it is.
      classes: number of its outputs.
      parameters: all numbers that its weights are, as Keras counts them.
      macs: multiply-adds for one image.
    """

    path: Path
    variant: Variant
    classes: int
    parameters: int
    macs: int


@dataclass(frozen=True)
class SavedModel:
    """What `save_pretrained` wrote: the model and, one name a line, its labels."""

    model: Path
    labels: Path


def new(
    name: str = "b0", *, output: str | Path | None = None, phi: float | None = None, classes: int = 1000, seed: int = 0
) -> NewModel:
    """Writes a member of the EfficientNet family with fresh weights, ready to be trained.

    Args:
      name: a key of `models.FAMILY`, such as "b3"; or a baseline, where `phi` is given.
      output: a path that ends in `.keras`, `.h5` (which Keras 2 and 3 read) or `.tflite` (float), and is replaced; None
        stands for the member's name with `.keras`.
      phi: a coefficient of compound scaling: 0 is the baseline, one unit more about doubles the multiply-adds.
      classes: number of outputs.
      seed: which of all fresh weights.

    Raises:
      UsageError: there is no such member, or an argument is out of bounds.
      MissingDependencyError: h5py, for `.keras` and `.h5`, is not installed.
      OutputError: the file could not be written.
    """
    variant = find_member(name, phi)
    path = _checked(output or f"{variant.name}.keras")
    if not 2 <= classes <= MOST_CLASSES:
        raise UsageError(f"{classes} classes are out of bounds: 2 to {MOST_CLASSES:,}.")
    write_bytes(path, file_bytes(member(variant, classes, seed=seed), path.suffix, input_of(variant)))
    layers = plan(variant, classes)
    return NewModel(path, variant, classes, parameters(layers), macs(layers))


def save_pretrained(name: str, output: Path, *, progress: Progress = silent) -> SavedModel:
    """Writes a zoo model, and its class names as `<stem>.labels.txt` beside it.

    Files of these names are replaced, both or none.

    Args:
      name: a key of `models.ZOO`.
      output: as of `new`.
      progress: told each step.

    Raises:
      UsageError: there is no such model, or `output` has another suffix.
      MissingDependencyError: h5py or a package with weights or names is not installed.
      UnsafeModelError, ModelFormatError: the package's weights or names are not what they should be.
      OutputError: the files could not be written.
    """
    variant, path = find(name).variant, _checked(output)
    saved = SavedModel(path, path.with_name(f"{path.stem}.labels.txt"))
    progress(f"building {name} with its ImageNet weights", 0, None)
    labels, network = imagenet_labels(), pretrained(name)
    progress(f"writing {path}", 0, None)
    content = file_bytes(network, path.suffix, input_of(variant), labels)
    names = "".join(f"{label}\n" for label in labels)
    write_together({saved.model: content, saved.labels: names.encode("utf-8")})
    return saved


def file_bytes(network: Network, suffix: str, spec: InputSpec, labels: tuple[str, ...] = ()) -> bytes:
    """A network as a file of one of `SUFFIXES`; preprocessing and labels go into a `.tflite`, others have no place.

    Raises:
      MissingDependencyError: h5py is not installed.
      UnsupportedModelError: the network cannot be written so.
    """
    kind = suffix.lower()
    if kind == ".tflite":
        described = Metadata(labels=labels, input=spec, output="probabilities")
        return write_metadata(export_network(network), described)
    return h5_bytes(network) if kind == ".h5" else keras_bytes(network)


def input_of(variant: Variant) -> InputSpec:
    """How an image becomes a member's input."""
    spec = InputSpec(variant.size, variant.size)
    return spec.with_convention("lite") if variant.series.scaling == "lite" else spec


def _checked(output: str | Path) -> Path:
    path = Path(output)
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{path} is no name for a model.", "Let it end in .keras, .h5 or .tflite.")
    check_writable(path)
    return path
