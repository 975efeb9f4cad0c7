"""The web application: a page, `/predict`, `/model`, `/reload`, `/health` and `/metrics`."""

import base64
import contextlib
import hashlib
import re
from dataclasses import asdict
from functools import partial, wraps
from pathlib import Path
from typing import AsyncIterator, Awaitable, Callable, Dict, Optional

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from edgekit.devices import Prediction
from edgekit.errors import DataError, EdgekitError, UsageError
from edgekit.preprocess import describe
from edgekit.serve.metrics import CONTENT_TYPE, Metrics
from edgekit.serve.model import BusyError, ServedModel
from edgekit.serve.requests import Arrivals, busy, check_caller, check_image, read_image
from edgekit.serve.settings import Settings

_PAGE = (Path(__file__).parent / "page.html").read_text(encoding="utf-8")

Endpoint = Callable[[Request], Awaitable[Response]]


def make_app(model: ServedModel, settings: Settings) -> Starlette:
    """The application. It owns the model: its shutdown closes it."""
    metrics = Metrics(lambda: model.pending)
    arrivals = Arrivals(model.places * settings.limit)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        model.close()

    def guarded(answer: Endpoint) -> Endpoint:
        """An endpoint for those who may ask."""

        async def endpoint(request: Request) -> Response:
            check_caller(request, settings.token)
            return await answer(request)

        return endpoint

    routes = [
        Route("/", _page),
        Route("/health", partial(_health, model)),
        Route("/model", guarded(partial(_describe, model, settings))),
        Route("/metrics", guarded(partial(_metrics, metrics))),
        Route("/reload", guarded(partial(_reload, model, settings)), methods=["POST"]),
        Route("/predict", _counted(guarded(partial(_predict, model, settings, arrivals)), metrics), methods=["POST"]),
    ]
    handlers: Dict[object, Callable[[Request, Exception], Awaitable[Response]]] = {
        EdgekitError: _told,
        HTTPException: _refused,
        Exception: _unexpected,
    }
    app = Starlette(routes=routes, exception_handlers=handlers, lifespan=lifespan)
    app.state.arrivals = arrivals
    return app


async def _page(request: Request) -> Response:
    return Response(_PAGE, media_type="text/html", headers=_page_headers())


def _page_headers() -> Dict[str, str]:
    """Only the page's own script and style run; it loads nothing from elsewhere and nobody may frame it."""
    policy = {
        "default-src": "'none'",
        "script-src": _digest("script"),
        "style-src": _digest("style"),
        "img-src": "'self' blob: data:",
        "media-src": "blob:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-cache",
    }


def _digest(tag: str) -> str:
    content = re.findall(rf"<{tag}>(.*?)</{tag}>", _PAGE, re.DOTALL)[0]
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


async def _health(model: ServedModel, request: Request) -> Response:
    return JSONResponse({"status": "ok", "device": model.classifier.device, "pending": model.pending})


async def _describe(model: ServedModel, settings: Settings, request: Request) -> Response:
    classifier = model.classifier
    about = {
        "name": settings.name,
        "device": classifier.device,
        "reason": classifier.reason,
        "input": list(classifier.spec.shape),
        "preprocessing": describe(classifier.spec),
        "labels": len(classifier.labels),
        "limit": settings.limit,
    }
    return JSONResponse(about)


async def _reload(model: ServedModel, settings: Settings, request: Request) -> Response:
    await model.reload()
    return await _describe(model, settings, request)


async def _metrics(metrics: Metrics, request: Request) -> Response:
    return Response(metrics.text(), headers={"Content-Type": CONTENT_TYPE})


async def _predict(model: ServedModel, settings: Settings, arrivals: Arrivals, request: Request) -> Response:
    k = _classes_asked(request)
    if model.is_full:
        raise busy()
    # A place is taken by an image that has arrived: who sends slowly keeps nobody else waiting.
    with arrivals.share() as share:
        image = await read_image(request, settings.limit, share)
        check_image(image)
        prediction = await _answer(model, image, k)
    request.state.latency = prediction.latency
    answer = {
        "device": prediction.device,
        "reason": prediction.reason,
        "predictions": [asdict(best) for best in prediction.classes],
        "latency_ms": asdict(prediction.latency),
    }
    return JSONResponse(answer)


async def _answer(model: ServedModel, image: bytes, k: int) -> Prediction:
    try:
        model.take_place()
    except BusyError:
        raise busy() from None
    try:
        return await model.classify(image, k)
    finally:
        model.free_place()


def _classes_asked(request: Request) -> int:
    text = request.query_params.get("k", "5")
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= 1000):
        raise UsageError("k must be a number from 1 to 1000.")
    return int(text[:6])


def _counted(endpoint: Endpoint, metrics: Metrics) -> Endpoint:
    """The endpoint, its answers counted by status and timed where they succeed."""

    @wraps(endpoint)
    async def counting(request: Request) -> Response:
        status = 500
        try:
            response = await endpoint(request)
            metrics.took(request.state.latency)
            status = response.status_code
            return response
        except HTTPException as error:
            status = error.status_code
            raise
        except EdgekitError as error:
            status = _status(error)
            raise
        finally:
            metrics.answers.labels(str(status)).inc()

    return counting


def _status(error: EdgekitError) -> int:
    if isinstance(error, DataError):
        return 415
    return 400 if isinstance(error, UsageError) else 500


async def _told(request: Request, error: Exception) -> Response:
    assert isinstance(error, EdgekitError)
    return _error(_status(error), error.kind, error.message, error.hint)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers) if error.headers else None
    return _error(error.status_code, "HTTPError", error.detail, None, headers=headers)


async def _unexpected(request: Request, error: Exception) -> Response:
    return _error(500, "InternalError", "Something unexpected went wrong; the server's log has it.", None)


def _error(
    status: int, kind: str, message: str, hint: Optional[str], *, headers: Optional[Dict[str, str]] = None
) -> Response:
    return JSONResponse({"error": kind, "message": message, "hint": hint}, status, headers)
