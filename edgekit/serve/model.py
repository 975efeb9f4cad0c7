"""The model behind the service: workers with an interpreter each, a bounded queue, replacement while it runs."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Callable

from edgekit.devices import Classifier, Prediction
from edgekit.errors import DeviceError, UsageError

# Seconds in which each worker must be free to open the model.
_PATIENCE_S = 60.0


class BusyError(Exception):
    """As many requests are waiting as may wait."""


class ServedModel:
    """Answers requests on a few threads and refuses those that would have to wait too long.

    All methods but `classify_now` are called on the event loop's thread.

    Attributes:
      classifier: the model of requests that start now.
      pending: requests that wait or are being answered.
      places: how many of them there may be.
    """

    def __init__(self, open_classifier: Callable[[], Classifier], *, workers: int, queue: int) -> None:
        """Opens the model.

        Args:
          open_classifier: opens it, now and at each reload.
          workers: requests answered at the same time.
          queue: requests that may wait beside them.
        """
        if workers < 1 or queue < 0:
            raise UsageError(f"{workers} workers with a queue of {queue} cannot answer requests.")
        self._open_classifier = open_classifier
        self._workers, self.places = workers, workers + queue
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="edgekit-serve")
        self._opening = threading.Lock()
        self.pending = 0
        self.classifier = self._opened()

    @property
    def is_full(self) -> bool:
        """Whether as many requests are waiting as may wait."""
        return self.pending >= self.places

    def take_place(self) -> None:
        """Reserves a place in the queue, to be freed with `free_place`. Raises BusyError where there is none."""
        if self.is_full:
            raise BusyError
        self.pending += 1

    def free_place(self) -> None:
        """Gives a place back."""
        self.pending -= 1

    async def classify(self, image: bytes, k: int) -> Prediction:
        """The answer, computed by one of the workers. Raises as `Classifier.classify`."""
        classifier = self.classifier
        return await asyncio.get_running_loop().run_in_executor(self._pool, lambda: classifier.classify(image, k))

    async def reload(self) -> None:
        """Opens the file anew. Requests under way end on the old model, which stays where this raises."""
        self.classifier = await asyncio.get_running_loop().run_in_executor(None, self._opened)

    def close(self) -> None:
        """Waits for the answers under way and frees the device."""
        self._pool.shutdown(wait=True)
        self.classifier.close()

    def _opened(self) -> Classifier:
        """A classifier with an interpreter in each worker: the file may be gone when a worker first needs one.

        One at a time: the workers that wait for each other must all wait for the same model.
        """
        with self._opening:
            classifier = self._open_classifier()
            self._warm_up(classifier)
        return classifier

    def _warm_up(self, classifier: Classifier) -> None:
        together = threading.Barrier(self._workers, timeout=_PATIENCE_S)

        def warm_up() -> None:
            together.wait()  # keeps each worker until all have come
            classifier.warm_up()

        try:
            for done in [self._pool.submit(warm_up) for _ in range(self._workers)]:
                done.result()
        except threading.BrokenBarrierError:
            raise DeviceError(f"A worker was not free within {_PATIENCE_S:g} seconds.", "Try again.") from None
