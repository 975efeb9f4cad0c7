"""How a layer's parameters lie in a compiled file, worked out on real pairs of source and compiled files.

The array multiplies in lanes, one for each output channel, and takes 4 inputs at a time. So a layer comes in groups of
64 lanes: a head (a number for each lane), then rows of weights (4 for each lane), row after row over the kernel and the
inputs. A depthwise layer comes in groups of 4 channels, as a dense one whose other weights are zero. The compiler
chooses among a few layouts by rules that are not known, so `layouts` lists those that were seen.
"""

from typing import Iterator, List, NamedTuple, Tuple

import numpy as np

from edgekit.edgetpu.parameters.layer import LayerParameters

#: What a section holds.
WEIGHTS, BIASES, MULTIPLIERS, ZERO_POINTS = "weights", "biases", "multipliers", "zero points"

#: Bytes to which each layer's parameters are filled up.
ALIGNMENT = 64

_LANES, _WORD = 64, 4
_BLOCKS = (4, 8, 16, 32, 64, 128)
# The zero point of int8 weights whose highest bit is turned over; a head per lane where scales are per channel.
_ZERO_POINT = 128


class Layout(NamedTuple):
    """One way to lay a layer out.

    Attributes:
      block: inputs that are done for the whole kernel before the next ones begin.
      run: outputs that lie side by side; lanes are left free behind each run until their number is a multiple of 4.
        Seen where the output is reshaped to rows of that many values.
      row: bytes to which each row is filled up.
      with_biases: whether the head has biases; where all are 0 it may have none.
    """

    block: int
    run: int
    row: int
    with_biases: bool


class Section(NamedTuple):
    """A run of bytes of one kind."""

    kind: str
    content: bytes


def layouts(layer: LayerParameters) -> Iterator[Layout]:
    """The layouts in which a layer may be, the likeliest first."""
    heads = (True,) if layer.biases.any() else (layer.depthwise, not layer.depthwise)
    for run in (layer.outputs,) if layer.depthwise else sorted({layer.outputs, layer.row}, reverse=True):
        lanes = len(_lanes(layer.outputs, run))
        for row in _row_sizes(_WORD if layer.depthwise else lanes):
            for block in _blocks(layer):
                yield from (Layout(block, run, row, with_biases) for with_biases in heads)


def sections(layer: LayerParameters, layout: Layout) -> List[Section]:
    """A layer's bytes in a layout, in order."""
    lanes = _lanes(layer.outputs, layout.run)
    step = _WORD if layer.depthwise else _LANES
    found = [
        section
        for first in range(0, len(lanes), step)
        for section in _group(layer, layout, lanes[first : first + step], beyond=int(len(lanes) > _LANES))
    ]
    size = sum(len(section.content) for section in found)
    return [*found, Section("", bytes(-size % ALIGNMENT))]


def _lanes(outputs: int, run: int) -> np.ndarray:
    """For each lane its output, -1 for free ones; their number is a multiple of 4."""
    lanes = np.full((outputs // run, _up(run, _WORD)), -1)
    lanes[:, :run] = np.arange(outputs).reshape(-1, run)
    return lanes.ravel()


def _row_sizes(lanes: int) -> Tuple[int, ...]:
    """A layer of more than one group has full rows in its last one too; one of 4 lanes may have short ones."""
    if lanes > _LANES:
        return (_LANES * _WORD,)
    return (_WORD * _WORD, ALIGNMENT) if lanes == _WORD else (ALIGNMENT,)


def _blocks(layer: LayerParameters) -> Tuple[int, ...]:
    _, height, width, inputs = layer.weights.shape
    return (inputs, *(block for block in _BLOCKS if block < inputs)) if height * width > 1 else (inputs,)


def _group(layer: LayerParameters, layout: Layout, lanes: np.ndarray, *, beyond: int) -> Iterator[Section]:
    """The sections of a group; `beyond` is what multipliers have behind its last lane."""
    used = lanes >= 0

    def head(kind: str, values: np.ndarray, free: float, behind: int = 0) -> Section:
        row = np.full(_up(len(lanes) * values.itemsize, layout.row) // values.itemsize, behind, values.dtype)
        row[: len(lanes)] = np.where(used, values[lanes], free)
        return Section(kind, row.tobytes())

    if layer.multipliers is not None:
        yield head(MULTIPLIERS, layer.multipliers, layer.multipliers[0], beyond)
    if layout.with_biases:
        yield head(BIASES, layer.biases, 0)
    if layer.per_channel:
        yield head(ZERO_POINTS, np.full(layer.outputs, _ZERO_POINT, np.int32), _ZERO_POINT)
    yield Section(WEIGHTS, _rows(_dense(layer, lanes), layout))


def _dense(layer: LayerParameters, lanes: np.ndarray) -> np.ndarray:
    """A group's weights as (lanes, height, width, inputs), lanes and inputs filled up with the zero point."""
    _, height, width, inputs = layer.weights.shape
    used = np.flatnonzero(lanes >= 0)
    dense = np.full((len(lanes), height, width, _up(inputs, _WORD)), layer.zero_point, np.uint8)
    if layer.depthwise:
        dense[used, :, :, used] = layer.weights[lanes[used], :, :, 0]
    else:
        dense[used, :, :, :inputs] = layer.weights[lanes[used]]
    return dense


def _rows(dense: np.ndarray, layout: Layout) -> bytes:
    """The rows of a group: 4 inputs of all lanes in each."""
    lanes, height, width, inputs = dense.shape
    block = _up(layout.block, _WORD)
    blocks = [dense[..., first : first + block] for first in range(0, inputs, block)]
    rows = [
        part.reshape(lanes, height, width, -1, _WORD).transpose(1, 2, 3, 0, 4).reshape(-1, lanes * _WORD)
        for part in blocks
    ]
    filled = np.zeros((sum(map(len, rows)), _up(lanes * _WORD, layout.row)), np.uint8)
    filled[:, : lanes * _WORD] = np.concatenate(rows)
    return filled.tobytes()


def _up(size: int, step: int) -> int:
    return -(-size // step) * step
