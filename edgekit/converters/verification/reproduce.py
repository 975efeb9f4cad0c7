"""A conversion made once more from what its record says."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import NamedTuple

from edgekit.converters.manifest import chosen_ends
from edgekit.converters.pipeline import convert
from edgekit.converters.recipe import Recipe
from edgekit.converters.sources.open import load_source
from edgekit.converters.sources.source import with_labels
from edgekit.errors import UsageError
from edgekit.progress import Progress, silent
from edgekit.tflite.metadata import Metadata, read_metadata
from edgekit.tflite.reader import read_graph


class Reproduction(NamedTuple):
    """A model made again.

    Attributes:
      same: whether every byte is the first one's.
      differing: the parts of the two records that are not equal, such as "versions"; () where all are.
    """

    same: bool
    differing: tuple[str, ...]


def reproduce(
    model: str | Path,
    source: str | Path,
    data: str | Path | None = None,
    *,
    verify_data: str | Path | None = None,
    labels: Path | None = None,
    trust: bool = False,
    progress: Progress = silent,
) -> Reproduction:
    """Converts a source again, with the recipe that a model's metadata holds.

    Args:
      model: the `.tflite` that `convert` made.
      source: what it was made from.
      data, verify_data: as for `convert`.
      labels: the file of class names that it was given, if any.
      trust: let the source run its own code.
      progress: called as work goes on.

    Raises:
      UsageError: the model holds no such record, or ranges from a file, which are not in it.
      EdgekitError: as `load_source` and `convert`.
    """
    graph = read_graph(model)
    record = (read_metadata(graph) or Metadata()).provenance
    output, signature = chosen_ends(record)
    opened = load_source(
        source,
        trust=trust,
        size=_size(graph.tensors[graph.inputs[0]].shape),
        output=output,
        signature=signature,
    )
    made = convert(
        with_labels(opened, labels) if labels else opened,
        data,
        recipe=_recipe(model, record),
        verify=record.get("verdict") is not None,
        verify_data=verify_data,
        check_export=_part(record, "export").get("off_keras") is not None,
        progress=progress,
    ).artefact
    return Reproduction(
        made.model.graph.content == graph.content,
        tuple(part for part in sorted({*record, *made.provenance}) if record.get(part) != made.provenance.get(part)),
    )


def _recipe(model: str | Path, record: Mapping[str, object]) -> Recipe:
    known = {field.name for field in fields(Recipe)}
    settings = _part(record, "recipe")
    if not settings or not set(settings) <= known:
        raise UsageError(f"{model} holds no record of how this edgekit makes models.", "Convert it again.")
    if str(settings.get("ranges")).endswith(".json"):
        raise UsageError(f"{model} was made with ranges from a file, which its record does not hold.")
    return Recipe(**settings)  # type: ignore[arg-type]


def _part(record: Mapping[str, object], name: str) -> Mapping[str, object]:
    part = record.get(name)
    return part if isinstance(part, Mapping) else {}


def _size(shape: tuple[int, ...]) -> tuple[int, int] | None:
    return (shape[1], shape[2]) if len(shape) == 4 else None
