"""A model that goes on when its accelerator fails in mid-stream, and returns to it when that is back.

The CPU twin is opened beforehand: what has to work in an accident is not left to be found out then. A
call that never comes back is an accident too, so accelerated calls run in a thread of their own.
"""

import itertools
import logging
import queue
import threading
from concurrent.futures import Future, TimeoutError
from functools import partial
from time import perf_counter
from typing import Callable, Iterator, Optional, Sequence, Tuple, Union

import numpy as np

from edgekit.devices.opening import (
    Device,
    Model,
    OpenModel,
    falls_back,
    open_accelerated,
    open_model,
    open_twin,
)
from edgekit.errors import DeviceError, EdgekitError
from edgekit.tflite.graph import Graph
from edgekit.tflite.ops import is_compiled

_LOG = logging.getLogger("edgekit.devices")

#: Seconds between attempts to come back, the last one for all further ones.
BACK_OFF_S = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)

# A call is given up after this many seconds, or three times the longest one so far where that is more.
# The first one also loads firmware and parameters.
_PATIENCE_S, _FIRST_PATIENCE_S = 0.8, 30.0

# A device that has answered this often in a row is trusted again: the back-off starts anew.
_TRUSTED_AFTER = 100

Arrays = Tuple[np.ndarray, ...]


def open_steady(
    model: Model, *, device: Device = "auto", threads: Optional[int] = None
) -> Union[OpenModel, "SteadyModel"]:
    """As `open_model`; where the device may be replaced and the CPU twin is there, failures are survived.

    Raises as `open_model`.
    """
    opened = open_model(model, device=device, threads=threads)
    if opened.device == "cpu" or not falls_back(device) or not is_compiled(opened.graph):
        return opened
    graph = opened.graph
    try:
        standby = open_twin(model, graph, "the accelerator failed", threads=threads)
    except EdgekitError as error:
        _LOG.info("Without its CPU twin the model stops when its accelerator fails. %s", error)
        return opened
    return SteadyModel(opened, standby, lambda: open_accelerated(model, graph, device, threads=threads))


class SteadyModel:
    """Runs on an accelerator while that answers, and on its stand-in otherwise. One caller at a time.

    Both switches are logged as warnings of `edgekit.devices`, and told by `device` and `reason`.

    Attributes:
      graph, metadata: the accelerator's model, and what it says about itself.
      device, reason: where the last answer was computed, and why there.
    """

    def __init__(
        self,
        primary: OpenModel,
        standby: OpenModel,
        reopen: Callable[[], OpenModel],
        *,
        back_off: Sequence[float] = BACK_OFF_S,
    ) -> None:
        """`reopen` opens the accelerator again or raises EdgekitError; it is called in another thread."""
        self._closed, self._worker = threading.Event(), _Worker()
        self.graph, self.metadata = primary.graph, primary.metadata
        self.device, self.reason = primary.device, primary.reason
        self._primary: Optional[OpenModel] = primary
        self._standby, self._reopen = standby, reopen
        self._back_off, self._successes = tuple(back_off), 0
        self._delays = _delays(self._back_off)
        self._returned: queue.Queue[OpenModel] = queue.Queue()

    def run(self, *arrays: np.ndarray) -> Arrays:
        """The outputs for some inputs, from whichever device answers.

        Raises:
          DeviceError: the stand-in failed too, or the model is closed.
        """
        if self._closed.is_set():
            raise DeviceError("The model is closed.", "Open it again.")
        if self._primary is None and not self._returned.empty():
            self._come_back(self._returned.get())
        primary = self._primary  # which `close` takes away, perhaps in another thread
        if primary is not None:
            try:
                outputs = self._worker.call(primary.run, arrays)
                self._successes += 1
                return outputs
            except DeviceError as error:
                del primary  # or this frame would keep the device from being reopened
                if self._closed.is_set():
                    raise
                self._fall(error)
        return self._standby.run(*arrays)

    def close(self) -> None:
        """Frees the device and stops trying to come back."""
        self._closed.set()
        self._primary = None
        self._worker.stop()

    def __del__(self) -> None:
        self.close()

    def _fall(self, error: DeviceError) -> None:
        _LOG.warning("%s Going on on the CPU.", error.message)
        self.device, self.reason = self._standby.device, f"{self._standby.reason} ({error.message.rstrip('.')})"
        if self._successes >= _TRUSTED_AFTER:
            self._delays = _delays(self._back_off)
        self._primary, self._successes = None, 0
        self._worker.stop()
        # Not a method: a model that nobody holds any more must not live on for being revived.
        revive = partial(_revive, self._reopen, self._delays, closed=self._closed, returned=self._returned)
        threading.Thread(target=revive, name="edgekit-revive", daemon=True).start()

    def _come_back(self, primary: OpenModel) -> None:
        _LOG.warning("The device %s answers again.", primary.device)
        self._primary, self._worker = primary, _Worker()
        self.device, self.reason = primary.device, "it came back after a failure"


def _delays(back_off: Sequence[float]) -> Iterator[float]:
    """Seconds before each attempt, the last one for all further ones."""
    return itertools.chain(back_off, itertools.repeat(back_off[-1]))


def _revive(
    reopen: Callable[[], OpenModel],
    delays: Iterator[float],
    *,
    closed: threading.Event,
    returned: "queue.Queue[OpenModel]",
) -> None:
    """Opens the accelerator again and tries it once, so that no frame has to find out."""
    while not closed.wait(next(delays)):
        try:
            primary = reopen()
            primary.run(*(_zeros(primary.graph, index) for index in primary.inputs))
        except EdgekitError as error:
            _LOG.info("Still without the accelerator: %s", error.message)
            continue
        returned.put(primary)
        return


class _Worker:
    """A thread that runs calls one at a time, and can be left behind when one hangs."""

    def __init__(self) -> None:
        self._calls: queue.Queue[Optional[Tuple[Callable[..., Arrays], Arrays, Future[Arrays]]]] = queue.Queue()
        self._longest: Optional[float] = None
        self._stopped = False
        threading.Thread(target=self._serve, name="edgekit-device", daemon=True).start()

    def call(self, function: Callable[..., Arrays], arguments: Arrays) -> Arrays:
        """What the function returns. Raises DeviceError where it does not within reason, or the thread was ended."""
        patience = _FIRST_PATIENCE_S if self._longest is None else max(_PATIENCE_S, 3 * self._longest)
        answer: Future[Arrays] = Future()
        start = perf_counter()
        self._calls.put((function, arguments, answer))
        try:
            if self._stopped:  # looked at after `put`: whoever stops it later finds this call in the queue
                raise DeviceError("The model is closed.", "Open it again.")
            result = answer.result(timeout=patience)
        except TimeoutError:
            raise DeviceError(f"The device did not answer within {patience:.1f} seconds.") from None
        finally:
            # An exception keeps this frame: what is left in it would keep the device from being reopened.
            del function, arguments, answer
        self._longest = max(self._longest or 0.0, perf_counter() - start)
        return result

    def stop(self) -> None:
        """Ends the thread after the call it is in."""
        self._stopped = True
        self._calls.put(None)

    def _serve(self) -> None:
        while True:
            item = self._calls.get()
            if item is None:
                return
            function, arguments, answer = item
            try:
                answer.set_result(function(*arguments))
            except BaseException as error:
                answer.set_exception(error)
            # Nothing of the model may stay behind in this frame: its device must be free to be reopened.
            del item, function, arguments, answer


def _zeros(graph: Graph, index: int) -> np.ndarray:
    return np.zeros(graph.tensors[index].shape, graph.tensors[index].dtype)
