import socket
import threading

import pytest
import uvicorn
from starlette.testclient import TestClient

from edgekit.devices import Classifier
from edgekit.serve import Settings, connections
from edgekit.serve.app import make_app
from edgekit.serve.connections import bounded_protocol
from edgekit.serve.model import ServedModel


@pytest.fixture
def served(model_file):
    """Opens the service: `served(token=…)` gives a client."""
    clients = []

    def open_it(*, workers=2, queue=4, **settings):
        model = ServedModel(lambda: Classifier(model_file, threads=1), workers=workers, queue=queue)
        app = make_app(model, Settings("colours.tflite", **settings))
        client = TestClient(app, base_url="http://localhost:8000", raise_server_exceptions=False)
        client.__enter__()
        clients.append(client)
        client.model = model
        return client

    yield open_it
    for client in clients:
        client.__exit__(None, None, None)


@pytest.fixture
def port(model_file, monkeypatch):
    """Serves on a port of this machine, with at most 20 connections and short deadlines: `port(head_s=…)`."""
    running = []

    def start(*, head_s=30.0, body_s=30.0):
        for name, value in (("HEAD_S", head_s), ("BODY_S", body_s), ("MOST", 20)):
            monkeypatch.setattr(connections, name, value)
        model = ServedModel(lambda: Classifier(model_file, threads=1), workers=1, queue=3)
        app = make_app(model, Settings("colours.tflite"))
        listener = socket.create_server(("127.0.0.1", 0))
        server = uvicorn.Server(
            uvicorn.Config(app, http=bounded_protocol(), log_level="warning", timeout_graceful_shutdown=1)
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        running.append((server, thread, listener))
        return listener.getsockname()[1]

    yield start
    for server, thread, listener in running:
        server.should_exit = True
        thread.join()
        listener.close()
