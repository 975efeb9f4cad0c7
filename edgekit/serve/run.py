"""Running the service until a signal ends it."""

import asyncio
import logging
import signal
import socket
from contextlib import closing
from typing import TYPE_CHECKING, Awaitable, Callable

from edgekit.devices import Classifier
from edgekit.errors import EdgekitError, UsageError
from edgekit.install import not_importable
from edgekit.serve.settings import Settings, is_loopback

if TYPE_CHECKING:
    import uvicorn

_LOG = logging.getLogger("edgekit.serve")

# Connections that wait to be accepted. So many are accepted at once, before any of them can be counted.
_BACKLOG = 64


def serve(
    open_classifier: Callable[[], Classifier], settings: Settings, *, ready: Callable[[], None] = lambda: None
) -> None:
    """Serves a model until SIGINT or SIGTERM; answers under way are finished first. SIGHUP reloads the model.

    To be called on the main thread, which alone gets signals.

    Args:
      open_classifier: opens the model, now and at each reload.
      settings: see there.
      ready: called when the model is open and the address taken.

    Raises:
      MissingDependencyError: the extra is not installed.
      UsageError: the address cannot be listened on, or is open to others and there is no token.
      EdgekitError: as Classifier, where the model cannot be opened.
    """
    try:
        import uvicorn

        from edgekit.serve.app import make_app
        from edgekit.serve.connections import bound_logs, bounded_protocol
        from edgekit.serve.model import ServedModel
    except ImportError as error:
        raise not_importable("The web server", error.name or "a package", "serve", error) from error
    if not settings.token and not is_loopback(settings.host):
        raise UsageError(f"{settings.host} is open to other machines; it needs a token.")
    with closing(_listen(settings.host, settings.port)) as listener:
        model = ServedModel(open_classifier, workers=settings.workers, queue=settings.queue)
        app = make_app(model, settings)
        config = uvicorn.Config(
            app,
            http=bounded_protocol(),
            ws="none",
            backlog=_BACKLOG,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=10,
        )
        bound_logs()
        for stop in (signal.SIGINT, signal.SIGTERM):  # uvicorn heeds them, and sends them on when it has finished
            signal.signal(stop, lambda number, frame: None)
        ready()
        asyncio.run(_until_stopped(uvicorn.Server(config), listener, model.reload))


def _listen(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)  # who is told that it is ready may connect at once
    except (OSError, OverflowError) as error:
        listener.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(
            f"{host}:{port} cannot be listened on: {reason}.", "Choose another --host or --port."
        ) from error
    return listener


async def _until_stopped(
    server: "uvicorn.Server", listener: socket.socket, reload: Callable[[], Awaitable[None]]
) -> None:
    async def try_reload() -> None:
        try:
            await reload()
            _LOG.warning("The model was loaded again.")
        except EdgekitError as error:
            _LOG.warning("The model was not loaded again; the old one goes on. %s", error)

    if hasattr(signal, "SIGHUP"):
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, lambda: asyncio.ensure_future(try_reload()))
    await server.serve(sockets=[listener])
