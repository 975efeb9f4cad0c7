"""The emulated Edge TPU: runs compiled models without the chip, for tests and CI.

A compiled file goes through the very path that a real one takes (delegate, custom ops, the ops left on
the CPU), but each `edgetpu-custom-op` is computed by the matching part of the model's CPU twin, found
by tensor names. The answers are the twin's, bit for bit.
"""

import itertools
import threading
import time
from dataclasses import dataclass
from typing import Dict, FrozenSet, Iterable, List, Optional, Sequence

import numpy as np

from edgekit.devices.emulator.native import NativeDelegate, Plan, check_interpreter
from edgekit.devices.interpreter import Interpreter, open_interpreter
from edgekit.edgetpu.estimate.estimate import estimate_work
from edgekit.edgetpu.estimate.profiles import HOSTS
from edgekit.edgetpu.estimate.work import op_work
from edgekit.errors import DeviceError, EdgekitError, ModelError, UsageError
from edgekit.tflite.graph import Graph, Op, Tensor
from edgekit.tflite.ops import EDGETPU_OP
from edgekit.tflite.part import extract, ops_between


@dataclass(frozen=True)
class Invocation:
    """One call of one custom op.

    Attributes:
      op: its index in the compiled model.
      ms: how long it took, the imitated latency included.
      failed: whether a fault was injected.
    """

    op: int
    ms: float
    failed: bool


class EmulatedEdgeTpu:
    """One emulated device; models opened on it share its faults and its record.

        tpu = EmulatedEdgeTpu(fail_at=[300])
        with Classifier("b0_int8_edgetpu.tflite", device=tpu) as classifier: ...

    Attributes:
      invocations: every call of a custom op, in order, failed ones included.
      attached: whether it is plugged in.
    """

    def __init__(self, *, host: Optional[str] = None, fail_at: Iterable[int] = (), hang_at: Iterable[int] = ()) -> None:
        """A device that is plugged in.

        Args:
          host: take at least as long as is estimated for this one of `edgetpu.profiles.HOSTS`.
          fail_at: numbers of calls, counted from 1, that fail.
          hang_at: numbers of calls that never return, until it is unplugged.

        Raises:
          UsageError: there is no such host.
        """
        if host is not None and host not in HOSTS:
            raise UsageError(f"There is no host {host!r}.", f"Hosts: {', '.join(HOSTS)}.")
        self.invocations: List[Invocation] = []
        self.attached = True
        self._numbers = itertools.count(1)  # counted by one step: calls of several threads never share a number
        self._host = host
        self._fail_at: FrozenSet[int] = frozenset(fail_at)
        self._hang_at: FrozenSet[int] = frozenset(hang_at)
        self._unplugged = threading.Event()

    def unplug(self) -> None:
        """From now on every call and every opening fails."""
        self.attached = False
        self._unplugged.set()

    def plug_in(self) -> None:
        """New models can be opened again; those opened before stay dead, as with a real device."""
        self.attached = True
        self._unplugged = threading.Event()

    def open(self, compiled: Graph, twin: Graph, *, threads: Optional[int] = None) -> Interpreter:
        """An interpreter of a compiled model whose custom ops this device computes.

        Raises:
          DeviceError: unplugged, the twin is another model, or the interpreter is of an unknown kind.
        """
        delegate = self.delegate(compiled, twin, threads=threads)
        try:
            return open_interpreter(compiled.content, threads=threads, delegates=[delegate])
        except ModelError as error:
            if isinstance(delegate.problem, EdgekitError):
                raise delegate.problem from None
            raise DeviceError(f"The interpreter refuses the emulated Edge TPU: {error.message}") from error

    def delegate(
        self, compiled: Graph, twin: Graph, *, threads: Optional[int] = None, package: Optional[str] = None
    ) -> NativeDelegate:
        """The delegate to be given to an interpreter of `compiled`. Raises as `open`.

        Args:
          package: the interpreter's, such as "tensorflow"; None for the one that edgekit itself uses.
        """
        if not self.attached:
            raise DeviceError("The emulated Edge TPU is unplugged.", "Call its plug_in().")
        check_interpreter(package)
        custom = [op for op in compiled.ops if op.custom == EDGETPU_OP]
        parts = {op.index: _Part(compiled, op, twin, threads=threads, host=self._host) for op in custom}
        return NativeDelegate(
            compiled, EDGETPU_OP, lambda taken, outputs: self._plan([parts[index] for index in taken], outputs)
        )

    def _plan(self, parts: Sequence["_Part"], outputs: Sequence[int]) -> Plan:
        """Neighbouring custom ops as one: what passes between them never leaves the delegate."""
        made = {index for part in parts for index in part.op.outputs}
        inputs = tuple(sorted({index for part in parts for index in part.inputs} - made))
        plugged_into = self._unplugged

        def run(arrays: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
            values: Dict[int, np.ndarray] = dict(zip(inputs, arrays))
            for part in parts:
                self._call(part, values, plugged_into)
            return [values[index] for index in outputs]

        return Plan(inputs, tuple(outputs), run)

    def _call(self, part: "_Part", values: Dict[int, np.ndarray], unplugged: threading.Event) -> None:
        number, start = next(self._numbers), time.perf_counter()
        if number in self._hang_at:
            unplugged.wait()
        failed = unplugged.is_set() or number in self._fail_at
        if not failed:
            values.update(part.run(values))
            time.sleep(max(0.0, part.latency_s - (time.perf_counter() - start)))
        self.invocations.append(Invocation(part.op.index, 1000 * (time.perf_counter() - start), failed))
        if failed:
            raise DeviceError(f"The emulated Edge TPU failed at call {number}.")


class _Part:
    """The part of the twin that one custom op of the compiled model stands for.

    Attributes:
      op: the custom op.
      inputs: the compiled model's tensors that are passed to it at run time.
      latency_s: how long a chip on the host is estimated to take, in seconds; 0.0 without a host.
    """

    def __init__(self, compiled: Graph, op: Op, twin: Graph, *, threads: Optional[int], host: Optional[str]) -> None:
        self.op = op
        self.inputs = tuple(i for i in op.inputs if _flows(compiled, i))
        self._ins = [_same_tensor(compiled.tensors[i], twin) for i in self.inputs]
        self._outs = [_same_tensor(compiled.tensors[i], twin) for i in op.outputs]
        try:
            self._interpreter = open_interpreter(extract(twin, self._ins, self._outs).content, threads=threads)
        except ModelError as error:
            raise _other_model(f"the part for op {op.index} cannot be cut out ({error.message})") from error
        self.latency_s = _estimate_ms(twin, self._ins, self._outs, host) / 1000 if host else 0.0

    def run(self, values: Dict[int, np.ndarray]) -> Dict[int, np.ndarray]:
        """Outputs by the compiled model's tensor indices."""
        for source, target in zip(self.inputs, self._ins):
            self._interpreter.set_tensor(target, values[source])
        self._interpreter.invoke()
        return {index: self._interpreter.get_tensor(out) for index, out in zip(self.op.outputs, self._outs)}


def _estimate_ms(twin: Graph, inputs: Sequence[int], outputs: Sequence[int], host: str) -> float:
    works = {op.index: op_work(twin, op) for op in ops_between(twin, inputs, outputs)}
    sent, fetched = (sum(twin.tensors[index].elements for index in ends) for ends in (inputs, outputs))
    return estimate_work(works, sent, fetched).latency[host].expected


def _flows(graph: Graph, index: int) -> bool:
    """Whether a tensor is passed at run time: no constant, no left-out input, no state kept by the op."""
    return index >= 0 and not graph.tensors[index].is_constant and not graph.tensors[index].is_variable


def _same_tensor(tensor: Tensor, twin: Graph) -> int:
    """Index of the twin's tensor of the same name, type and shape."""
    wanted = (tensor.name, tensor.dtype, tensor.shape)
    found = [other.index for other in twin.tensors if (other.name, other.dtype, other.shape) == wanted]
    if len(found) != 1:
        raise _other_model(f"it has {len(found)} tensors {tensor.name!r} of {tensor.dtype} {list(tensor.shape)}")
    return found[0]


def _other_model(reason: str) -> DeviceError:
    return DeviceError(f"The CPU twin does not match the compiled model: {reason}.", "Compile the model again.")
