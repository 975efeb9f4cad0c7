"""What a request may bring: who may ask, how much, and which images."""

import asyncio
import contextlib
import hmac
from io import BytesIO
from typing import Callable, Iterator, Optional
from urllib.parse import urlsplit

from PIL import Image
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message, Receive

from edgekit.errors import ImageError
from edgekit.image import size_problem
from edgekit.serve.settings import is_loopback

#: Kinds of images taken from the network: what browsers and cameras write, through Pillow's most tried decoders.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")

#: Seconds in which an image must have arrived.
PATIENCE_S = 20.0


def check_caller(request: Request, token: Optional[str]) -> None:
    """Lets pass who knows the token; without one, whoever speaks to this machine by its own name.

    The second rule keeps out pages of other sites, which a browser on this machine may show: they can send
    requests to it (their Origin is another) or point a name of theirs at it (the Host is another).

    Raises HTTPException: 401 or 403.
    """
    if token is not None:
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), token.encode()):
            raise HTTPException(401, "A token is needed.", headers={"WWW-Authenticate": "Bearer"})
        return
    origin = request.headers.get("origin")
    if not is_loopback(_host(f"//{request.headers.get('host', '')}")):
        raise HTTPException(403, "Without a token only localhost is served.")
    if origin is not None and not is_loopback(_host(origin)):
        raise HTTPException(403, "Pages of other sites may not ask.")


def _host(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


class Arrivals:
    """How much of images that have not been answered is in memory, all requests together."""

    def __init__(self, most: int) -> None:
        """`most`: bytes that there may be."""
        self._most, self._bytes = most, 0

    @contextlib.contextmanager
    def share(self) -> Iterator[Callable[[int], None]]:
        """A function that counts bytes of one request until it ends; HTTPException 503 if there is no room."""
        counted = 0

        def count(size: int) -> None:
            nonlocal counted
            if self._bytes + size > self._most:
                raise busy()
            counted, self._bytes = counted + size, self._bytes + size

        try:
            yield count
        finally:
            self._bytes -= counted


def busy() -> HTTPException:
    """The answer where there is no room for a request."""
    return HTTPException(503, "Too many requests are waiting.", headers={"Retry-After": "1"})


async def read_image(request: Request, limit: int, count: Callable[[int], None]) -> bytes:
    """The image in a request, as its body or as the first file of a multipart form.

    `count` is told the size of each piece as it arrives, and may raise.

    Raises HTTPException: 400 without an image, 408 where it takes too long, 413 above `limit` bytes.
    """
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > limit:
        raise _too_large(limit)
    bounded = Request(request.scope, _bounded(request.receive, limit, count))
    try:
        image = await asyncio.wait_for(_content(bounded), PATIENCE_S)
    except ClientDisconnect:
        raise HTTPException(400, "The client went away.") from None
    except asyncio.TimeoutError:
        raise HTTPException(408, f"The image did not arrive within {PATIENCE_S:.0f} seconds.") from None
    if not image:
        raise HTTPException(400, "There is no image in the request.")
    return image


async def _content(request: Request) -> bytes:
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        return await request.body()
    async with request.form(max_files=1, max_fields=8) as form:
        for value in form.values():
            if isinstance(value, UploadFile):
                return await value.read()
    return b""


def _bounded(receive: Receive, limit: int, count: Callable[[int], None]) -> Receive:
    """The request's messages, counted while they arrive: a length that is announced need not be true."""
    received = 0

    async def counted() -> Message:
        nonlocal received
        message = await receive()
        size = len(message.get("body", b""))
        received += size
        if received > limit:
            raise _too_large(limit)
        count(size)
        return message

    return counted


def _too_large(limit: int) -> HTTPException:
    return HTTPException(413, f"The image is larger than {limit / 1e6:.3g} MB.")


def check_image(content: bytes) -> None:
    """Refuses by its first bytes what must not be decoded.

    Raises ImageError: no image of `FORMATS`, or one that is too large to decode.
    """
    try:
        with Image.open(BytesIO(content), formats=FORMATS) as image:
            problem = size_problem(image.size)
    except Exception as error:  # Pillow's readers raise whatever their formats do
        raise ImageError("This is not an image.", f"Send one of {', '.join(FORMATS)}.") from error
    if problem:
        raise ImageError(f"The image {problem}.")
