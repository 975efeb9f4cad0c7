"""A TFLite delegate written in Python: the C structures of `TfLiteDelegate` and its callbacks, through ctypes.

The interpreter hands such a delegate its graph; the delegate takes custom ops of one name and computes
them. The layouts are those of `tflite/core/c/common.h` (Apache-2.0) for 64-bit systems. They are no
public interface: `check_interpreter` lets only releases pass on which they were checked, and the
delegate reads every tensor of the model back before it believes them.
"""

import ctypes as c
import sys
from importlib import import_module
from typing import Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from edgekit.devices.interpreter import interpreter_package
from edgekit.errors import DeviceError, EdgekitError
from edgekit.tflite.graph import Graph, Tensor

#: Input arrays → output arrays, in the order of the `Plan` they belong to.
Kernel = Callable[[Sequence[np.ndarray]], Sequence[np.ndarray]]

#: Package of the interpreter → its releases on which the layouts were checked, on 64-bit x86.
KNOWN_RELEASES: Mapping[str, Tuple[str, ...]] = {"ai_edge_litert": ("2.1", "2.2", "2.3"), "tensorflow": ("2.21",)}

_OK, _ERROR = 0, 1
# Without this flag (kTfLiteDelegateFlagsAllowDynamicTensors) the ops are prepared before the delegate
# is asked, and a custom op that nobody knows ends it there.
_ALLOW_DYNAMIC = 1

#: Most tensors that a kernel adds.
_MOST_ADDED = 16

# TfLiteType numbers of the types that the Edge TPU's ops exchange.
_TYPE_CODES = {"float32": 1, "int32": 2, "uint8": 3, "int64": 4, "bool": 6, "int16": 7, "int8": 9}


class _Tensor(c.Structure):
    _fields_ = [
        ("type", c.c_int),
        ("data", c.c_void_p),
        ("dims", c.c_void_p),
        ("scale", c.c_float),
        ("zero_point", c.c_int),
        ("allocation_type", c.c_int),
        ("bytes", c.c_size_t),
        ("rest", c.c_uint8 * 64),
    ]


class _Node(c.Structure):
    _fields_ = [(name, c.c_void_p) for name in ("inputs", "outputs", "intermediates", "temporaries", "user_data")]


class _DelegateParams(c.Structure):
    _fields_ = [(name, c.c_void_p) for name in ("delegate", "nodes", "inputs", "outputs")]


_Init = c.CFUNCTYPE(c.c_void_p, c.c_void_p, c.c_void_p, c.c_size_t)
_Call = c.CFUNCTYPE(c.c_int, c.c_void_p, c.c_void_p)


class _Registration(c.Structure):
    _fields_ = [
        ("init", _Init),
        ("free", c.c_void_p),
        ("prepare", _Call),
        ("invoke", _Call),
        ("profiling_string", c.c_void_p),
        ("builtin_code", c.c_int),
        ("custom_name", c.c_char_p),
        ("version", c.c_int),
        ("external", c.c_void_p),
        ("async_kernel", c.c_void_p),
        ("inplace", c.c_uint64),
    ]


class _Context(c.Structure):
    _fields_ = [
        ("tensors_size", c.c_size_t),
        ("get_execution_plan", c.CFUNCTYPE(c.c_int, c.c_void_p, c.POINTER(c.c_void_p))),
        ("tensors", c.c_void_p),
        ("impl", c.c_void_p),
        ("resize_tensor", c.c_void_p),
        ("report_error", c.c_void_p),
        ("add_tensors", c.c_void_p),
        (
            "get_node",
            c.CFUNCTYPE(c.c_int, c.c_void_p, c.c_int, c.POINTER(c.c_void_p), c.POINTER(c.POINTER(_Registration))),
        ),
        ("replace_nodes", c.CFUNCTYPE(c.c_int, c.c_void_p, _Registration, c.c_void_p, c.c_void_p)),
    ]


class _Delegate(c.Structure):
    _fields_ = [
        ("data", c.c_void_p),
        ("prepare", _Call),
        ("buffer_functions", c.c_void_p * 3),
        ("flags", c.c_int64),
        ("opaque", c.c_void_p),
    ]


class Plan(NamedTuple):
    """How a run of neighbouring custom ops is computed.

    Attributes:
      inputs, outputs: tensor indices that the kernel takes and gives.
      kernel: computes it.
    """

    inputs: Tuple[int, ...]
    outputs: Tuple[int, ...]
    kernel: Kernel


def check_interpreter(package: Optional[str] = None) -> None:
    """Raises DeviceError where a package's interpreter, or the one edgekit uses, is none of `KNOWN_RELEASES`."""
    package = package or interpreter_package().__name__.split(".")[0]
    release = str(getattr(import_module(package), "__version__", "?"))
    if sys.maxsize < 2**32 or ".".join(release.split(".")[:2]) not in KNOWN_RELEASES.get(package, ()):
        known = "; ".join(f"{name} {', '.join(releases)}" for name, releases in KNOWN_RELEASES.items())
        raise DeviceError(
            f"The emulated Edge TPU does not know the interpreter {package} {release}.",
            f"It knows, on 64-bit systems: {known}.",
        )


class NativeDelegate:
    """Takes the custom ops named `custom` of one model and has them computed by kernels.

    To be given to an interpreter as one of its `experimental_delegates`, which keeps it alive.

    Attributes:
      problem: what went wrong in a callback last, or None. C knows numbers only, so that an exception
        has to be picked up here.
    """

    def __init__(self, graph: Graph, custom: str, make_plan: Callable[[List[int], List[int]], Plan]) -> None:
        """`make_plan` is asked once for each run of neighbouring custom ops.

        It gets the indices of the ops, and those of the tensors that others read.
        """
        self.problem: Optional[Exception] = None
        self._graph, self._custom, self._make_plan = graph, custom.encode(), make_plan
        self._plans: Dict[int, Plan] = {}
        self._registration = _Registration(
            init=_Init(self._guarded(self._init, 0)),
            prepare=_Call(lambda context, node: _OK),
            invoke=_Call(self._guarded(self._invoke, _ERROR)),
            builtin_code=0,
            custom_name=self._custom,
            version=1,
        )
        self._delegate = _Delegate(prepare=_Call(self._guarded(self._prepare, _ERROR)), flags=_ALLOW_DYNAMIC)

    def _get_native_delegate_pointer(self) -> int:
        return c.addressof(self._delegate)

    def _guarded(self, function: Callable[..., int], failure: int) -> Callable[..., int]:
        """No exception may leave a callback: there is nobody above it to catch one."""

        def run(*arguments: int) -> int:
            try:
                return function(*arguments)
            except Exception as error:
                self.problem = error.with_traceback(None)  # whose frames would keep the interpreter alive
                return failure

        return run

    def _prepare(self, address: int, delegate: int) -> int:
        context = _Context.from_address(address)
        _check_layout(context, self._graph)
        plan = c.c_void_p()
        context.get_execution_plan(address, c.byref(plan))
        mine = [index for index in _ints(plan.value) if self._name_of(context, address, index) == self._custom]
        if len(mine) != sum(op.custom == self._custom.decode() for op in self._graph.ops):
            raise _unknown_layout("its list of ops")
        nodes = (c.c_int * (len(mine) + 1))(len(mine), *mine)
        return int(context.replace_nodes(address, self._registration, c.addressof(nodes), delegate))

    def _name_of(self, context: _Context, address: int, index: int) -> bytes:
        node, registration = c.c_void_p(), c.POINTER(_Registration)()
        context.get_node(address, index, c.byref(node), c.byref(registration))
        return registration.contents.custom_name or b""

    def _init(self, address: int, parameters: int, length: int) -> int:
        run = _DelegateParams.from_address(parameters)
        key = len(self._plans) + 1
        self._plans[key] = self._make_plan(_ints(run.nodes), _ints(run.outputs))
        return key

    def _invoke(self, address: int, node: int) -> int:
        key = _Node.from_address(node).user_data
        if key not in self._plans:  # the kernel could not be made; `problem` says why
            return _ERROR
        plan = self._plans[key]
        tensors = _Context.from_address(address).tensors
        arrays = [_view(tensors, self._graph.tensors[index]).copy() for index in plan.inputs]
        for index, value in zip(plan.outputs, plan.kernel(arrays)):
            _view(tensors, self._graph.tensors[index])[...] = value
        return _OK


def _ints(address: Optional[int]) -> List[int]:
    """A TfLiteIntArray as a list; nothing where there is none."""
    if not address:
        return []
    size = c.c_int.from_address(address).value
    return list((c.c_int * size).from_address(address + c.sizeof(c.c_int)))


def _tensor_at(tensors: int, index: int) -> _Tensor:
    return _Tensor.from_address(tensors + index * c.sizeof(_Tensor))


def _view(tensors: int, tensor: Tensor) -> np.ndarray:
    """The interpreter's memory of a tensor, as an array."""
    raw = _tensor_at(tensors, tensor.index)
    memory = (c.c_uint8 * raw.bytes).from_address(raw.data)
    return np.frombuffer(memory, tensor.dtype).reshape(tensor.shape)


def _check_layout(context: _Context, graph: Graph) -> None:
    """Raises DeviceError unless every tensor reads back as the file has it.

    From the safest read to the boldest: a count, then plain numbers, then what a pointer leads to.
    """
    # Some kernels add tensors of their own before a delegate is asked, as that of a detection's boxes does.
    most = len(graph.tensors) + _MOST_ADDED * len(graph.ops)
    if not len(graph.tensors) <= context.tensors_size <= most or not context.tensors:
        raise _unknown_layout("its number of tensors")
    found = [_tensor_at(context.tensors, tensor.index) for tensor in graph.tensors]
    for tensor, raw in zip(graph.tensors, found):
        if not _reads_alike(tensor, raw):
            raise _unknown_layout(f"tensor {tensor.index}")
    for tensor, raw in zip(graph.tensors, found):
        if not raw.dims or tuple(_ints(raw.dims)) != tensor.shape:
            raise _unknown_layout(f"the shape of tensor {tensor.index}")


def _reads_alike(tensor: Tensor, raw: _Tensor) -> bool:
    """Whether type, scale and zero point are the file's, where these are known and one for the whole tensor."""
    if _TYPE_CODES.get(tensor.dtype, raw.type) != raw.type:
        return False
    if tensor.quant is None or tensor.quant.per_channel:
        return True
    (scale,), (zero_point,) = tensor.quant.scale, tensor.quant.zero_point
    return bool(raw.scale == np.float32(scale)) and raw.zero_point == zero_point


def _unknown_layout(what: str) -> EdgekitError:
    return DeviceError(
        f"The emulated Edge TPU does not know this interpreter's memory layout: {what} reads differently.",
        "Install one that it knows with: pip install 'ai-edge-litert>=2.1,<2.4'.",
    )
