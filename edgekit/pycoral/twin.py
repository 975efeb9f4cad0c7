"""What runs in place of a compiled model where no Edge TPU is: its CPU twin, or a segment's part of it."""

import re
from pathlib import Path
from typing import Sequence, Tuple, Union

from edgekit.devices.twin import cpu_twin, matching_ends, read_twin
from edgekit.errors import DeviceError
from edgekit.tflite.checks import check_graph
from edgekit.tflite.graph import Graph
from edgekit.tflite.part import extract
from edgekit.tflite.reader import read_graph

# What `edgetpu_compiler --num_segments` calls its files; the source's name comes first.
_SEGMENT = re.compile(r"(?P<name>.+)_segment_\d+_of_\d+_edgetpu")


def served_twin(model: Union[str, Path, bytes], compiled: Graph) -> Tuple[Path, Graph]:
    """The CPU twin of a compiled model, or its part where the model is one segment of a pipeline.

    Raises:
      DeviceError: there is none; it names the file to bring.
      ModelFormatError: the twin is damaged.
      MissingDependencyError: a segment's part has to be cut out, and ai-edge-litert is not installed.
    """
    segment = None if isinstance(model, bytes) else _SEGMENT.fullmatch(Path(model).stem)
    if segment is None or cpu_twin(str(model)).is_file():
        path, twin = read_twin(model, compiled)
    else:
        path, twin = _part(Path(str(model)).with_name(segment["name"] + ".tflite"), compiled)
    check_graph(twin)
    return path, twin


def served_content(compiled: Graph, twin: Graph) -> bytes:
    """The twin's file, its inputs and outputs in the compiled model's order: programs count on it."""
    from tflite.Model import Model

    inputs, outputs = matching_ends(compiled, twin)
    content = bytearray(twin.content)
    subgraph = Model.GetRootAs(content, 0).Subgraphs(0)
    # The arrays are views of the file: the lists keep their length, so that nothing else moves.
    for stored, ends in ((subgraph.InputsAsNumpy(), inputs), (subgraph.OutputsAsNumpy(), outputs)):
        if ends:
            stored[:] = ends
    return bytes(content)


def _part(path: Path, segment: Graph) -> Tuple[Path, Graph]:
    """What a segment computes, cut out of the whole model at `path`."""
    if not path.is_file():
        raise DeviceError(
            "The model is one segment of a pipeline, compiled for the Edge TPU; the CPU cannot run it.",
            f"Bring the whole model that it was cut from, usually {path.name}, beside it.",
        )
    whole = read_graph(path)
    inputs, outputs = (_same_names(segment, ends, whole, path=path) for ends in (segment.inputs, segment.outputs))
    return path, read_graph(extract(whole, inputs, outputs))


def _same_names(segment: Graph, ends: Sequence[int], whole: Graph, *, path: Path) -> Tuple[int, ...]:
    places = {tensor.name: tensor.index for tensor in whole.tensors}
    names = [segment.tensors[index].name for index in ends]
    missing = [name for name in names if name not in places]
    if missing:
        raise DeviceError(
            f"{path} is not the model that the segment was compiled from: it has no tensor {missing[0]!r}.",
            "Bring the right one.",
        )
    return tuple(places[name] for name in names)
