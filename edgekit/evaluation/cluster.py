"""Spreading an evaluation over the machines of a Dask cluster. The only module that knows Dask.

The model travels to each worker once, images as the bytes of their files, a batch at a time, so that workers
need edgekit and nothing else: no shared folder, no copy of the data.
"""

import logging
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.devices.interpreter import allowed_cores
from edgekit.errors import DeviceError, EdgekitError
from edgekit.evaluation.answers import Answer, Subject, answer, read_image
from edgekit.install import not_importable

if TYPE_CHECKING:
    from distributed import Client, Future

#: Images in one task: enough to hide the network's delay, few enough to spread a small set evenly.
BATCH = 16
#: Seconds to wait for a scheduler's first word.
PATIENCE_S = 10

#: What a worker's thread keeps between tasks: the subject it opened last, and its classifier.
_opened = threading.local()


def spread(subject: Subject, paths: Iterable[Path], scheduler: str) -> Iterator[Answer]:
    """The answers to all images, in their order.

    Args:
      subject: the model.
      paths: the images, read on this machine.
      scheduler: address of a Dask scheduler, or "local" for a cluster of one process for each core.

    Raises:
      MissingDependencyError: Dask is not installed.
      DeviceError: no scheduler answers, it has no workers, or these fail.
    """
    try:
        with _client(scheduler) as client:
            yield from _in_order(client, subject, iter(paths))
    except EdgekitError:
        raise
    except Exception as error:  # Dask raises OSError, TimeoutError, KilledWorker, CommClosedError, ValueError …
        reason = (str(error) or type(error).__name__).splitlines()[0][:200].rstrip(".")
        raise DeviceError(
            f"The Dask cluster {scheduler!r} failed: {reason}.",
            "Is the scheduler's address right, has it workers, and have these the same edgekit installed?",
        ) from error


@contextmanager
def _client(scheduler: str) -> Iterator["Client"]:
    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise not_importable("Spreading an evaluation", "Dask", "cluster", error) from error
    if scheduler != "local":
        with Client(scheduler, timeout=PATIENCE_S, set_as_default=False) as client:
            yield client
        return
    options = {"threads_per_worker": 1, "dashboard_address": None, "silence_logs": logging.CRITICAL}
    with LocalCluster(allowed_cores(), **options) as cluster, Client(cluster, set_as_default=False) as client:
        yield client


def _in_order(client: "Client", subject: Subject, paths: Iterator[Path]) -> Iterator[Answer]:
    """Keeps every worker busy with one batch and one waiting; no more of the images is in memory at a time."""
    model = client.scatter(subject, broadcast=True, hash=False)
    limit = 2 * max(1, sum(client.nthreads().values()))
    pending: deque[Future] = deque()
    for batch in iter(lambda: list(islice(paths, BATCH)), []):
        # As the only item of a list: Dask would scatter the images of a bare list one by one.
        (data,) = client.scatter([[read_image(path) for path in batch]], hash=False)
        pending.append(client.submit(_answers, model, data, pure=False))
        if len(pending) == limit:
            yield from pending.popleft().result()
    while pending:
        yield from pending.popleft().result()


def _answers(subject: Subject, batch: list[bytes | Answer]) -> list[Answer]:
    """Runs on a worker."""
    if getattr(_opened, "subject", None) != subject:
        _opened.subject, _opened.classifier = subject, subject.open()
    return [item if isinstance(item, Answer) else answer(_opened.classifier, item) for item in batch]
