"""Clients that send slowly, in part or in masses, over real sockets: they keep nobody out and fill no log."""

import http.client
import logging
import socket
import time

import pytest

from edgekit.devices import Classifier
from edgekit.serve import connections
from edgekit.serve.connections import Connections, FewLines
from tests.support.images import encoded

HALF_A_HEAD = b"GET / HTTP/1.1\r\nX: "
HALF_A_BODY = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 90000\r\n\r\nbegin"


@pytest.fixture
def senders():
    """Opens connections that send the beginning of something: `senders(port, beginning, count)`."""
    opened = []

    def open_them(port, beginning, count):
        for _ in range(count):
            opened.append(socket.create_connection(("127.0.0.1", port), timeout=10))
            opened[-1].sendall(beginning)
        return opened

    yield open_them
    for each in opened:
        each.close()


def ask(port, path, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("POST" if body else "GET", path, body, {"Host": "localhost"})
        return connection.getresponse().status
    finally:
        connection.close()


def ended(connection):
    """Whether the server ended a connection; waits for that as long as the socket's own time."""
    try:
        return connection.recv(100) == b""
    except ConnectionError:
        return True


def test_half_sent_requests_do_not_make_it_deaf(port, senders):
    here = port()
    senders(here, HALF_A_HEAD, 60)
    assert ask(here, "/health") == 200


def test_slow_senders_keep_nobody_from_being_answered(port, senders):
    here = port()
    senders(here, HALF_A_BODY, 18)
    assert [ask(here, "/predict", encoded()) for _ in range(3)] == [200, 200, 200]


def test_a_connection_that_sends_nothing_is_ended(port, senders):
    (connection,) = senders(port(head_s=0.3), b"", 1)
    assert ended(connection)


@pytest.mark.parametrize("beginning", [HALF_A_HEAD, HALF_A_BODY])
def test_a_request_that_does_not_arrive_is_ended_however_it_drips(port, senders, beginning):
    (connection,) = senders(port(head_s=0.5, body_s=0.5), beginning, 1)
    deadline = time.monotonic() + 20
    with pytest.raises(OSError):  # a reset, once the server has gone
        while time.monotonic() < deadline:
            connection.sendall(b"y")
            time.sleep(0.05)
    assert time.monotonic() < deadline


def test_a_request_that_is_answered_slowly_is_not_ended(port, monkeypatch):
    slow = Classifier.classify
    monkeypatch.setattr(Classifier, "classify", lambda *args: time.sleep(1) or slow(*args))
    assert ask(port(head_s=0.3, body_s=0.3), "/predict", encoded()) == 200


class Held:
    """A connection as `Connections` sees one."""

    def __init__(self, host, *, is_arriving=True):
        self.host, self.is_arriving, self.dropped = host, is_arriving, False

    def drop(self):
        self.dropped = True


def test_the_client_that_holds_most_gives_way_and_requests_at_work_never_do():
    door = Connections(4)
    working, oldest, next_oldest = Held("a", is_arriving=False), Held("a"), Held("a")
    others = [Held("b"), Held("b")]
    for each in (working, oldest, next_oldest, *others):
        door.enter(each)
    assert oldest.dropped
    assert not any(each.dropped for each in (working, next_oldest, *others))


def test_where_all_are_at_work_the_newest_gives_way():
    door = Connections(2)
    working = [Held("a", is_arriving=False), Held("b", is_arriving=False)]
    newest = Held("c")
    for each in (*working, newest):
        door.enter(each)
    assert newest.dropped and not any(each.dropped for each in working)


def test_a_flood_of_log_lines_is_cut_and_counted(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(connections.time, "monotonic", lambda: now[0])
    few = FewLines(most=3, period_s=60)
    lines = [logging.LogRecord("x", 30, "", 0, "bad %s", (number,), None) for number in range(11)]
    assert [few.filter(line) for line in lines[:10]] == [True] * 3 + [False] * 7
    now[0] += 61
    assert few.filter(lines[10])
    assert lines[10].getMessage() == "bad 10 (7 lines before this were left out)"
