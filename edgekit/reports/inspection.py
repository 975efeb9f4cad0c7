"""A model file: its JSON document, and what is shown of it on a screen."""

from typing import Dict, Iterator, Tuple

from edgekit.devices.inspection import Inspection
from edgekit.preprocess import describe
from edgekit.reports.compiled import compiled_lines, compiled_to_json
from edgekit.reports.graph import (
    graph_to_json,
    ops_table,
    quantization_text,
    tensor_text,
    tensor_to_json,
    tensors_table,
)
from edgekit.reports.placement import placement_lines, placement_to_json
from edgekit.reports.record import record_lines
from edgekit.reports.text import shortened
from edgekit.tflite.metadata import Metadata


def inspection_to_json(found: Inspection, *, tensors: bool = False) -> Dict[str, object]:
    """Everything that was found; with `tensors` every tensor, too."""
    document: Dict[str, object] = {"model": found.path, **graph_to_json(found.graph)}
    document["metadata"] = metadata_to_json(found.metadata) if found.metadata else None
    document["labels"] = list(found.names.labels) if found.names else []
    document["labels_from"] = found.names.origin if found.names else None
    if tensors:
        document["tensors"] = [tensor_to_json(tensor) for tensor in found.graph.tensors]
    if found.compiled:
        document["edgetpu"] = compiled_to_json(found.compiled, found.twin, found.contents)
    if found.placement:
        document.update(placement_to_json(found.graph, found.placement))
    return document


def metadata_to_json(metadata: Metadata) -> Dict[str, object]:
    """What a model says about itself."""
    return {
        "name": metadata.name,
        "description": metadata.description,
        "version": metadata.version,
        "author": metadata.author,
        "license": metadata.license,
        "labels": list(metadata.labels),
        "input": metadata.input.to_json() if metadata.input else None,
        "output": metadata.output,
        "provenance": dict(metadata.provenance),
    }


def inspection_lines(found: Inspection, *, tensors: bool = False) -> Iterator[str]:
    """One screen: the placement where it was predicted, else what is in the file."""
    if found.placement:
        yield from placement_lines(found.graph, found.placement)
        return
    for title, text in _facts(found):
        yield f"  {title:<14}{text}"
    yield from record_lines(found.metadata.provenance if found.metadata else {})
    if found.compiled:
        yield from compiled_lines(found.compiled, found.twin, found.contents)
    yield ""
    yield from ops_table(found.graph)
    if tensors:
        yield ""
        yield from tensors_table(found.graph)


def _facts(found: Inspection) -> Iterator[Tuple[str, str]]:
    graph, metadata = found.graph, found.metadata
    for name, ends in (("input", graph.inputs), ("output", graph.outputs)):
        for index in ends:
            yield name, tensor_text(graph.tensors[index])
    yield "quantization", quantization_text(graph)
    if found.names:
        yield "class names", f"{shortened(found.names.labels)}; {found.names.origin}".lstrip("; ")
        yield from (("note", note) for note in found.names.notes)
    if metadata is None:
        yield "metadata", "none"
        return
    yield "name", metadata.name or "-"
    yield "preprocessing", describe(metadata.input) if metadata.input else "not told"
    yield "answers with", metadata.output or "not told"
