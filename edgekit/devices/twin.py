"""The CPU twin: the file that a compiled model was made from, found beside it and checked to be that."""

import hashlib
import os
from pathlib import Path
from typing import List, Mapping, Optional, Sequence, Tuple, Union

from edgekit.errors import DeviceError
from edgekit.tflite.graph import Graph
from edgekit.tflite.metadata import read_metadata
from edgekit.tflite.reader import read_graph

_SUFFIX = "_edgetpu"


def cpu_twin(path: Union[str, Path]) -> Path:
    """Where the file that a compiled one was made from lies: `x_edgetpu.tflite` → `x.tflite`."""
    path = Path(path)
    stem = path.stem[: -len(_SUFFIX)] if path.stem.endswith(_SUFFIX) else path.stem
    return path.with_name(stem + path.suffix)


def read_twin(model: Union[str, Path, bytes], compiled: Graph) -> Tuple[Path, Graph]:
    """The CPU twin of a compiled model.

    It is known by its digest where the compiled file's metadata has one (`edgekit compile` writes it),
    else by inputs and outputs of the same names, shapes, types and quantization.

    Raises:
      DeviceError: there is none; it names the file to bring.
      ModelFormatError: the file is damaged.
    """
    if isinstance(model, bytes):
        raise DeviceError("The model is compiled for the Edge TPU; the CPU cannot run it.", "Open the uncompiled file.")
    record = _record(compiled)
    path = _twin_path(Path(model), record)
    if path is None or not os.path.isfile(str(path)):
        name = f", usually {path.name}, beside it" if path else ""
        raise DeviceError(
            f"{model} is compiled for the Edge TPU; the CPU cannot run it.",
            f"Bring the file it was compiled from{name}.",
        )
    twin = read_graph(path)
    difference = _difference(compiled, twin, record)
    if difference:
        raise DeviceError(
            f"{path} is not the model that {model} was compiled from: {difference}.",
            f"Bring the right one, or make a new pair with `edgekit compile {path.name}`.",
        )
    return path, twin


def matching_ends(compiled: Graph, twin: Graph) -> Tuple[Tuple[int, ...], Tuple[int, ...]]:
    """The twin's input and output tensors in the compiled model's order, which compilers do not keep."""
    inputs = _in_order(compiled, twin, compiled.inputs, twin.inputs)
    return inputs, _in_order(compiled, twin, compiled.outputs, twin.outputs)


def _record(compiled: Graph) -> Mapping[str, object]:
    metadata = read_metadata(compiled)
    record = metadata.provenance.get("edgetpu") if metadata else None
    return record if isinstance(record, dict) else {}


def _twin_path(model: Path, record: Mapping[str, object]) -> Optional[Path]:
    named = record.get("cpu_twin")
    # Only a name beside the model: a path in a file that somebody sent must not lead elsewhere.
    if isinstance(named, str) and named == Path(named).name and named.isprintable() and named not in ("", ".", ".."):
        return model.with_name(named)
    guess = cpu_twin(model)
    return guess if guess.name != model.name else None


def _difference(compiled: Graph, twin: Graph, record: Mapping[str, object]) -> str:
    digest = record.get("cpu_twin_sha256")
    if isinstance(digest, str):
        same = hashlib.sha256(twin.content).hexdigest() == digest
        return "" if same else "its content has changed since (SHA-256)"
    for what, theirs, ours in (
        ("inputs", compiled.inputs, twin.inputs),
        ("outputs", compiled.outputs, twin.outputs),
    ):
        if _described(compiled, theirs) != _described(twin, ours):
            return f"its {what} are others"
    return ""


def _described(graph: Graph, ends: Sequence[int]) -> List[Tuple[object, ...]]:
    tensors = [graph.tensors[index] for index in ends]
    return sorted((t.name, t.dtype, t.shape, str(t.quant)) for t in tensors)


def _in_order(compiled: Graph, twin: Graph, theirs: Sequence[int], ours: Sequence[int]) -> Tuple[int, ...]:
    places = {twin.tensors[index].name: index for index in ours}
    names = [compiled.tensors[index].name for index in theirs]
    # Without names of their own, the order is all there is.
    return tuple(places[name] for name in names) if set(names) == set(places) else tuple(ours)
