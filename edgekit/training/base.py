"""The network whose features a head is trained on: a member of the zoo, or any float classifier's file."""

import tempfile
from pathlib import Path

from edgekit.calibration.samples import Data, open_samples
from edgekit.converters.export.reference import PROBES, float_reference, resolve_preprocessing
from edgekit.converters.making import file_bytes, input_of
from edgekit.converters.sources.open import load_source
from edgekit.devices.admission import vouch
from edgekit.errors import UsageError
from edgekit.models.zoo import ZOO, pretrained
from edgekit.progress import Progress, silent
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
    progress("Opening the base", 0, None)
    if Path(base).exists():
        return _opened(Path(base), like, preprocess, progress)
    if str(base) not in ZOO:
        raise UsageError(f"There is no file {base}, and no such model in the zoo.", f"The zoo has: {', '.join(ZOO)}.")
    return _opened_zoo(str(base), like, progress)


def _opened_zoo(name: str, like: Data, progress: Progress) -> Model:
    content = file_bytes(pretrained(name), ".tflite", input_of(ZOO[name].variant))
    vouch(content)
    with tempfile.TemporaryDirectory(prefix="edgekit-") as folder:
        path = Path(folder, f"{name}.tflite")
        path.write_bytes(content)
        return _opened(path, like, None, progress)


def _opened(path: Path, like: Data, preprocess: str | None, progress: Progress) -> Model:
    source = load_source(path)
    images = open_samples(like, source.spec, count=PROBES)
    finding = resolve_preprocessing(source, images, preprocess, progress=progress)
    return float_reference(source, finding.spec, images.resized(finding.spec), progress=progress)
