"""Which operations' parameters stay on the chip: they are laid onto its tiles in order, each whole or not at all.

A layer over an image is spread over all tiles. A dense one has a tile for each 64 outputs; compiler 16 takes the
emptiest ones (stacks of 5 and 6 layers), while stacks of 100 and more were seen with all of them on the first tiles.
"""

from typing import FrozenSet, List, Mapping

from edgekit.edgetpu.estimate.profiles import EDGE_TPU
from edgekit.edgetpu.estimate.work import Work

#: More dense layers than this all begin at the first tile; between 6 and 100 nothing was seen.
_DEEP = 32


def cached(works: Mapping[int, Work], *, free: float = 1.0) -> FrozenSet[int]:
    """The operations whose parameters stay on the chip between inferences.

    `free` is the share of the memory that is expected to be free which really is.
    """
    room = free * (EDGE_TPU.on_chip_bytes - taken(works)) / EDGE_TPU.tiles
    deep = sum(work.groups > 0 for work in works.values()) > _DEEP
    tiles, kept = [0.0] * EDGE_TPU.tiles, {index for index, work in works.items() if not work.on_chip_bytes}
    for index, work in sorted((index, work) for index, work in works.items() if work.on_chip_bytes):
        filled = _with(tiles, work, deep)
        if max(filled) <= room:
            kept.add(index)
            tiles = filled
    return frozenset(kept)


def taken(works: Mapping[int, Work]) -> int:
    """Bytes of the parameters' memory that the kernels' halos over large images take."""
    places = max((work.halo for work in works.values()), default=0.0)
    return int(min(places * EDGE_TPU.halo_bytes, EDGE_TPU.most_halo_bytes))


def _with(tiles: List[float], work: Work, deep: bool) -> List[float]:
    """Each tile's bytes with one more operation's."""
    if not work.groups:
        return [size + work.on_chip_bytes / len(tiles) for size in tiles]
    filled = list(tiles)
    for group in range(work.groups):
        place = group % len(tiles) if deep else filled.index(min(filled))
        filled[place] += work.on_chip_bytes / work.groups
    return filled
