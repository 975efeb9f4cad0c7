"""How a service behaves, and who may ask it."""

import secrets
from dataclasses import dataclass
from typing import Optional

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Settings:
    """How a service behaves.

    Attributes:
      name: the model's, as the page shows it.
      host, port: where to listen.
      token: who asks must know it; None: only this machine may ask.
      workers: requests answered at the same time, each with an interpreter of its own.
      queue: requests that may wait beside those.
      limit: most bytes of an image.
    """

    name: str
    host: str = "127.0.0.1"
    port: int = 8000
    token: Optional[str] = None
    workers: int = 1
    queue: int = 16
    limit: int = 10_000_000


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    return host in _LOOPBACK


def new_token() -> str:
    """A token that nobody guesses."""
    return secrets.token_urlsafe(24)
