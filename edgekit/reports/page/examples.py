"""The images that tell most, with what models look at in them, for a report."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path

from PIL import Image

from edgekit.converters.explaining import ActivationMap, ExplainedImage, Explanation, explain
from edgekit.errors import UsageError
from edgekit.progress import Progress, silent
from edgekit.reports.overlays import overlay, photograph
from edgekit.reports.page.blocks import Figure, Figures
from edgekit.reports.text import percent

#: Images that are shown.
_SHOWN = 6
_QUALITY = 82


def least_alike(
    model: Path,
    images: object,
    other: Path,
    *,
    preprocess: str | None = None,
    trust: bool = False,
    progress: Progress = silent,
) -> Figures:
    """Of a folder's images those on which two models differ most: in what they predict, then in what they look at.

    Raises what `explain` raises, and UsageError where `images` is no folder.
    """
    if not isinstance(images, (str, Path)) or not Path(images).is_dir():
        raise UsageError("Only a folder's images are shown.")
    found = explain(model, images, against=[other], preprocess=preprocess, trust=trust, progress=progress)
    chosen = sorted(found.images, key=_likeness)[:_SHOWN]
    note = f"Of {len(found.images)} images the {len(chosen)} on which the two models differ most."
    return Figures([[*_row(image, found)] for image in chosen], f"{note} {_HOW}")


def mistaken(model: Path, mistakes: Mapping[str, str], *, progress: Progress = silent) -> Figures:
    """What a model looked at when it was wrong.

    Args:
      mistakes: an image's file → what there is to say of it; the first ones are shown.

    Raises what `explain` raises.
    """
    files = list(mistakes)[:_SHOWN]
    found = explain(model, files, progress=progress)
    rows = [[*_row(image, found, mistakes[image.image])] for image in found.images]
    return Figures(rows, f"The first {len(rows)} images that were taken for something else. {_HOW}")


_HOW = "The brighter, the more a part speaks for the class."


def _likeness(image: ExplainedImage) -> tuple[bool, float]:
    same = len({found.predicted for found in image.maps}) == 1
    correlation = image.maps[-1].correlation
    return same, 1.0 if correlation is None else correlation


def _row(image: ExplainedImage, found: Explanation, said: str = "") -> Iterator[Figure]:
    name = image.image.replace("\\", "/").rpartition("/")[2]
    yield Figure(_data(photograph(image.maps[0])), f"Image {name}", [name, *([said] if said else [])])
    for model, each in zip(found.models, image.maps, strict=True):
        text = f"What {model} looks at for {image.label} in {name}"
        yield Figure(_data(overlay(each)), text, [*_lines(model, image.label, each)])


def _lines(model: str, label: str, found: ActivationMap) -> Sequence[str]:
    lines = [model, f"{label} {percent(found.score)}"]
    lines += [] if found.predicted == label else [f"predicts {found.predicted}"]
    return lines if found.correlation is None else [*lines, f"correlation {found.correlation:.3f}"]


def _data(image: Image.Image) -> str:
    stream = BytesIO()
    image.save(stream, "JPEG", quality=_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
