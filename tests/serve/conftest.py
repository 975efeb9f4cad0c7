import io

import pytest
from PIL import Image
from starlette.testclient import TestClient

from edgekit.devices import Classifier
from edgekit.serve import Settings
from edgekit.serve.app import make_app
from edgekit.serve.model import ServedModel


def encoded(colour=(9, 200, 9), kind="PNG", size=(20, 10)):
    stream = io.BytesIO()
    Image.new("RGB", size, colour).save(stream, kind)
    return stream.getvalue()


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
