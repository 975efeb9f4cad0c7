"""The network whose features a head is trained on: a member of the zoo, or any float classifier's file."""

import tempfile
from pathlib import Path

from edgekit.calibration.samples import Data, open_samples
from edgekit.converters.export.reference import PROBES, float_reference, resolve_preprocessing
from edgekit.converters.sources.open import load_source
from edgekit.devices.admission import vouch
from edgekit.errors import OutputError, UsageError
from edgekit.files import cache_folder, write_bytes
from edgekit.models.zoo import ZOO, save_pretrained
from edgekit.progress import Progress, silent
from edgekit.tflite.metadata import Metadata, write_metadata
from edgekit.tflite.model import Model

#: The zoo's model that is taken where the user names none.
DEFAULT_BASE = "lite0"


def open_base(
    base: str | Path, like: Data = None, *, preprocess: str | None = None, progress: Progress = silent
) -> Model:
    """A float classifier that takes raw pixels, whatever its file wanted.

    Args:
      base: a key of `ZOO`, or the path of a classifier's file.
      like: images of the kind it will see, to find its preprocessing and check its export by; None for synthetic ones.
      preprocess: how its images are scaled, as `parse_preprocess` takes it; None to find it.

    Raises:
      UsageError: there is no such file or zoo model.
      EdgekitError: as `load_source`, `resolve_preprocessing` and `float_reference` raise it.
    """
    path = _path(base, progress)
    progress("Opening the base", 0, None)
    source = load_source(path)
    images = open_samples(like, source.spec, count=PROBES)
    finding = resolve_preprocessing(source, images, preprocess, progress=progress)
    return float_reference(source, finding.spec, images.resized(finding.spec), progress=progress)


def _path(base: str | Path, progress: Progress) -> Path:
    if Path(base).exists():
        return Path(base)
    if str(base) not in ZOO:
        raise UsageError(f"There is no file {base}, and no such model in the zoo.", f"The zoo has: {', '.join(ZOO)}.")
    return zoo_file(str(base), progress=progress)


def zoo_file(name: str, *, progress: Progress = silent) -> Path:
    """A zoo model as a float `.tflite` with its preprocessing and class names inside, made once and then kept.

    Raises:
      UsageError: there is no such model.
      OutputError: this user has no folder for what is kept.
      EdgekitError: as `save_pretrained` and `float_reference` raise it.
    """
    folder = cache_folder()
    if folder is None:
        raise OutputError(
            f"The zoo's {name} cannot be kept: this user has no folder for caches.",
            f"Set XDG_CACHE_HOME, or give the model's file with --base (edgekit zoo {name}).",
        )
    kept = folder / "zoo" / f"{name}.tflite"
    if not kept.is_file():
        content = _built(name, progress)
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(kept, content)
        vouch(content)
    return kept


def _built(name: str, progress: Progress) -> bytes:
    with tempfile.TemporaryDirectory(prefix="edgekit-") as folder:
        saved = save_pretrained(name, Path(folder, f"{name}.h5"), progress=progress)
        source = load_source(saved.model)
        images = open_samples(None, source.spec, count=PROBES)
        spec = resolve_preprocessing(source, images, progress=progress).spec
        model = float_reference(source, spec, images, fold=False, progress=progress)
    told = Metadata(name=source.architecture or name, labels=source.labels, input=model.spec, output=model.output)
    return write_metadata(model.graph, told)
