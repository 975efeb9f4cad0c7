"""Whether a compiled file holds a model's layers, and which it does not: «retrained, not compiled again» is silent.

A layer is looked for in every layout that is known. One that is found is the model's to the last bit. One that is not
is compared with what lies where it has room; where most of it is there, what differs is counted.
"""

from dataclasses import dataclass, replace
from typing import Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from edgekit.edgetpu.compiler.package import CompiledModel, mapped_ops
from edgekit.edgetpu.parameters.constants import constants
from edgekit.edgetpu.parameters.layer import LayerParameters, layer_parameters
from edgekit.edgetpu.parameters.layout import BIASES, MULTIPLIERS, WEIGHTS, Section, layouts, sections
from edgekit.edgetpu.parameters.store import Place, Store
from edgekit.tflite.graph import Graph, Op

#: What became of a layer: found to the last bit; found but for some numbers; found but for its output's scale, as where
#: a model was calibrated again; not found.
SAME, DIFFERS, RESCALED, MISSING = "same", "differs", "rescaled", "missing"

_ITEM_BYTES = {WEIGHTS: 1, BIASES: 4, MULTIPLIERS: 4}

# Of a layer at its place with other numbers in it, at least this share of bytes is as it should be.
_MOSTLY = 0.5


@dataclass(frozen=True)
class LayerCheck:
    """One layer of the model, looked for in the compiled file.

    Attributes:
      op: the model's op.
      status: SAME, DIFFERS, RESCALED or MISSING.
      changed: kind of numbers → how many of them differ.
    """

    op: Op
    status: str
    changed: Tuple[Tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Contents:
    """What of a compiled file's parameters comes from a model.

    Attributes:
      layers: one for each layer that the Edge TPU runs, in the model's order.
      explained_bytes: parameter bytes that are the model's.
      total_bytes: all parameter bytes.
    """

    layers: Tuple[LayerCheck, ...]
    explained_bytes: int
    total_bytes: int

    @property
    def same(self) -> bool:
        """Whether every layer was found to the last bit."""
        return bool(self.layers) and all(layer.status == SAME for layer in self.layers)

    @property
    def differs(self) -> bool:
        """Whether the model is another one: numbers differ, or most of its layers are not there.

        A few that are missing may lie in a layout that is not known; other output scales alone are the same training.
        """
        missing = sum(layer.status == MISSING for layer in self.layers)
        return any(layer.status == DIFFERS for layer in self.layers) or 2 * missing > len(self.layers)

    @property
    def others(self) -> Tuple[LayerCheck, ...]:
        """The layers that were not found as they are."""
        return tuple(layer for layer in self.layers if layer.status != SAME)


def check_contents(compiled: CompiledModel, twin: Graph) -> Contents:
    """Looks for each layer of `twin` that the Edge TPU runs in the compiled file's parameters."""
    blobs = [executable.parameters for op in compiled.edgetpu_ops for executable in op.packages[0].executables]
    store = Store([blob for blob in blobs if blob])
    mapped = mapped_ops(compiled, twin)
    parameters = ((op, layer_parameters(twin, op)) for op in mapped)
    layers = [(op, layer) for op, layer in parameters if layer is not None]
    there = {op.index for op, layer in layers if _found(layer, store)}  # first all of these: the gaps are the others'
    for content in (content for op in mapped for content in constants(twin, op)):
        _take([(store.find(content), _Piece((Section("", content),)))], store)
    checks = tuple(LayerCheck(op, SAME) if op.index in there else _nearest(op, layer, store) for op, layer in layers)
    return Contents(checks, store.explained_bytes, sum(map(len, blobs)))


def _found(layer: LayerParameters, store: Store) -> bool:
    """Whether a layer is there to the last bit, in one piece or with its weights apart."""
    return any(
        _take([(store.find(piece.content), piece) for piece in pieces], store)
        for layout in layouts(layer)
        for pieces in _pieces(sections(layer, layout), store)
    )


def _take(placed: "Sequence[Tuple[Optional[Place], _Piece]]", store: Store) -> bool:
    if not placed or any(place is None for place, _ in placed):
        return False
    for place, piece in placed:
        if place is not None:
            store.take(place, piece.content)
    return True


class _Piece(NamedTuple):
    """Sections that lie side by side."""

    parts: Tuple[Section, ...]

    @property
    def content(self) -> bytes:
        return b"".join(part.content for part in self.parts)


def _pieces(parts: Sequence[Section], store: Store) -> Iterator[Tuple[_Piece, ...]]:
    """How a layer may be parted: not at all; or weights that are streamed, and a head that is cached."""
    yield (_Piece(tuple(parts)),)
    if len(store.blobs) > 1:
        weights = _Piece(tuple(part for part in parts if part.kind == WEIGHTS))
        head = _Piece(tuple(part for part in parts if part.kind != WEIGHTS))
        yield (weights, head) if head.content else (weights,)


def _nearest(op: Op, layer: LayerParameters, store: Store) -> LayerCheck:
    """A layer that is not there as it is, compared with what lies where it has room."""
    best = _best(layer, store)
    # Where all biases were 0 when it was compiled, none may be stored.
    bare = replace(layer, biases=np.zeros_like(layer.biases))
    without = _best(bare, store) if layer.biases.any() else []
    if not best and not without:
        return LayerCheck(op, MISSING)
    fewer = _share(without) > _share(best)
    changed = _changed(without if fewer else best, store)
    if fewer:
        changed[BIASES] = int(np.count_nonzero(layer.biases))
    for found in without if fewer else best:
        store.take(found.place, found.piece.content)
    rescaled = set(changed) == {MULTIPLIERS} and changed[MULTIPLIERS] >= layer.outputs
    return LayerCheck(op, RESCALED if rescaled else DIFFERS, tuple(changed.items()))


def _best(layer: LayerParameters, store: Store) -> "List[_Near]":
    """The layout and places at which most of a layer is there; [] where none has enough of it."""
    best: List[_Near] = []
    for layout in layouts(layer):
        for pieces in _pieces(sections(layer, layout), store):
            near = [found for found in (_closest(piece, store) for piece in pieces) if found is not None]
            if len(near) == len(pieces) and _share(near) > max(_MOSTLY, _share(best)):
                best = near
    return best


class _Near(NamedTuple):
    """A piece, where it may belong, and how many of its bytes are there."""

    piece: _Piece
    place: Place
    equal: int


def _closest(piece: _Piece, store: Store) -> Optional[_Near]:
    content = piece.content
    known = store.find(content)
    if known is not None:
        return _Near(piece, known, len(content))
    wanted = np.frombuffer(content, np.uint8)
    tried = (_Near(piece, place, _equal(wanted, store, place)) for place in store.gaps(len(content)))
    return max(tried, key=lambda near: near.equal, default=None)


def _equal(wanted: np.ndarray, store: Store, place: Place) -> int:
    return int((wanted == store.at(place, len(wanted))).sum())


def _share(near: Sequence[_Near]) -> float:
    return sum(one.equal for one in near) / max(1, sum(len(one.piece.content) for one in near))


def _changed(found: Sequence[_Near], store: Store) -> Dict[str, int]:
    """How many numbers of each kind are others."""
    counts: Dict[str, int] = {}
    for near in found:
        start = near.place.start
        for part in near.piece.parts:
            there = store.at(Place(near.place.blob, start), len(part.content))
            start += len(part.content)
            item = np.dtype(f"V{_ITEM_BYTES.get(part.kind, 1)}")
            count = int((there.view(item) != np.frombuffer(part.content, item)).sum())
            if count and part.kind in _ITEM_BYTES:
                counts[part.kind] = counts.get(part.kind, 0) + count
    return counts


def difference(contents: Contents, model: Graph) -> str:
    """What the compiled file holds otherwise than the model, in a few words; "" where it does not differ."""
    if not contents.differs:
        return ""
    changed = [layer for layer in contents.layers if layer.status == DIFFERS]
    missing = sum(layer.status == MISSING for layer in contents.layers)
    said = [_told(layer, model) for layer in changed[:_NAMED]]
    said += [f"{len(changed) - _NAMED} more layers differ"] if len(changed) > _NAMED else []
    said += [f"{missing} of its {len(contents.layers)} layers are not in it at all"] if missing else []
    return "; ".join(said)


# So many layers are named, and so much of their names is shown; the others are counted.
_NAMED, _NAME = 4, 60


def _told(layer: LayerCheck, model: Graph) -> str:
    numbers = " and ".join(f"{count:,} {kind if count > 1 else _ONE[kind]}" for kind, count in layer.changed)
    verb = "differs" if sum(count for _, count in layer.changed) == 1 else "differ"
    name = model.op_outputs(layer.op)[0].name
    short = name if len(name) <= _NAME else f"{name[:_NAME]}…"  # converters join the names of all that they fuse
    return f"{numbers} of op {layer.op.index} {layer.op.opcode} ({short}) {verb}"


_ONE = {WEIGHTS: "weight", BIASES: "bias", MULTIPLIERS: "multiplier"}
