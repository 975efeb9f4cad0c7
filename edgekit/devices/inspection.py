"""What a `.tflite` file holds, what it says about itself, and what an accelerator would make of it."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Optional, Union

from edgekit.devices.tensors import output_tensor
from edgekit.devices.twin import Twin, find_twin
from edgekit.edgetpu.compiler.package import CompiledModel, read_compiled
from edgekit.edgetpu.parameters import Contents, check_contents
from edgekit.edgetpu.placement.placement import CompilerOptions, Placement
from edgekit.errors import EdgekitError, UnsupportedModelError
from edgekit.labels import Names, find_names
from edgekit.targets.judges import Place, judge
from edgekit.tflite.graph import Graph
from edgekit.tflite.metadata import Metadata, read_metadata
from edgekit.tflite.ops import is_compiled
from edgekit.tflite.reader import read_graph


@dataclass(frozen=True)
class Inspection:
    """A model file.

    Attributes:
      path: as it was given.
      graph: its ops and tensors.
      metadata: what it says about itself, or None.
      names: the classes' names and where they are from; None where it is no classifier.
      compiled: what is in its Edge TPU ops, where it is compiled.
      twin: the CPU twin of a compiled file, or why it has none.
      contents: what of a compiled file's parameters is its twin's; None without one.
      placement: where its ops would run, where that was asked for and it is not compiled.
    """

    path: str
    graph: Graph
    metadata: Optional[Metadata] = None
    names: Optional[Names] = None
    compiled: Optional[CompiledModel] = None
    twin: Union[Twin, EdgekitError, None] = None
    contents: Optional[Contents] = None
    placement: Optional[Placement] = None


def inspect(
    model: Union[str, "os.PathLike[str]"], *, edgetpu: Optional[CompilerOptions] = None, place: Optional[Place] = None
) -> Inspection:
    """Reads a model file.

    Args:
      model: a `.tflite`, compiled for the Edge TPU or not.
      edgetpu: with these options its placement on the Edge TPU is predicted.
      place: the accelerator for which its placement is asked instead. With neither it is left out.

    Raises:
      ModelFormatError: missing, damaged, or no `.tflite`.
      MissingDependencyError, CompilerError: as `targets.judges.judge`.
    """
    path = os.fspath(model)
    graph = read_graph(path)
    metadata = read_metadata(graph)
    names = _names(path, graph, metadata or Metadata())
    if is_compiled(graph):
        compiled = read_compiled(path)
        twin = look_for_twin(path, compiled)
        contents = check_contents(compiled, twin.graph) if isinstance(twin, Twin) else None
        return Inspection(path, graph, metadata, names, compiled, twin, contents)
    asked = place or (Place(options=edgetpu) if edgetpu else None)
    return Inspection(path, graph, metadata, names, placement=judge(graph, asked) if asked else None)


def _names(path: str, graph: Graph, metadata: Metadata) -> Optional[Names]:
    try:
        classes = output_tensor(graph).elements
    except UnsupportedModelError:
        return None
    return find_names(Path(path), classes, metadata.labels)


def look_for_twin(path: str, compiled: CompiledModel) -> Union[Twin, EdgekitError]:
    """The CPU twin that would run in place of a compiled file, found as for running it; or why there is none."""
    try:
        return find_twin(path, compiled.graph)
    except EdgekitError as error:
        return error
