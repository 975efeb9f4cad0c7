"""Opening a model on a device: which one was taken, and why."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Optional, Tuple, Union

import numpy as np

from edgekit.devices.admission import admit, admit_twin
from edgekit.devices.delegate import load_edgetpu
from edgekit.devices.discovery import attached
from edgekit.devices.emulator.emulated import EmulatedEdgeTpu
from edgekit.devices.interpreter import Interpreter, open_interpreter
from edgekit.devices.request import Request, parse_device
from edgekit.devices.trial import check_library
from edgekit.devices.twin import Twin, find_twin
from edgekit.errors import DeviceError, EdgekitError, UsageError
from edgekit.tflite.graph import Graph
from edgekit.tflite.metadata import Metadata, read_metadata
from edgekit.tflite.ops import EDGETPU_OP, is_compiled
from edgekit.tflite.reader import file_name, read_graph

#: A `.tflite` file, or its bytes.
Model = Union[str, Path, bytes]

#: A device string (`request.Request` has the forms), or an emulated Edge TPU: as "auto" on a machine
#: where that is the one attached.
Device = Union[str, EmulatedEdgeTpu]

#: Why a model runs where it does: `OpenModel.reason`.
REQUESTED = "it was requested"
EMULATED = "an emulated Edge TPU was requested; no hardware is involved"

_OLD_RUNTIME = re.compile(r"requires runtime version \((\d+)\)[^(]*\((\d+)\)")


@dataclass(frozen=True)
class OpenModel:
    """A model ready to run.

    Attributes:
      graph: what is in the file that runs.
      metadata: what it says about itself; the CPU twin's where the compiler has dropped its own.
      interpreter: runs it; tensors have the graph's indices.
      inputs, outputs: its tensors in the order of the file that was asked for.
      device: where it runs: "cpu", "emulated", "edgetpu", or the one asked for, such as "usb:1".
      reason: why there.
    """

    graph: Graph
    metadata: Metadata
    interpreter: Interpreter
    inputs: Tuple[int, ...]
    outputs: Tuple[int, ...]
    device: str
    reason: str

    def run(self, *arrays: np.ndarray) -> Tuple[np.ndarray, ...]:
        """The outputs for some inputs.

        Raises:
          UsageError: an input is of another shape or type than the model's.
          DeviceError: the device failed.
        """
        try:
            for index, array in zip(self.inputs, arrays):
                self.interpreter.set_tensor(index, array)
        except ValueError as error:
            raise UsageError(f"The model does not take this input: {error}") from error
        try:
            self.interpreter.invoke()
            return tuple([self.interpreter.get_tensor(index) for index in self.outputs])
        except (RuntimeError, ValueError) as error:
            reason = str(error).strip().rstrip(".")
            raise DeviceError(f"The model failed on the device {self.device}: {reason}.") from error

    def opener(self, threads: Optional[int]) -> Callable[[], "OpenModel"]:
        """What opens a model of the CPU once more, for another thread: it has been read, checked and admitted.

        It does not keep this one's interpreter alive.
        """
        graph, metadata, inputs, outputs, reason = self.graph, self.metadata, self.inputs, self.outputs, self.reason

        def opened() -> "OpenModel":
            interpreter = open_interpreter(graph.content, threads=threads)
            return OpenModel(graph, metadata, interpreter, inputs, outputs, "cpu", reason)

        return opened

    def close(self) -> None:
        """Nothing to do: the device is free when nobody holds the model any more."""


def open_model(model: Model, *, device: Device = "auto", threads: Optional[int] = None) -> OpenModel:
    """Reads, checks and opens a model on a device.

    With "auto" a compiled model runs on the Edge TPU where one is attached, else its CPU twin
    (`x.tflite` beside `x_edgetpu.tflite`) runs instead. Any other device is used or refused, never replaced.

    Raises:
      UsageError: there is no such device, or the model cannot run on it.
      ModelFormatError: the file is missing or damaged.
      DeviceError: no interpreter is installed, the device or its library is missing or fails, or there is
        no CPU twin where one is needed; it names the file to bring.
    """
    request = parse_device(device) if isinstance(device, str) else Request("auto", "auto")
    graph = read_graph(model)
    admit(graph, file_name(model))
    if not is_compiled(graph):
        return _open_plain(model, graph, request, threads)
    if request.kind == "cpu":
        return open_twin(model, graph, REQUESTED, threads=threads)
    if falls_back(device):
        return _open_best(model, graph, device, threads)
    return open_accelerated(model, graph, device, threads=threads)


def falls_back(device: Device) -> bool:
    """Whether the CPU twin may take over where this device is missing or fails."""
    return device == "auto" or isinstance(device, EmulatedEdgeTpu)


def open_accelerated(model: Model, graph: Graph, device: Device, *, threads: Optional[int] = None) -> OpenModel:
    """A compiled model on the accelerator that `device` names. Raises DeviceError where that fails."""
    if isinstance(device, EmulatedEdgeTpu):
        return _open_emulated(model, graph, device, threads)
    request = parse_device(device)
    if request.kind == "emulated":
        return _open_emulated(model, graph, EmulatedEdgeTpu(host=request.host), threads)
    return _open_edgetpu(model, graph, request, threads)


def open_twin(model: Model, graph: Graph, reason: str, *, threads: Optional[int] = None) -> OpenModel:
    """A compiled model's CPU twin, its inputs and outputs in the compiled model's order.

    Raises DeviceError where there is none.
    """
    twin = admit_twin(model, graph)
    reason = f"{reason}; the CPU twin {twin.path.name} runs instead"
    interpreter = open_interpreter(twin.graph.content, threads=threads, name=str(twin.path))
    return OpenModel(twin.graph, _metadata(graph, twin), interpreter, twin.inputs, twin.outputs, "cpu", reason)


def _open_plain(model: Model, graph: Graph, request: Request, threads: Optional[int]) -> OpenModel:
    if request.kind not in ("auto", "cpu"):
        raise UsageError(
            f"The model is not compiled for the Edge TPU; it cannot run on {request.text}.",
            "Compile it with `edgekit compile`, or use the device cpu or auto.",
        )
    reason = REQUESTED if request.kind == "cpu" else "the model is not compiled for an accelerator"
    metadata = read_metadata(graph) or Metadata()
    interpreter = open_interpreter(graph.content, threads=threads, name=file_name(model))
    return OpenModel(graph, metadata, interpreter, graph.inputs, graph.outputs, "cpu", reason)


def _open_best(model: Model, graph: Graph, device: Device, threads: Optional[int]) -> OpenModel:
    """The accelerator, or the twin where there is none or it fails; without a twin, the error says both."""
    failure = "no Edge TPU is attached"
    if isinstance(device, EmulatedEdgeTpu) or attached():
        try:
            return open_accelerated(model, graph, device, threads=threads)
        except DeviceError as error:
            failure = f"the Edge TPU could not be opened ({error.message.rstrip('.')})"
    try:
        return open_twin(model, graph, failure, threads=threads)
    except DeviceError as error:
        raise DeviceError(f"{error.message[:-1]}, and {failure}.", error.hint) from None


def _open_emulated(model: Model, graph: Graph, tpu: EmulatedEdgeTpu, threads: Optional[int]) -> OpenModel:
    twin = admit_twin(model, graph)
    interpreter = tpu.open(graph, twin.graph, threads=threads)
    reason = EMULATED
    return OpenModel(graph, _metadata(graph, twin), interpreter, graph.inputs, graph.outputs, "emulated", reason)


def _open_edgetpu(model: Model, graph: Graph, request: Request, threads: Optional[int]) -> OpenModel:
    options = request.options
    check_library(options.get("device", ""), None if isinstance(model, bytes) else str(model))
    delegate = load_edgetpu(options)
    try:
        interpreter = open_interpreter(graph.content, threads=threads, delegates=[delegate])
    except EdgekitError as error:
        raise _refused(error) from error
    reason = "an Edge TPU is attached" if request.kind == "auto" else REQUESTED
    metadata = read_metadata(graph) or _twins_metadata(model, graph)
    name = options.get("device", "edgetpu")
    return OpenModel(graph, metadata, interpreter, graph.inputs, graph.outputs, name, reason)


def _metadata(compiled: Graph, twin: Twin) -> Metadata:
    """What the compiled model says of itself, else its twin: the compiler drops labels and preprocessing."""
    return read_metadata(compiled) or read_metadata(twin.source) or Metadata()


def _twins_metadata(model: Model, graph: Graph) -> Metadata:
    """The twin's, where it lies beside the compiled model still."""
    try:
        return _metadata(graph, find_twin(model, graph))
    except EdgekitError:
        return Metadata()


def _refused(error: EdgekitError) -> DeviceError:
    old = _OLD_RUNTIME.search(error.message)
    if old:
        return DeviceError(
            f"The model needs Edge TPU runtime {old.group(1)}; the installed library has {old.group(2)}.",
            f"Install a newer libedgetpu, or compile with `--min-runtime {old.group(2)}`.",
        )
    reason = "its library did not take the model's part" if EDGETPU_OP in error.message else error.message.rstrip(".")
    return DeviceError(f"The Edge TPU refuses the model: {reason}.", "Run `edgekit doctor MODEL` for the reason.")
