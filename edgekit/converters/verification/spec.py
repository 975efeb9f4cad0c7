"""What a project asks of its model: the table [verify] of `edgekit.toml`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from edgekit.errors import UsageError
from edgekit.project import VERIFY, read_project
from edgekit.targets.judges import JUDGES
from edgekit.units import fraction, memory


@dataclass(frozen=True)
class Spec:
    """Gates and what they are measured with. A gate that is None (or False) is not asked for.

    Attributes:
      source: the trained model: agreement, reproducible.
      data: images the model has not seen, in class folders where top-1 is a gate: agreement, top-1, reproducible.
      labels_csv: a table file,label, for images without class folders.
      images: at most so many of them.
      baseline: a `.tflite` to be timed beside the model: latency ratio.
      min_agreement: top-1 agreement with the source, 0–1.
      min_top1: accuracy, 0–1.
      target: the accelerator that min_mapped is of, a key of `targets.judges.JUDGES`.
      accelerator: which Ethos-U, where that is the target.
      min_mapped: part of the ops that map to the target, 0–1.
      max_on_chip: bytes of on-chip memory for all parameters.
      max_size: bytes of the file.
      max_latency_ratio: inference on one thread of this CPU, as a multiple of the baseline's.
      reproducible: whether converting the source again must give the same bytes.
      convert_data, verify_data, convert_labels: what the model was converted with, from the table [convert].
    """

    source: Path | None = None
    data: Path | None = None
    labels_csv: Path | None = None
    images: int = 500
    baseline: Path | None = None
    target: str = "edgetpu"
    accelerator: str | None = None
    min_agreement: float | None = None
    min_top1: float | None = None
    min_mapped: float | None = None
    max_on_chip: int | None = None
    max_size: int | None = None
    max_latency_ratio: float | None = None
    reproducible: bool = False
    convert_data: Path | None = None
    verify_data: Path | None = None
    convert_labels: Path | None = None

    def __post_init__(self) -> None:
        """Raises UsageError where no gate is asked for, or one lacks what it is measured with."""
        if not any(getattr(self, gate) not in (None, False) for gate in NEEDS):
            raise UsageError(f"No gate is asked for in [{VERIFY}].", f"Gates: {', '.join(NEEDS)}.")
        if self.target not in JUDGES:
            raise UsageError(
                f"{self.target!r} in [{VERIFY}] is no accelerator.", f"Choose one of: {', '.join(JUDGES)}."
            )
        for gate, needed in NEEDS.items():
            if getattr(self, gate) in (None, False):
                continue
            missing = [name for name in needed if getattr(self, name) is None]
            if missing:
                raise UsageError(f"{gate} in [{VERIFY}] needs {' and '.join(missing)}.", f"Add it to [{VERIFY}].")


#: Gate → what it is measured with.
NEEDS: Mapping[str, tuple[str, ...]] = {
    "min_agreement": ("source", "data"),
    "min_top1": ("data",),
    "min_mapped": (),
    "max_on_chip": (),
    "max_size": (),
    "max_latency_ratio": ("baseline",),
    "reproducible": ("source",),
}


def read_spec(path: str | Path) -> Spec:
    """Reads a project's demands; relative paths are those beside its file.

    Raises:
      UsageError: the file is missing or no TOML, or holds what means nothing, or a gate lacks what it needs.
    """
    project, folder = read_project(path), Path(path).resolve().parent
    table, convert = project.get(VERIFY, {}), project.get("convert", {})
    unknown = sorted(set(table) - {field.name for field in fields(Spec)} - set(_FROM_CONVERT.values()))
    if unknown:
        raise UsageError(
            f"{path} holds {unknown[0]!r} in [{VERIFY}], which means nothing.", f"Gates: {', '.join(NEEDS)}."
        )
    values = {key: _READERS[key](f"{key} in [{VERIFY}]:", value, folder) for key, value in table.items()}
    for key, name in _FROM_CONVERT.items():
        given = convert.get(key, convert.get(key.replace("-", "_")))
        values[name] = None if given is None else _path(f"{key} in [convert]:", given, folder)
    return Spec(**values)  # type: ignore[arg-type]


#: Option of convert → the field that it becomes.
_FROM_CONVERT = {"data": "convert_data", "verify-data": "verify_data", "labels": "convert_labels"}


def _path(what: str, value: object, folder: Path) -> Path:
    if not isinstance(value, str) or not value or "\0" in value:
        raise UsageError(f"{what} {value!r} is not a path.")
    return folder / value


def _word(what: str, value: object, folder: Path) -> str:
    if not isinstance(value, str):
        raise UsageError(f"{what} {value!r} is not a name.")
    return value


def _fraction(what: str, value: object, folder: Path) -> float:
    found = fraction(what, str(value))
    assert found is not None
    return found


def _bytes(what: str, value: object, folder: Path) -> int:
    found = memory(what, f"{value}B" if isinstance(value, int) else str(value))
    assert found is not None
    return found


def _number(what: str, value: object, folder: Path) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
        raise UsageError(f"{what} {value!r} is not a number above 0.")
    return value


def _count(what: str, value: object, folder: Path) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise UsageError(f"{what} {value!r} is not a number of images.")
    return value


def _flag(what: str, value: object, folder: Path) -> bool:
    if not isinstance(value, bool):
        raise UsageError(f"{what} {value!r} is neither true nor false.")
    return value


_READERS: Mapping[str, Callable[[str, object, Path], object]] = {
    **dict.fromkeys(("source", "data", "labels_csv", "baseline"), _path),
    **dict.fromkeys(("target", "accelerator"), _word),
    **dict.fromkeys(("min_agreement", "min_top1", "min_mapped"), _fraction),
    **dict.fromkeys(("max_on_chip", "max_size"), _bytes),
    "images": _count,
    "max_latency_ratio": _number,
    "reproducible": _flag,
}
