"""Features on disk: what was computed once for a network and an image is read the next time.

One small file for each image, a digest before its numbers: a file that is damaged or of another kind counts as none.
What was used longest ago goes first when the folder grows beyond its bound.
"""

import contextlib
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgekit.errors import OutputError
from edgekit.files import cache_folder, read_bytes, write_bytes

#: Most bytes of all features that are kept, for all networks.
MOST_BYTES = 1 << 30
_DIGEST = 16


@dataclass(frozen=True)
class FeatureCache:
    """Features by what they were computed from.

    Attributes:
      folder: where they are; None to keep none.
    """

    folder: Path | None

    def get(self, key: str, shape: tuple[int, ...]) -> np.ndarray | None:
        """float32 features of this shape, or None where there are none, or damaged ones."""
        if self.folder is None:
            return None
        path = self._path(key)
        try:
            content = read_bytes(path, _DIGEST + 4 * int(np.prod(shape)))
        except OSError:
            return None
        numbers = content[_DIGEST:]
        if len(numbers) != 4 * int(np.prod(shape)) or content[:_DIGEST] != _digest(key, numbers):
            return None
        with contextlib.suppress(OSError):  # used now: kept longer
            os.utime(path)
        return np.frombuffer(numbers, "<f4").reshape(shape)

    def put(self, key: str, features: np.ndarray) -> None:
        """Keeps float32 features, where there is room and leave to write."""
        if self.folder is None:
            return
        numbers = np.ascontiguousarray(features, "<f4").tobytes()
        with contextlib.suppress(OSError, OutputError):
            self._path(key).parent.mkdir(parents=True, exist_ok=True)
            write_bytes(self._path(key), _digest(key, numbers) + numbers)

    def prune(self, most: int = MOST_BYTES) -> None:
        """Deletes what was used longest ago until no more than `most` bytes are left."""
        if self.folder is None or not self.folder.is_dir():
            return
        entries = []
        for path in self.folder.glob("*/*"):
            with contextlib.suppress(OSError):
                status = path.stat()
                entries.append((status.st_mtime, status.st_size, path))
        total = 0
        for _, size, path in sorted(entries, reverse=True):
            total += size
            if total > most:
                with contextlib.suppress(OSError):
                    path.unlink()

    def _path(self, key: str) -> Path:
        assert self.folder is not None
        return self.folder / key[:2] / key[2:]


def usual_cache() -> FeatureCache:
    """The cache in edgekit's folder, where this user has one."""
    folder = cache_folder()
    return FeatureCache(folder / "features" if folder else None)


def _digest(key: str, numbers: bytes) -> bytes:
    return hashlib.blake2b(key.encode() + numbers, digest_size=_DIGEST).digest()
