"""`edgekit serve`: a model as a live page and an HTTP service."""

import socket
from pathlib import Path
from typing import Optional

import click

from edgekit.cli.common import command_options, echo_json


@click.command()
@click.argument("model", type=click.Path())
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 for all.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535), help="Port to listen on.")
@click.option("--token", envvar="EDGEKIT_TOKEN", help="What callers must know [env: EDGEKIT_TOKEN].")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, edgetpu, usb:1, pci:0, emulated, ….")
@click.option("--labels", type=click.Path(), help="Text file of class names, in place of the model's own.")
@click.option("--preprocess", help="Scaling of pixels, in place of the model's own.")
@command_options
def serve(
    model: str,
    host: str,
    port: int,
    token: Optional[str],
    device: str,
    labels: Optional[str],
    preprocess: Optional[str],
    as_json: bool,
    verbose: bool,
) -> None:
    """Serve MODEL as a live page, with /predict, /health and /metrics, until Ctrl-C.

    This machine alone is served, unless --host says otherwise: then callers need a token, yours or one
    that is made up and printed.
    """
    from edgekit.devices import Classifier
    from edgekit.devices.interpreter import allowed_cores
    from edgekit.labels import read_labels
    from edgekit.serve import Settings, is_loopback, new_token
    from edgekit.serve import serve as run

    names = read_labels(labels) if labels else None
    if not token and not is_loopback(host):
        token = new_token()
    workers = allowed_cores() if device in ("auto", "cpu") else 1
    run(
        lambda: Classifier(model, device=device, threads=1, labels=names, preprocess=preprocess),
        Settings(Path(model).name, host, port, token or None, workers, queue=8 * workers),
        ready=lambda: _tell(_url(host, port, token), as_json),
    )


def _url(host: str, port: int, token: Optional[str]) -> str:
    """The page's address; the token stands behind «#», which browsers keep to themselves."""
    name = socket.gethostname() if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}/" + (f"#token={token}" if token else "")


def _tell(url: str, as_json: bool) -> None:
    echo_json({"url": url}) if as_json else click.echo(f"Serving on {url} (end with Ctrl-C)")
