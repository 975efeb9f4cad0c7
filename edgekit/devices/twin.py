"""The CPU twin: the model that a compiled one was made from, found beside it and checked to be that.

This is the only place where twins are looked for: opening, failover, inspect, doctor and pycoral's names all ask here.
"""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import List, Optional, Sequence, Tuple, Union

from edgekit.edgetpu.compiler.origin import Origin, read_origin
from edgekit.edgetpu.compiler.package import read_packages
from edgekit.edgetpu.parameters import check_contents
from edgekit.edgetpu.parameters import difference as other_contents
from edgekit.errors import DeviceError, ModelError, ModelFormatError
from edgekit.tflite.checks import check_graph
from edgekit.tflite.graph import Graph, Tensor
from edgekit.tflite.part import extract, ops_between
from edgekit.tflite.reader import read_graph

Ends = Tuple[int, ...]


@dataclass(frozen=True)
class Twin:
    """What the CPU runs in place of a compiled model.

    Attributes:
      path: the file of the model that the compiled one was made from.
      source: that model.
      graph: what computes the same as the compiled model: `source`, or for one segment of a pipeline its part.
      inputs, outputs: the graph's tensors in the compiled model's order, which compilers do not keep.
      source_ops: for each op of `graph` its index in `source`.
    """

    path: Path
    source: Graph
    graph: Graph
    inputs: Ends
    outputs: Ends
    source_ops: Tuple[int, ...]


def find_twin(model: Union[str, Path, bytes], compiled: Graph) -> Twin:
    """The CPU twin of a compiled model, checked to be sound.

    It is known by its digest where the compiled file's metadata has one (`edgekit compile` writes it),
    else by inputs and outputs of the same names, shapes, types and quantization, and for a segment by tensors
    like its inputs and outputs; its layers must then be the ones in the compiled file's parameters.

    Raises:
      DeviceError: there is none; it names the file to bring.
      ModelError: the file is damaged.
      MissingDependencyError: a segment's part has to be cut out, and ai-edge-litert is not installed.
    """
    if isinstance(model, bytes):
        raise DeviceError("The model is compiled for the Edge TPU; the CPU cannot run it.", "Open the uncompiled file.")
    origin = read_origin(model, compiled)
    paths = _present(Path(model), origin)
    if not paths:
        raise _missing(model, origin)
    refusals: List[DeviceError] = []
    for path in paths:
        try:
            return _checked(path, Path(model), compiled, origin)
        except DeviceError as error:
            refusals.append(error)
    raise refusals[0]


def twin_path(model: Union[str, Path], compiled: Graph) -> Optional[Path]:
    """The file beside a compiled model that should be its CPU twin, unread; None where there is none."""
    return next(iter(_present(Path(model), read_origin(model, compiled))), None)


def _present(model: Path, origin: Origin) -> List[Path]:
    # Whoever keeps the segments of several models in a folder, as Coral does, keeps the models in the one above.
    folders = [model.parent, model.parent / ".."] if origin.is_segment else [model.parent]
    paths = [folder / name for folder in folders for name in origin.names if name != model.name]
    return [path for path in paths if os.path.isfile(str(path))]


def _checked(path: Path, model: Path, compiled: Graph, origin: Origin) -> Twin:
    source = read_graph(path)
    check_graph(source, str(path))
    if origin.digest and hashlib.sha256(source.content).hexdigest() != origin.digest:
        raise _another(path, model, "its content has changed since (SHA-256)")
    difference = _difference(compiled, source)
    if not difference:
        twin = _whole(path, source, _in_order(compiled, compiled.inputs, source, source.inputs), compiled)
    elif origin.digest and _same_kinds(compiled, source) and not _found_in(compiled, source):
        twin = _whole(path, source, source.inputs, compiled)  # tensors renamed: the order is all there is
    elif origin.digest or origin.is_segment:
        twin = _part(path, model, compiled, source)
    else:
        raise _another(path, model, difference)
    inside = "" if origin.digest else _inside(model, compiled, twin.graph)
    if inside:
        raise _another(path, model, inside)
    return twin


def _inside(model: Path, compiled: Graph, graph: Graph) -> str:
    """What is in the compiled file of another model than this one; "" where nothing is, or nothing can be read."""
    try:
        return other_contents(check_contents(read_packages(compiled, str(model)), graph), graph)
    except ModelFormatError:  # told where the file is to be run
        return ""


def _whole(path: Path, source: Graph, inputs: Ends, compiled: Graph) -> Twin:
    outputs = _in_order(compiled, compiled.outputs, source, source.outputs)
    return Twin(path, source, source, inputs, outputs, tuple(range(len(source.ops))))


def _part(path: Path, model: Path, segment: Graph, source: Graph) -> Twin:
    """What a segment computes, cut out of the whole model."""
    for index in segment.inputs + segment.outputs:
        if _place(segment.tensors[index], source) is None:
            raise _another(path, model, f"it has no tensor {segment.tensors[index].name!r} like the segment's")
    inputs, outputs = _places(segment, segment.inputs, source), _places(segment, segment.outputs, source)
    try:
        part = extract(source, inputs, outputs)
        kept = tuple(op.index for op in ops_between(source, inputs, outputs))
    except ModelError as error:
        raise _another(path, model, f"the segment's part cannot be cut out ({error.message.rstrip('.')})") from error
    return Twin(path, source, part, inputs, outputs, kept)


def _difference(compiled: Graph, source: Graph) -> str:
    for what, theirs, ours in (
        ("inputs", compiled.inputs, source.inputs),
        ("outputs", compiled.outputs, source.outputs),
    ):
        if _described(compiled, theirs) != _described(source, ours):
            return f"its {what} are others"
    return ""


def _described(graph: Graph, ends: Sequence[int]) -> List[Tuple[object, ...]]:
    tensors = [graph.tensors[index] for index in ends]
    return sorted((t.name, t.dtype, t.shape, str(t.quant)) for t in tensors)


def _same_kinds(compiled: Graph, source: Graph) -> bool:
    """Whether inputs and outputs agree in order, in all but their names."""
    ends = [
        [(graph.tensors[index].dtype, graph.tensors[index].shape) for index in graph.inputs + graph.outputs]
        for graph in (compiled, source)
    ]
    return ends[0] == ends[1] and len(compiled.inputs) == len(source.inputs)


def _found_in(compiled: Graph, source: Graph) -> bool:
    """Whether the source has a tensor like each input and output."""
    return all(_place(compiled.tensors[index], source) is not None for index in compiled.inputs + compiled.outputs)


def _place(tensor: Tensor, source: Graph) -> Optional[int]:
    """Index of the source's only tensor of the same name, type and shape."""
    wanted = (tensor.name, tensor.dtype, tensor.shape)
    found = [other.index for other in source.tensors if (other.name, other.dtype, other.shape) == wanted]
    return found[0] if len(found) == 1 else None


def _places(segment: Graph, ends: Sequence[int], source: Graph) -> Ends:
    found = (_place(segment.tensors[index], source) for index in ends)
    return tuple(place for place in found if place is not None)


def _in_order(compiled: Graph, theirs: Sequence[int], source: Graph, ours: Sequence[int]) -> Ends:
    places = {source.tensors[index].name: index for index in ours}
    names = [compiled.tensors[index].name for index in theirs]
    # Without names of their own, the order is all there is.
    return tuple(places[name] for name in names) if set(names) == set(places) else tuple(ours)


def _missing(model: Union[str, Path], origin: Origin) -> DeviceError:
    if origin.is_segment:
        return DeviceError(
            f"{model} is one segment of a pipeline, compiled for the Edge TPU; the CPU cannot run it.",
            f"Bring the whole model that it was cut from, usually {origin.names[0]}, beside it or in the folder above.",
        )
    name = f", usually {origin.names[0]}, beside it" if origin.names else ""
    return DeviceError(
        f"{model} is compiled for the Edge TPU; the CPU cannot run it.", f"Bring the file it was compiled from{name}."
    )


def _another(path: Path, model: Path, difference: str) -> DeviceError:
    return DeviceError(
        f"{path} is not the model that {model} was compiled from: {difference}.",
        f"Bring the right one, or make a new pair with `edgekit compile {path.name}`.",
    )
