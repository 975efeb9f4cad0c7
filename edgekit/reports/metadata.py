"""What a model says about itself, as text and as a JSON document."""

from typing import Dict, Iterator, Optional

from edgekit.devices.describing import Described
from edgekit.devices.inspection import Inspection
from edgekit.preprocess import InputSpec, describe
from edgekit.reports.inspection import metadata_to_json
from edgekit.reports.record import record_lines
from edgekit.reports.text import Facts, shortened
from edgekit.tflite.metadata import Metadata


def shown_to_json(found: Inspection) -> Dict[str, object]:
    """The metadata, and the class names with where they are from; without metadata its entries are empty."""
    return {
        "model": found.path,
        "has_metadata": found.metadata is not None,
        **metadata_to_json(found.metadata or Metadata()),
        "labels": list(found.names.labels) if found.names else [],
        "labels_from": found.names.origin if found.names else None,
    }


def shown_facts(found: Inspection) -> Facts:
    """Titles and texts, in the order in which they are read."""
    if found.metadata is None:
        yield "Metadata", "none"
    metadata = found.metadata or Metadata()
    for title in ("name", "description", "version", "author", "license"):
        if getattr(metadata, title):
            yield title.capitalize(), getattr(metadata, title)
    if found.names:
        yield "Class names", f"{shortened(found.names.labels)}; {found.names.origin}".lstrip("; ")
        yield from (("Note", note) for note in found.names.notes)
    yield "Input", _input(metadata.input)
    yield "Output", metadata.output or "not told"


def _input(spec: Optional[InputSpec]) -> str:
    if spec is None:
        return "not told"
    resize = f"crop of {spec.crop:g}" if spec.resize == "crop" else spec.resize
    return f"{spec.width}×{spec.height} pixels, {describe(spec)}; {resize}, {spec.interpolation}"


def shown_lines(found: Inspection) -> Iterator[str]:
    """How the model was made."""
    yield from record_lines(found.metadata.provenance if found.metadata else {})


def described_to_json(model: str, found: Described) -> Dict[str, object]:
    """What the model says now, and the files that were written."""
    written = [str(path) for path in found.written]
    return {"model": model, **metadata_to_json(found.metadata), "written": written, "notes": list(found.notes)}
