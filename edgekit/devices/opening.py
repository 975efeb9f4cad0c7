"""Opening a model on a device: which one was taken, and why."""

from dataclasses import dataclass
from pathlib import Path
from typing import Optional, Union

from edgekit.devices.interpreter import Interpreter, open_interpreter
from edgekit.errors import DeviceError, UsageError
from edgekit.tflite.checks import check_graph
from edgekit.tflite.graph import Graph
from edgekit.tflite.reader import read_graph

#: What a caller may ask for: "auto" takes the best device there is.
DEVICES = ("auto", "cpu")

#: The operator that the Edge TPU's compiler puts in place of everything it mapped.
EDGETPU_OP = "edgetpu-custom-op"


@dataclass(frozen=True)
class OpenModel:
    """A model ready to run.

    Attributes:
      graph: what is in the file.
      interpreter: runs it; tensors have the graph's indices.
      device: where it runs: "cpu".
      reason: why there.
    """

    graph: Graph
    interpreter: Interpreter
    device: str
    reason: str


def open_model(model: Union[str, Path, bytes], *, device: str = "auto", threads: Optional[int] = None) -> OpenModel:
    """Reads, checks and opens a model on a device of `DEVICES`.

    Raises:
      UsageError: there is no such device.
      ModelFormatError: the file is missing or damaged.
      DeviceError: no interpreter is installed, or the model is compiled for a device that is not there.
    """
    if device not in DEVICES:
        raise UsageError(f"There is no device {device!r}.", f"Devices: {', '.join(DEVICES)}.")
    graph = read_graph(model)
    if EDGETPU_OP in graph.op_counts():
        raise _compiled_for_edgetpu(model)
    check_graph(graph)
    reason = "it was asked for" if device == "cpu" else "the model is not compiled for an accelerator"
    return OpenModel(graph, open_interpreter(graph.content, threads=threads), "cpu", reason)


def cpu_twin(path: Union[str, Path]) -> Path:
    """Where the file that a compiled one was made from lies: `x_edgetpu.tflite` → `x.tflite`."""
    path = Path(path)
    stem = path.stem[: -len("_edgetpu")] if path.stem.endswith("_edgetpu") else path.stem
    return path.with_name(stem + path.suffix)


def _compiled_for_edgetpu(model: Union[str, Path, bytes]) -> DeviceError:
    if isinstance(model, bytes):
        return DeviceError(
            "The model is compiled for the Edge TPU; the CPU cannot run it.", "Open the uncompiled file."
        )
    twin = cpu_twin(model)
    known = twin.name != Path(model).name
    hint = (
        f"Open {twin}, which lies beside it."
        if known and twin.is_file()
        else (f"Bring the file it was compiled from{f', usually {twin.name}' if known else ''}, and open that.")
    )
    return DeviceError(f"{model} is compiled for the Edge TPU; the CPU cannot run it.", hint)
