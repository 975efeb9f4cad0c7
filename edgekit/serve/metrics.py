"""What the service counts, for Prometheus."""

from typing import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from edgekit.devices import Latency

#: Content type of what `Metrics.text` returns.
CONTENT_TYPE = CONTENT_TYPE_LATEST

# From the Edge TPU's 2 ms to a large float model on a small board.
_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class Metrics:
    """Counters of one service.

    Attributes:
      answers: requests for a prediction, by HTTP status.
    """

    def __init__(self, pending: Callable[[], float]) -> None:
        """Starts at zero; `pending` tells how many requests wait or are being answered."""
        self._registry = CollectorRegistry()
        name, of = "edgekit_requests", "Requests for a prediction, by HTTP status."
        self.answers = Counter(name, of, ["status"], registry=self._registry)
        name, of = "edgekit_latency_seconds", "Time of an answer, by its part."
        self._latency = Histogram(name, of, ["part"], buckets=_SECONDS, registry=self._registry)
        name, of = "edgekit_pending", "Requests that wait or are being answered."
        Gauge(name, of, registry=self._registry).set_function(pending)

    def took(self, latency: Latency) -> None:
        """Notes the parts of an answer's time."""
        for part in ("preprocess", "inference", "postprocess"):
            self._latency.labels(part).observe(getattr(latency, part) / 1000)

    def text(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self._registry)
