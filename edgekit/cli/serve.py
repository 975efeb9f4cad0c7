"""`edgekit serve`: a model as a live page and an HTTP service."""

import socket
from pathlib import Path
from typing import Optional

import click

from edgekit.cli.common import command_options, echo_json
from edgekit.cli.settings import ModelChoice, model_options, opener, telling
from edgekit.terminal import echo


@click.command()
@model_options
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 for all.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535), help="Port to listen on.")
@click.option("--token", envvar="EDGEKIT_TOKEN", help="What callers must know [env: EDGEKIT_TOKEN].")
@command_options
def serve(choice: ModelChoice, host: str, port: int, token: Optional[str], as_json: bool, verbose: bool) -> None:
    """Serve MODEL as a live page, with /predict, /health and /metrics, until Ctrl-C.

    This machine alone is served, unless --host says otherwise: then callers need a token, yours or one
    that is made up and printed.
    """
    from edgekit.devices.interpreter import allowed_cores
    from edgekit.serve import Settings, is_loopback, new_token
    from edgekit.serve import serve as run

    if not token and not is_loopback(host):
        token = new_token()
    workers = allowed_cores() if choice.device in ("auto", "cpu") else 1
    run(
        opener(choice, threads=1) if as_json else telling(opener(choice, threads=1)),
        Settings(Path(choice.model).name, host, port, token or None, workers, queue=8 * workers),
        ready=lambda: _tell(_url(host, port, token), as_json),
    )


def _url(host: str, port: int, token: Optional[str]) -> str:
    """The page's address; the token stands behind «#», which browsers keep to themselves."""
    name = socket.gethostname() if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}/" + (f"#token={token}" if token else "")


def _tell(url: str, as_json: bool) -> None:
    echo_json({"url": url}) if as_json else echo(f"Serving on {url} (end with Ctrl-C)")
