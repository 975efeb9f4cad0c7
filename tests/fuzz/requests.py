"""Damaged requests to a real server: after each it must still be alive and answer others."""

import contextlib
import http.client
import socket
import subprocess
import sys
import time
from random import Random

from tests.fuzz.bytewise import TEXTS, damaged
from tests.fuzz.models import damaged_model
from tests.fuzz.workshop import Workshop

_PATIENCE_S = 30.0


class Server:
    """`edgekit serve` in a process of its own, with a model that may be replaced."""

    def __init__(self, shop: Workshop) -> None:
        self.model = shop.write("served.tflite", shop.model.read_bytes())
        self.port = _free_port()
        command = [sys.executable, "-m", "edgekit", "serve", str(self.model), "--port", str(self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert self.process.stdout is not None
        self.process.stdout.readline()  # the address: it listens

    def close(self) -> None:
        """Ends it."""
        self.process.kill()
        self.process.wait()

    def send(self, request: bytes) -> bytes:
        """The beginning of the answer to raw bytes; b"" where none comes within a second."""
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
            connection.sendall(request)
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_WR)
            return connection.recv(4096)
        return b""

    def check(self) -> None:
        """Raises AssertionError where the server is dead or deaf."""
        end = time.monotonic() + _PATIENCE_S
        while True:
            assert self.process.poll() is None, f"the server ended with {self.process.returncode}"
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_PATIENCE_S)
            try:
                connection.request("GET", "/health")
                assert connection.getresponse().status == 200
                return
            except OSError as error:
                assert time.monotonic() < end, f"the server is deaf: {error}"
                time.sleep(0.2)
            finally:
                connection.close()


def request(random: Random, shop: Workshop, server: Server) -> None:
    """Sends one damaged request, or has a damaged model loaded, and looks after the server."""
    if random.random() < 0.3:
        content = shop.models[random.choice(list(shop.models))]
        server.model.write_bytes(damaged_model(random, content))
        answer = server.send(b"POST /reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
    else:
        answer = server.send(_damaged_request(random, shop))
    assert b"Traceback" not in answer and b"InternalError" not in answer, answer[-300:]
    server.check()


def _damaged_request(random: Random, shop: Workshop) -> bytes:
    body = random.choice((*shop.encoded.values(), b"", b"x" * 100, damaged(random, shop.encoded["png"])))
    length = random.choice((len(body), len(body), 0, -1, 10**18, "x", len(body) + 9))
    target = random.choice(("/predict", "/predict", "/predict?k=", "/metrics", "/model", "/", "/health", "/nowhere"))
    target += random.choice(("", "", *TEXTS[:4], "%00", "9" * 400))
    method, version = random.choice(("POST", "POST", "GET", "PUT", "X")), random.choice(("1.1", "1.1", "1.0", "9"))
    lines = [
        f"{method} {target} HTTP/{version}",
        f"Host: {random.choice(('localhost', 'localhost', '[', 'example.org', ''))}",
        f"Content-Length: {length}",
        random.choice(
            ("Content-Type: image/png", "Content-Type: multipart/form-data; boundary=", "X: y", "Expect: 100-continue")
        ),
        random.choice(
            ("Connection: close", "Transfer-Encoding: chunked", "Origin: http://[", "Authorization: Bearer \xff")
        ),
    ]
    head = "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n"
    return damaged(random, head + body) if random.random() < 0.4 else head + body


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
