"""set_metadata(): what a model says about itself, written anew, in it and in all that is kept beside it."""

import hashlib
import json
from dataclasses import dataclass, field, replace
from glob import escape
from pathlib import Path
from typing import Dict, List, Optional, Tuple, Union

from edgekit.devices.tensors import input_tensor, output_tensor, plain_input
from edgekit.devices.twin import find_twin
from edgekit.edgetpu.compiler.origin import RECORD, read_origin, twin_record
from edgekit.errors import EdgekitError, UsageError
from edgekit.files import MAX_TEXT_BYTES, check_writable, read_text, write_together
from edgekit.labels import read_labels
from edgekit.preprocess import INTERPOLATIONS, InputSpec, parse_preprocess, parse_resize
from edgekit.tflite.attached import read_files
from edgekit.tflite.graph import Graph
from edgekit.tflite.metadata import RECORD_FILE, STANDARD, Metadata, pixel_input, read_metadata, write_metadata
from edgekit.tflite.ops import is_compiled
from edgekit.tflite.reader import read_graph

#: The end of the names that `edgetpu_compiler` gives.
_COMPILED = "_edgetpu.tflite"


@dataclass(frozen=True)
class Changes:
    """What a model shall say; None leaves what it says.

    Attributes:
      name, description, version, author, license: texts for people.
      labels: a file of class names, as `labels.read_labels` reads them.
      preprocess: scaling of pixels, as `preprocess.parse_preprocess` takes it.
      resize: "stretch", "crop", or "crop:0.875" with the part to keep.
      interpolation: one of `preprocess.INTERPOLATIONS`.
      output: "probabilities" or "logits".
    """

    name: Optional[str] = None
    description: Optional[str] = None
    version: Optional[str] = None
    author: Optional[str] = None
    license: Optional[str] = None
    labels: Union[str, Path, None] = None
    preprocess: Optional[str] = None
    resize: Optional[str] = None
    interpolation: Optional[str] = None
    output: Optional[str] = None


@dataclass(frozen=True)
class Described:
    """What `set_metadata` wrote.

    Attributes:
      metadata: what the model says now.
      contents: file → its new content: the model, its twin or compiled forms, its manifest.
      notes: sentences about files that were left alone.
    """

    metadata: Metadata
    contents: Dict[Path, bytes] = field(repr=False)
    notes: Tuple[str, ...]

    @property
    def written(self) -> Tuple[Path, ...]:
        """The files."""
        return tuple(self.contents)


def set_metadata(model: Union[str, Path], changes: Changes) -> Described:
    """Changes what a model says about itself; its ops, weights and other metadata stay as they are.

    The compiled file (`x_edgetpu.tflite` beside `x.tflite`, or its segments), the CPU twin of a compiled one and the
    manifest that `edgekit convert` wrote are kept in step: all files are written, or none.

    Args:
      model: a `.tflite`, compiled for the Edge TPU or not.
      changes: see `Changes`; at least one.

    Raises:
      ModelFormatError: the file is missing or damaged.
      UnsupportedModelError: it is no image classifier, and labels, scaling or output are to be changed; or another
        tool has described it, whose description of other outputs would be lost.
      DataError: the labels cannot be read or do not fit.
      UsageError: nothing is to be changed, or a change is not understood.
      OutputError: a file could not be written; all are as they were.
      MissingDependencyError: ai-edge-litert is not installed (on a board, which only reads).
    """
    if changes == Changes():
        raise UsageError("There is nothing to change.", "Say what: --labels FILE, --name, --preprocess, ….")
    path = Path(model)
    graph = read_graph(path)
    source = _source(path, graph)
    if source is None:
        found = Described(*_alone(path, graph, changes), (f"No CPU twin of {path.name} is beside it.",))
    else:
        found = _together(source, changes)
    for file in found.contents:
        check_writable(file)
    write_together(found.contents)
    return found


def _alone(path: Path, graph: Graph, changes: Changes) -> Tuple[Metadata, Dict[Path, bytes]]:
    """What a compiled file says whose twin is elsewhere, and its content."""
    metadata = _changed(read_metadata(graph) or Metadata(), changes, graph)
    return metadata, {path: write_metadata(graph, metadata)}


def _source(path: Path, graph: Graph) -> Optional[Path]:
    """The file that a compiled one was made from, where it is beside it; any other file itself."""
    if not is_compiled(graph):
        return path
    try:
        return find_twin(path, graph).path
    except EdgekitError:
        return None


def _together(source: Path, changes: Changes) -> Described:
    """A model and all that belongs to it."""
    graph = read_graph(source)
    metadata = _changed(read_metadata(graph) or Metadata(), changes, graph)
    contents = {source: write_metadata(graph, metadata)}
    contents.update(_manifest(source, graph.content, contents[source], metadata))
    notes: List[str] = []
    for path in sorted(source.parent.glob(f"{escape(source.stem)}*{_COMPILED}")):
        try:
            compiled = read_graph(path)
            if source.name not in read_origin(path, compiled).names:
                continue
            find_twin(path, compiled)
            contents[path] = _compiled(compiled, metadata, twin_record(source, contents[source]))
        except EdgekitError as error:
            notes.append(f"{path.name} was left alone: {error.message}")
    return Described(metadata, contents, tuple(notes))


def _compiled(graph: Graph, metadata: Metadata, origin: Dict[str, str]) -> bytes:
    """A compiled file that says what its source says, and knows the source's new content."""
    provenance = dict((read_metadata(graph) or Metadata()).provenance)
    record = provenance.get(RECORD)
    provenance[RECORD] = {**(record if isinstance(record, dict) else {}), **origin}
    return write_metadata(graph, replace(metadata, provenance=provenance))


def _manifest(path: Path, before: bytes, after: bytes, metadata: Metadata) -> Dict[Path, bytes]:
    """The manifest of the model with its new digest, where it had one."""
    place = path.with_suffix(".json")
    try:
        manifest = json.loads(read_text(place, MAX_TEXT_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(manifest, dict) or manifest.get("sha256") != hashlib.sha256(before).hexdigest():
        return {}
    manifest.update(sha256=hashlib.sha256(after).hexdigest(), bytes=len(after))
    if metadata.input:
        manifest["input"] = metadata.input.to_json()
    return {place: (json.dumps(manifest, indent=2, ensure_ascii=False) + "\n").encode("utf-8")}


def _changed(metadata: Metadata, changes: Changes, graph: Graph) -> Metadata:
    """The metadata with the changes. Raises as `set_metadata`."""
    texts = ("name", "description", "version", "author", "license", "output")
    new: Dict[str, object] = {text: getattr(changes, text) for text in texts if getattr(changes, text) is not None}
    if changes.output is not None or _foreign(graph):
        output_tensor(graph)  # texts any model may have; what its scores are, a classifier alone
    if changes.labels is not None:
        new["labels"] = read_labels(changes.labels, output_tensor(graph).elements)
    if (changes.preprocess, changes.resize, changes.interpolation) != (None, None, None):
        new["input"] = _input(metadata, changes, graph)
    return replace(metadata, **new)  # type: ignore[arg-type]


def _foreign(graph: Graph) -> bool:
    """Whether another tool wrote what the model says, which edgekit can write anew for a classifier alone."""
    return STANDARD in dict(graph.metadata) and RECORD_FILE not in read_files(graph.content)


def _input(metadata: Metadata, changes: Changes, graph: Graph) -> InputSpec:
    tensor = input_tensor(graph)
    known = metadata.input or pixel_input(tensor)
    spec = known or plain_input(tensor)
    if known is None and changes.preprocess is None:
        raise UsageError("The model does not say how its images are scaled.", "Say that too, with --preprocess.")
    if changes.preprocess is not None:
        spec = parse_preprocess(changes.preprocess, spec)
    if changes.resize is not None:
        spec = parse_resize(changes.resize, spec)
    if changes.interpolation not in (None, *INTERPOLATIONS):
        raise UsageError(
            f"There is no interpolation {changes.interpolation!r}.", f"There are: {', '.join(INTERPOLATIONS)}."
        )
    return replace(spec, interpolation=changes.interpolation or spec.interpolation)
