"""The parameter bytes of a compiled file, as something to look for layers in."""

from typing import Dict, Iterator, List, NamedTuple, Optional, Sequence

import numpy as np

from edgekit.edgetpu.parameters.layout import ALIGNMENT


class Place(NamedTuple):
    """Where something lies: which executable's parameters, and from which byte."""

    blob: int
    start: int


class Store:
    """The parameters of each executable, what is taken of them and what is explained. Layers start at whole rows."""

    def __init__(self, blobs: Sequence[bytes]) -> None:
        """Nothing of `blobs` is taken yet."""
        self.blobs = tuple(blobs)
        self._taken = [np.zeros(-(-len(blob) // ALIGNMENT), bool) for blob in blobs]  # by row
        self._explained = [np.zeros(len(blob), bool) for blob in blobs]
        self._starts: Dict[bytes, List[Place]] = {}
        for number, blob in enumerate(blobs):
            for start in range(0, len(blob), ALIGNMENT):
                self._starts.setdefault(blob[start : start + ALIGNMENT], []).append(Place(number, start))

    @property
    def explained_bytes(self) -> int:
        """How many bytes are as a layer that was looked for has them."""
        return sum(int(explained.sum()) for explained in self._explained)

    def find(self, content: bytes) -> Optional[Place]:
        """Where these bytes begin, what is not taken before what is; None where they are nowhere."""
        places = [
            place
            for place in self._starts.get(content[:ALIGNMENT], ())
            if self.blobs[place.blob].startswith(content, place.start)
        ]
        return min(places, key=lambda place: bool(self._taken[place.blob][place.start // ALIGNMENT]), default=None)

    def at(self, place: Place, size: int) -> "np.ndarray[tuple[int], np.dtype[np.uint8]]":
        """The bytes at a place."""
        return np.frombuffer(self.blobs[place.blob], np.uint8, size, place.start)

    def take(self, place: Place, content: bytes) -> None:
        """Notes that this layer belongs here; what of it is there as it should be is explained."""
        part = slice(place.start, place.start + len(content))
        self._taken[place.blob][part.start // ALIGNMENT : part.stop // ALIGNMENT] = True
        self._explained[place.blob][part] |= self.at(place, len(content)) == np.frombuffer(content, np.uint8)

    def gaps(self, size: int) -> Iterator[Place]:
        """Where something of `size` bytes has room: both ends of each part that is not taken."""
        for number, taken in enumerate(self._taken):
            edges = np.flatnonzero(np.diff(np.concatenate([[True], taken, [True]]).astype(np.int8)))
            for start, end in zip((edges[::2] * ALIGNMENT).tolist(), (edges[1::2] * ALIGNMENT).tolist()):
                end = min(end, len(self.blobs[number]))
                if end - start >= size:
                    yield from (Place(number, first) for first in sorted({start, end - size}))
