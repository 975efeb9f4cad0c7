"""Connections of clients that send slowly, in part, or in masses: bounded in time and in number.

uvicorn bounds neither how long a request takes to arrive nor how many connections wait for one; only how long a
connection may idle between two. So its protocol class is given two deadlines and a common list of connections.
"""

import asyncio
import logging
import time
from collections import Counter
from typing import Dict, Optional, Type

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

#: Seconds in which a request's head must have arrived, and then the rest of it.
HEAD_S, BODY_S = 10.0, 30.0

#: Connections at the same time; half of the files that the process may open, if that is less.
MOST = 400


class Connections:
    """The connections that are open, oldest first."""

    def __init__(self, most: int) -> None:
        """`most`: how many there may be at a time."""
        self._most = most
        self._open: Dict[BoundedProtocol, None] = {}

    def enter(self, newest: "BoundedProtocol") -> None:
        """Adds a connection. Where there are too many, one gives way whose request has not arrived.

        It is the oldest of the client that has most of them, so that no client keeps the others out.
        """
        self._open[newest] = None
        if len(self._open) > self._most:
            held = Counter(each.host for each in self._open)
            waiting = (each for each in self._open if each.is_arriving and each is not newest)
            max(waiting, key=lambda each: held[each.host], default=newest).drop()

    def leave(self, connection: "BoundedProtocol") -> None:
        """Takes a connection out, if it is among them."""
        self._open.pop(connection, None)


class BoundedProtocol(H11Protocol):
    """uvicorn's protocol, with deadlines for what arrives. Each server needs a class of its own: `bounded_protocol`."""

    open_connections: Connections
    _deadline: Optional[asyncio.TimerHandle] = None
    _has_head = False

    @property
    def host(self) -> str:
        """The client's address."""
        return self.client[0] if self.client else ""

    @property
    def is_arriving(self) -> bool:
        """Whether a request is awaited, or not all of it has arrived."""
        return self.conn.their_state in (h11.IDLE, h11.SEND_BODY)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Starts the time for the first request."""
        super().connection_made(transport)  # type: ignore[arg-type]
        self._wait(HEAD_S)
        self.open_connections.enter(self)

    def data_received(self, data: bytes) -> None:
        """Starts, changes or ends the time, by what is still to come."""
        super().data_received(data)
        has_head = self.conn.their_state is h11.SEND_BODY
        if not self.is_arriving:
            self._stop_waiting()
        elif self._deadline is None or has_head is not self._has_head:
            self._wait(BODY_S if has_head else HEAD_S)
        self._has_head = has_head

    def connection_lost(self, exc: Optional[Exception]) -> None:
        """Forgets the connection."""
        self._stop_waiting()
        self.open_connections.leave(self)
        super().connection_lost(exc)

    def drop(self) -> None:
        """Ends the connection at once."""
        self._stop_waiting()
        self.open_connections.leave(self)
        self.transport.abort()

    def _wait(self, seconds: float) -> None:
        self._stop_waiting()
        self._deadline = self.loop.call_later(seconds, self.drop)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def bounded_protocol() -> Type[BoundedProtocol]:
    """A protocol class for one server, whose connections are counted together."""
    most = min(MOST, _files() // 2)
    return type("ServerProtocol", (BoundedProtocol,), {"open_connections": Connections(most)})


def _files() -> int:
    """How many files the process may open."""
    try:
        import resource
    except ImportError:  # Windows, which has no such bound
        return 2 * MOST
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return 2 * MOST if soft == resource.RLIM_INFINITY else soft


class FewLines(logging.Filter):
    """Lets a few records a minute pass, and then says how many were left out: clients must not fill the disk."""

    def __init__(self, most: int = 20, period_s: float = 60.0) -> None:
        super().__init__()
        self._most, self._period_s = most, period_s
        self._begun, self._count = 0.0, 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record passes."""
        now = time.monotonic()
        if now - self._begun >= self._period_s:
            left_out = self._count - self._most
            self._begun, self._count = now, 0
            if left_out > 0:
                record.msg, record.args = f"{record.getMessage()} ({left_out} lines before this were left out)", ()
        self._count += 1
        return self._count <= self._most


def bound_logs() -> None:
    """Bounds what the server's own loggers write."""
    for name in ("uvicorn.error", "asyncio"):
        logger = logging.getLogger(name)
        if not any(isinstance(each, FewLines) for each in logger.filters):
            logger.addFilter(FewLines())
