import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest
from click.testing import CliRunner

from edgekit.cli.serve import serve
from tests.support.build import colour_model
from tests.support.images import encoded


@pytest.fixture
def service(model_file):
    """Starts `edgekit serve`: `service(*options)` gives the process, the page's address and the token."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = []

    def start(*options):
        command = [sys.executable, "-m", "edgekit", "serve", str(model_file), "--port", str(port), "--json", *options]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        started.append(subprocess.Popen(command, text=True, **pipes))
        url = json.loads("".join(iter(started[0].stdout.readline, "}\n")) + "}")["url"]
        return started[0], f"http://127.0.0.1:{port}", url.partition("#token=")[2]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def _ask(url, body=None, token=""):
    request = urllib.request.Request(url, body, {"Authorization": f"Bearer {token}"} if token else {})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_answers_reloads_and_ends_cleanly(service, model_file, number):
    process, url, token = service()
    assert token == "" and _ask(f"{url}/predict?k=1", encoded())["predictions"][0]["label"] == "green"
    replacement = model_file.with_name("new")
    replacement.write_bytes(colour_model(("rot", "grün", "blau")))
    os.replace(replacement, model_file)
    process.send_signal(signal.SIGHUP)
    deadline = time.monotonic() + 10
    while _ask(f"{url}/predict?k=1", encoded())["predictions"][0]["label"] == "green" and time.monotonic() < deadline:
        time.sleep(0.05)
    assert _ask(f"{url}/predict?k=1", encoded())["predictions"][0]["label"] == "grün"
    process.send_signal(number)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 0 and "Traceback" not in errors


def test_open_to_others_it_makes_a_token(service):
    _, url, token = service("--host", "0.0.0.0")
    assert len(token) >= 32 and _ask(f"{url}/model", token=token)["name"] == "colours.tflite"
    with pytest.raises(urllib.error.HTTPError) as caught:
        _ask(f"{url}/model")
    assert caught.value.code == 401
    caught.value.close()


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        (["none.tflite"], "ModelFormatError"),
        (["colours.tflite", "--host", "256.0.0.1"], "UsageError"),
        (["colours.tflite", "--labels", "none.txt"], "DataError"),
        (["colours.tflite", "--port", "99999"], None),
    ],
)
def test_errors_are_told_in_words_and_in_json(monkeypatch, model_file, options, kind):
    monkeypatch.chdir(model_file.parent)
    result = CliRunner().invoke(serve, [*options, "--json"])
    assert result.exit_code == 2 and "Traceback" not in result.output
    assert kind is None or json.loads(result.stdout)["error"] == kind


def test_a_port_that_is_taken(monkeypatch, model_file):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        result = CliRunner().invoke(serve, [str(model_file), "--port", str(taken.getsockname()[1])])
    assert result.exit_code == 2 and "--port" in result.stderr


def test_where_the_class_names_are_from_is_said_at_the_start(model_file):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "edgekit", "serve", str(model_file), "--port", str(port)]
    with subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        first = process.stderr.readline()
        process.terminate()
        _, rest = process.communicate(timeout=20)
    assert first == "Class names: the model's own.\n" and "Class names" not in rest
