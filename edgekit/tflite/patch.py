"""Other numbers in the same graph: scales, zero points, constants and outputs, written over the old ones.

Nothing is unpacked, packed or read again, so that a search may try dozens of int8 forms of one model. What changes the
structure of a graph needs the editor.
"""

from dataclasses import replace
from typing import Mapping, Optional, Sequence

import numpy as np

from edgekit.errors import ModelError
from edgekit.tflite.graph import Graph, QuantParams


def patched(
    graph: Graph,
    *,
    quant: Mapping[int, QuantParams] = {},
    constants: Mapping[int, np.ndarray] = {},
    outputs: Optional[Sequence[int]] = None,
) -> Graph:
    """The graph with other numbers.

    Args:
      graph: its file holds weights within the flatbuffer, as edgekit writes them.
      quant: tensor index → scales and zero points, as many as before.
      constants: tensor index → value of the shape and dtype that the tensor has.
      outputs: tensor indices, as many as before.

    Raises:
      ModelError: a number of them does not fit in the place of the old one.
    """
    from tflite.Model import Model

    content = bytearray(graph.content)
    file = Model.GetRootAs(content, 0)
    main = file.Subgraphs(0)
    for index, params in quant.items():
        stored = main.Tensors(index).Quantization()
        _write(stored.ScaleAsNumpy(), np.array(params.scale, np.float32), graph, index)
        _write(stored.ZeroPointAsNumpy(), np.array(params.zero_point, np.int64), graph, index)
    for index, value in constants.items():
        flat = np.ascontiguousarray(value).view(np.uint8).ravel()
        _write(file.Buffers(graph.tensors[index].buffer).DataAsNumpy(), flat, graph, index)
    if outputs is not None:
        _write(main.OutputsAsNumpy(), np.array(outputs, np.int32), graph, graph.outputs[0])
    tensors = tuple(replace(t, quant=quant[t.index]) if t.index in quant else t for t in graph.tensors)
    ends = graph.outputs if outputs is None else tuple(outputs)
    return replace(graph, tensors=tensors, outputs=ends, content=bytes(content))


def _write(place: object, value: np.ndarray, graph: Graph, tensor: int) -> None:
    """Writes into the file that `place` is a view of; the schema answers 0 where there is no such vector."""
    if not isinstance(place, np.ndarray) or place.shape != value.shape or place.dtype != value.dtype:
        raise ModelError(f"The new numbers of tensor {graph.tensors[tensor].name!r} do not fit in place of the old.")
    place[:] = value
