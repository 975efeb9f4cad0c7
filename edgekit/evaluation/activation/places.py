"""Where the positions of a feature map look: the centres of what each of them sees.

They are not simply spread over the image. A convolution of stride 2 that pads an even size does so at the far end
alone, and so moves its positions' centres by a pixel of its input; after five of them, as in every EfficientNet, that
is half a position. A map drawn without that stands 16 pixels too far up and left.
"""

from dataclasses import dataclass

import numpy as np

from edgekit.tflite.graph import Graph, Op, Tensor
from edgekit.tflite.ops import facts, weights_of
from edgekit.tflite.reader import constant

_POOLS = ("AVERAGE_POOL_2D", "MAX_POOL_2D")


@dataclass(frozen=True)
class Places:
    """Centres of a map's positions.

    Attributes:
      rows, columns: float64, as parts of the image's height and width, 0–1.
    """

    rows: np.ndarray
    columns: np.ndarray

    def spread(self, values: np.ndarray, height: int, width: int) -> np.ndarray:
        """A map, float (rows, columns), over an image: linear between centres, unchanging beyond the outermost."""
        down, across = ((np.arange(size) + 0.5) / size for size in (height, width))
        wide = np.stack([np.interp(across, self.columns, row) for row in values])
        return np.stack([np.interp(down, self.rows, column) for column in wide.T], axis=1)

    def onto(self, finer: "Places", values: np.ndarray) -> np.ndarray:
        """A map on finer positions: each value is dealt out among those nearest to its own, so that the sum stays."""
        if finer is self:
            return values
        down, across = _shares(self.rows, finer.rows), _shares(self.columns, finer.columns)
        return np.asarray(down @ values @ across.T)


def _shares(centres: np.ndarray, finer: np.ndarray) -> np.ndarray:
    """(finer positions, positions): which share of a position's value each finer one gets; columns sum to 1."""
    near = np.stack([np.interp(finer, centres, unit) for unit in np.eye(len(centres))], axis=1)
    return np.asarray(near / np.maximum(near.sum(axis=0), 1e-9))


def even(rows: int, columns: int) -> Places:
    """Positions that divide the image evenly."""
    down, across = ((np.arange(count) + 0.5) / count for count in (rows, columns))
    return Places(down, across)


def places_of(graph: Graph, features: int) -> Places:
    """The centres of a feature map's positions, followed back to the image through strides and paddings.

    Where something on the way cannot be followed, positions are taken to divide the image evenly.
    """
    _, *shape, _ = graph.tensors[features].shape
    steps, first = np.ones(2), np.zeros(2)  # pixel = first + step * position, of the tensor reached so far
    tensor = features
    while tensor not in graph.inputs:
        op = graph.producer(tensor)
        given = None if op is None else _given(graph, op)
        moved = None if op is None or given is None else _move(graph, op, given)
        if given is None or moved is None:
            return even(*shape)
        stride, shift = moved
        steps, first, tensor = steps * stride, first * stride + shift, given.index
    height, width = graph.tensors[tensor].shape[1:3]
    down, across = (first[i] + steps[i] * np.arange(shape[i]) + 0.5 for i in (0, 1))
    return Places(down / height, across / width)


def _given(graph: Graph, op: Op) -> Tensor | None:
    """The feature map that an op reads; of several the first, since all of them are of one size."""
    maps = (graph.tensors[index] for index in op.inputs[facts(op).data :] if index >= 0)
    return next((t for t in maps if not t.is_constant and len(t.shape) == 4 and t.shape[1] * t.shape[2] > 1), None)


def _move(graph: Graph, op: Op, given: Tensor) -> tuple[np.ndarray, np.ndarray] | None:
    """(stride, shift), two each: the output's position i looks at the input's `shift + stride * i`."""
    before, after = (np.array(tensor.shape[1:3]) for tensor in (given, graph.tensors[op.outputs[0]]))
    if op.opcode == "PAD":
        paddings = graph.tensors[op.inputs[1]]
        return (np.ones(2), -constant(graph, paddings)[1:3, 0].astype(float)) if paddings.is_constant else None
    weights = weights_of(graph, op) if op.opcode in ("CONV_2D", "DEPTHWISE_CONV_2D") else None
    if weights is not None:
        dilation = np.array([op.option("dilation_h_factor", 1), op.option("dilation_w_factor", 1)])
        kernel = (np.array(weights.shape[1:3]) - 1) * dilation + 1
    elif op.opcode in _POOLS:
        kernel = np.array([op.option("filter_height"), op.option("filter_width")])
    else:
        same = facts(op).casts or (np.array_equal(before, after) and not facts(op).hands_on)
        return (np.ones(2), np.zeros(2)) if same else None
    stride = np.array([op.option("stride_h"), op.option("stride_w")])
    total = np.maximum((after - 1) * stride + kernel - before, 0) if op.option("padding") == "SAME" else np.zeros(2)
    return stride.astype(float), (kernel - 1) / 2 - total // 2
