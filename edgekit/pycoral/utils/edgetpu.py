"""Opening models, asking for devices, and running a model on raw bytes."""

import ctypes
from pathlib import Path
from typing import Dict, List, Mapping, Optional, Tuple, Union

import numpy as np

from edgekit.devices.library import library_name
from edgekit.pycoral.delegate import edge_tpus, is_emulated, load_delegate
from edgekit.pycoral.interpreter import Interpreter
from edgekit.pycoral.runtime import Runnable, TensorDetails, check_ready, interpreters, invoke, set_input

__all__ = [
    "get_runtime_version",
    "invoke_with_bytes",
    "invoke_with_dmabuffer",
    "invoke_with_membuffer",
    "list_edge_tpus",
    "load_edgetpu_delegate",
    "make_interpreter",
    "run_inference",
    "set_verbosity",
    "supports_dmabuf",
]


def load_edgetpu_delegate(options: Optional[Mapping[str, object]] = None) -> object:
    """The Edge TPU's delegate, or its stand-in where no Edge TPU is attached.

    Args:
      options: as the delegate takes them; `device` as in `make_interpreter`.

    Raises:
      ValueError: "Failed to load delegate ...".
    """
    return load_delegate(library_name(), options or {})


def make_interpreter(
    model_path_or_content: Union[str, Path, bytes], device: Optional[str] = None, delegate: Optional[object] = None
) -> Runnable:
    """An interpreter of a model, on an Edge TPU where one is attached. Its tensors are to be allocated by the caller.

    Args:
      model_path_or_content: a path, or the file's bytes. A compiled model's twin is found by its path only.
      device: None for any Edge TPU; `:N` for the Nth; `usb`, `usb:N`, `pci`, `pci:N` for one on that bus.
        Beyond pycoral's: `cpu`, and `emulated` for the emulated Edge TPU.
      delegate: as `load_edgetpu_delegate` returns it; `device` is then ignored.

    Raises:
      ValueError: the model cannot be opened, or the device is there and cannot be used.
    """
    delegates = [delegate or load_edgetpu_delegate({"device": device} if device else {})]
    as_content = isinstance(model_path_or_content, bytes)
    given = {"model_content" if as_content else "model_path": model_path_or_content}
    interpreter: Runnable = Interpreter(**given, experimental_delegates=delegates)
    return interpreter


def list_edge_tpus() -> List[Dict[str, str]]:
    """The attached Edge TPUs, or the emulated ones: for each its `type`, "usb" or "pci", and its `path`."""
    return edge_tpus()


def get_runtime_version() -> str:
    """Version of the Edge TPU's library; without it, a text that says so."""
    library = _library()
    if library is None:
        return f"{library_name()} is not installed; models run on the CPU"
    library.edgetpu_version.restype = ctypes.c_char_p
    return (library.edgetpu_version() or b"").decode("utf-8", "replace")


def set_verbosity(verbosity: int) -> bool:
    """Sets how much the Edge TPU's library logs, from 0 to 10.

    Returns whether there is such a library; emulated Edge TPUs log nothing, and need none.
    """
    if is_emulated():
        return True
    library = _library()
    if library is not None:
        library.edgetpu_verbosity(ctypes.c_int(verbosity))
    return library is not None


def run_inference(interpreter: Runnable, input_data: object) -> None:
    """Runs a model on a raw input.

    Args:
      interpreter: whose tensors are allocated.
      input_data: the input tensor's elements as bytes, a 1-D array, a GStreamer buffer, or a tuple of a
        `ctypes.c_void_p` and a number of elements. Elements beyond the tensor's are ignored.

    Raises:
      ValueError: the input is too short.
      TypeError: it is of none of these types, or an array whose elements have another size.
      RuntimeError: the tensors are not allocated, or the model failed.
    """
    details = interpreter.get_input_details()[0]
    expected, handle = int(np.prod(details["shape"])), interpreter._native_handle()
    interpreters[handle] = interpreter
    if hasattr(input_data, "extract_dup") and hasattr(
        input_data, "get_size"
    ):  # a Gst.Buffer: its memory is mapped and copied in one call
        input_data = input_data.extract_dup(0, input_data.get_size())
    if isinstance(input_data, bytes):
        _check_size(len(input_data), expected)
        invoke_with_bytes(handle, input_data)
    elif isinstance(input_data, tuple) and _is_memory(input_data):
        pointer, size = input_data
        _check_size(size, expected)
        invoke_with_membuffer(handle, pointer.value or 0, expected)
    elif isinstance(input_data, np.ndarray) and input_data.itemsize == np.dtype(details["dtype"]).itemsize:
        _check_size(len(input_data), expected)
        elements = np.ascontiguousarray(input_data)
        invoke_with_membuffer(handle, elements.ctypes.data, expected)
    else:
        raise TypeError("input data type is not supported.")


def invoke_with_bytes(interpreter_handle: int, input_data: bytes) -> None:
    """Runs a model on the bytes of its input tensor.

    Args:
      interpreter_handle: `_native_handle()` of an interpreter that `make_interpreter` made.
      input_data: at least as many bytes as the tensor has.

    Raises:
      RuntimeError: too few bytes, the tensors are not allocated, or the model failed.
    """
    interpreter, details = _known(interpreter_handle)
    expected = int(np.prod(details["shape"]))
    size = expected * np.dtype(details["dtype"]).itemsize
    if len(input_data) < size:
        raise RuntimeError(f"Input buffer ({len(input_data)}) has fewer entries than model input tensor ({expected}).")
    tensor = np.frombuffer(input_data[:size], details["dtype"]).reshape(details["shape"])
    set_input(interpreter, details, tensor)
    invoke(interpreter)


def invoke_with_membuffer(interpreter_handle: int, buffer: int, size: int) -> None:
    """Runs a model on memory.

    Args:
      interpreter_handle: as in `invoke_with_bytes`.
      buffer: address of the input tensor's elements.
      size: how many elements there are.

    Raises:
      RuntimeError: as `invoke_with_bytes`.
    """
    _, details = _known(interpreter_handle)
    expected = int(np.prod(details["shape"]))
    if size < expected:
        raise RuntimeError(f"Input buffer ({size}) has fewer entries than model input tensor ({expected}).")
    invoke_with_bytes(interpreter_handle, ctypes.string_at(buffer, expected * np.dtype(details["dtype"]).itemsize))


def invoke_with_dmabuffer(interpreter_handle: int, dma_fd: int, size: int) -> None:
    """Refused with a RuntimeError: the interpreter's Python interface takes no dma-buf. See `supports_dmabuf`."""
    check_ready(_known(interpreter_handle)[0])
    raise RuntimeError(
        "edgekit passes no dma-buf to the Edge TPU: the interpreter's Python interface takes none. "
        "Map the buffer and use invoke_with_membuffer; supports_dmabuf says so beforehand."
    )


def supports_dmabuf(interpreter_handle: int) -> bool:
    """False: a dma-buf cannot be passed on, whatever the device is."""
    return False


def _library() -> Optional[ctypes.CDLL]:
    try:
        return ctypes.CDLL(library_name())
    except OSError:
        return None


def _known(handle: int) -> Tuple[Runnable, TensorDetails]:
    """The interpreter of a handle, and what its first input is."""
    if handle not in interpreters:
        raise RuntimeError("The handle belongs to no interpreter that make_interpreter made.")
    interpreter = interpreters[handle]
    return interpreter, interpreter.get_input_details()[0]


def _is_memory(data: Tuple[object, ...]) -> bool:
    return len(data) == 2 and isinstance(data[0], ctypes.c_void_p) and isinstance(data[1], int)


def _check_size(size: int, expected: int) -> None:
    if size < expected:
        raise ValueError(f"input size={size}, expected={expected}.")
