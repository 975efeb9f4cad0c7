"""A model cut into segments, each run by a thread of its own, so that several images are under way at once."""

import contextlib
import sys
import threading
import weakref
from queue import Empty, Queue
from typing import Dict, List, Mapping, NamedTuple, Optional, Sequence, Set

import numpy as np

from edgekit.pycoral.runtime import Runnable, TensorDetails, invoke, set_input

#: Tensor name → value.
Tensors = Dict[str, np.ndarray]

_OFF = "Pipeline was turned off before."
#: Comes after the last request; no thread waits for another one.
_END = None

# How long the end of the program waits for the runs that are under way.
_PATIENCE_S = 5.0


class PipelinedModelRunner:
    """Runs the segments of a model one after the other, several requests at a time.

        runner = PipelinedModelRunner([first, second])
        runner.push({"input": image})
        scores = runner.pop()["output"]
        runner.push({})     # no more to come: runner.pop() is None after the last result

    `push` and `pop` may be called from different threads.
    """

    def __init__(self, interpreters: Sequence[Runnable]) -> None:
        """Starts a thread for each segment.

        Args:
          interpreters: one for each segment, their tensors allocated; what a segment takes is an output of
            those before it, by name.

        Raises:
          ValueError: there are none, or a segment needs what no earlier one gives.
        """
        _check_segments(interpreters)
        self._interpreters = list(interpreters)
        self._inputs = {tensor["name"]: tensor for tensor in interpreters[0].get_input_details()}
        # One request waits between two segments: enough to keep both busy. The ends are unbounded.
        bounds = [sys.maxsize, *(1 for _ in interpreters[1:]), sys.maxsize]
        self._queues: List[Queue[Optional[Tensors]]] = [Queue(bound) for bound in bounds]
        self._errors: List[RuntimeError] = []
        self._lock, self._on = threading.Lock(), True
        needed = [_names(interpreter.get_input_details()) for interpreter in interpreters]
        segments = [
            _Segment(i, interpreter, set().union(*needed[i + 1 :]), *self._queues[i : i + 2])
            for i, interpreter in enumerate(interpreters)
        ]
        self._threads = [
            threading.Thread(target=_serve, args=(segment, self._errors), daemon=True) for segment in segments
        ]
        for thread in self._threads:
            thread.start()
        # Called when nobody holds the runner any more, or before Python itself is taken down at the program's end:
        # a thread that is inside the interpreter then would end the process.
        self._finalizer = weakref.finalize(self, _stop, self._queues, self._threads)

    def interpreters(self) -> List[Runnable]:
        """The segments' interpreters."""
        return self._interpreters

    def set_input_queue_size(self, size: int) -> None:
        """From `size` requests that wait for the first segment on, `push` waits too. Unlimited at first."""
        _bound(self._queues[0], size)

    def set_output_queue_size(self, size: int) -> None:
        """From `size` results that nobody fetches on, the last segment waits. Unlimited at first."""
        _bound(self._queues[-1], size)

    def push(self, input_tensors: Mapping[str, np.ndarray]) -> None:
        """Asks for a run.

        Args:
          input_tensors: the first segment's inputs by name; they are copied. {} says that no more will come,
            and returns when all segments have finished.

        Raises:
          ValueError: too few or too many inputs, or one of another name, type or size.
          RuntimeError: no more was to come, or a segment failed.
        """
        if input_tensors and len(input_tensors) != len(self._inputs):
            raise ValueError(f"Expected input of length {len(self._inputs)}, but got {len(input_tensors)}")
        request = {name: self._checked(name, tensor) for name, tensor in input_tensors.items()}
        with self._lock:
            self._raise_errors()
            if not self._on:
                raise RuntimeError(_OFF)
            self._queues[0].put(request or _END)
            if not request:
                self._turn_off()

    def pop(self) -> Optional[Tensors]:
        """Waits for the next result, in the order of the requests.

        Returns:
          The last segment's outputs by name; None where no more will come.

        Raises:
          RuntimeError: "Segment N runner error: ...".
        """
        result = self._queues[-1].get()
        if result is _END:
            self._queues[-1].put(_END)
            self._raise_errors()
        return result

    def _checked(self, name: str, tensor: np.ndarray) -> np.ndarray:
        if name not in self._inputs:
            raise ValueError(f"There is no input tensor {name!r}; there is {', '.join(self._inputs)}.")
        dtype, shape = self._inputs[name]["dtype"], self._inputs[name]["shape"]
        if not isinstance(tensor, np.ndarray) or tensor.dtype != dtype:
            raise ValueError(f"Input should be a list of numpy array of type {dtype}")
        if tensor.size != int(np.prod(shape)):
            raise ValueError(f"Input {name!r} has {tensor.size} elements, expected {int(np.prod(shape))}.")
        return tensor.reshape(shape).copy()

    def _raise_errors(self) -> None:
        if self._errors:
            self._on = False
            raise self._errors[0]

    def _turn_off(self) -> None:
        self._on = False
        for thread in self._threads:
            thread.join()


class _Segment(NamedTuple):
    """One segment; it knows nothing of the runner, so that a forgotten runner is deleted.

    Attributes:
      number: its place, from 0.
      interpreter: its tensors are allocated.
      later: names of the tensors that the segments after it need.
      source, target: where requests come from and results go.
    """

    number: int
    interpreter: Runnable
    later: Set[str]
    source: "Queue[Optional[Tensors]]"
    target: "Queue[Optional[Tensors]]"


def _serve(segment: _Segment, errors: List[RuntimeError]) -> None:
    """A thread's work. After an error it only makes room, so that nobody waits for some that never comes."""
    for tensors in iter(segment.source.get, _END):
        try:
            if not errors:
                segment.target.put(_run(segment, tensors))
        except Exception as error:
            errors.append(RuntimeError(f"Segment {segment.number} runner error: {error}"))
            segment.target.put(_END)
    segment.target.put(_END)


def _run(segment: _Segment, tensors: Tensors) -> Tensors:
    """The segment's outputs, and of what came in what is needed later."""
    interpreter = segment.interpreter
    for tensor in interpreter.get_input_details():
        set_input(interpreter, tensor, tensors[tensor["name"]])
    invoke(interpreter)
    passed = {name: value for name, value in tensors.items() if name in segment.later}
    outputs = interpreter.get_output_details()
    return {**passed, **{tensor["name"]: interpreter.get_tensor(tensor["index"]) for tensor in outputs}}


def _names(details: Sequence[TensorDetails]) -> Set[str]:
    return {tensor["name"] for tensor in details}


def _check_segments(interpreters: Sequence[Runnable]) -> None:
    if not interpreters:
        raise ValueError("At least one interpreter expected")
    given = _names(interpreters[0].get_input_details())
    for index, interpreter in enumerate(interpreters):
        if not _names(interpreter.get_input_details()) <= given:
            raise ValueError(f"Interpreter {index} can not get its input tensors")
        given |= _names(interpreter.get_output_details())


def _stop(queues: "List[Queue[Optional[Tensors]]]", threads: List[threading.Thread]) -> None:
    """Drops what nobody will fetch, and waits for the runs that are under way."""
    for queue in queues:
        _bound(queue, sys.maxsize)
    with contextlib.suppress(Empty):
        while True:
            queues[0].get_nowait()
    queues[0].put(_END)
    for thread in threads:
        if thread is not threading.current_thread():
            thread.join(_PATIENCE_S)


def _bound(queue: "Queue[Optional[Tensors]]", size: int) -> None:
    """Changes a queue's bound under way; who waits for room looks again. 0 takes it away."""
    with queue.mutex:
        queue.maxsize = size if size > 0 else sys.maxsize
        queue.not_full.notify_all()
