"""A model as a page and an HTTP service: needs the extra `serve`."""

from edgekit.serve.run import serve
from edgekit.serve.settings import Settings, is_loopback, new_token

__all__ = ["Settings", "is_loopback", "new_token", "serve"]
