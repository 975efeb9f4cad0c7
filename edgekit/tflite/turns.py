"""Ops that turn an image's channels around, as RGB becomes BGR, in the forms that exporters write.

`x[..., ::-1]` is a STRIDED_SLICE or a REVERSE_V2, `tf.gather(x, [2, 1, 0], axis=-1)` a GATHER. Keras 3's
`preprocess_input` of ResNet50, `tf.split` and `tf.unstack` take the channels one by one and join them backwards.
"""

from typing import Callable, Dict, List, Mapping, Optional, Tuple

from edgekit.tflite.graph import Graph, Op
from edgekit.tflite.reader import constant


def channel_turn(graph: Graph, tensor: int) -> Tuple[Op, ...]:
    """The ops that alone read a tensor and turn its last axis around, the last of them last; () where none do."""
    readers = graph.consumers(tensor)
    if not readers:
        return ()
    found = _at_once(graph, readers[0], tensor) if len(readers) == 1 else ()
    return found or _one_by_one(graph, readers, tensor)


def _at_once(graph: Graph, op: Op, tensor: int) -> Tuple[Op, ...]:
    turns = _TURNS.get(op.opcode)
    if turns is None or op.inputs[0] != tensor or not _is_whole(graph, op, tensor):
        return ()
    return (op,) if turns(graph, op, len(graph.tensors[tensor].shape)) else ()


def _is_whole(graph: Graph, op: Op, tensor: int) -> bool:
    """Whether its output is of a tensor's shape, and not the model's."""
    output = op.outputs[0]
    return graph.tensors[output].shape == graph.tensors[tensor].shape and output not in graph.outputs


def _slices_backwards(graph: Graph, op: Op, rank: int) -> bool:
    if any(op.option(mask) for mask in ("ellipsis_mask", "new_axis_mask", "shrink_axis_mask")):
        return False
    # The shape stays the source's, so that nothing is left out.
    return _integers(graph, op, 3) == [*[1] * (rank - 1), -1]


def _reverses_last(graph: Graph, op: Op, rank: int) -> bool:
    return _integers(graph, op, 1) in ([-1], [rank - 1])


def _gathers_backwards(graph: Graph, op: Op, rank: int) -> bool:
    channels = graph.tensors[op.inputs[0]].shape[-1]
    along_last = op.option("axis", 0) in (-1, rank - 1) and not op.option("batch_dims")
    return along_last and _integers(graph, op, 1) == list(range(channels))[::-1]


_TURNS: Mapping[str, Callable[[Graph, Op, int], bool]] = {
    "STRIDED_SLICE": _slices_backwards,
    "REVERSE_V2": _reverses_last,
    "GATHER": _gathers_backwards,
}


def _one_by_one(graph: Graph, readers: Tuple[Op, ...], tensor: int) -> Tuple[Op, ...]:
    """All readers take single channels, which one op joins in the other order."""
    places: Dict[int, int] = {}
    for op in readers:
        taken = _channels(graph, op, tensor)
        if not taken:
            return ()
        places.update(taken)
    joins = {join.index: join for one in places for join in graph.consumers(one)}
    join = joins.popitem()[1] if len(joins) == 1 else None
    if join is None or join.opcode not in ("PACK", "CONCATENATION") or not _is_whole(graph, join, tensor):
        return ()
    shape = graph.tensors[tensor].shape
    along_last = join.option("axis", 0) in (-1, len(shape) - 1)
    plain = join.option("fused_activation_function", "NONE") == "NONE"
    backwards = [places.get(one) for one in join.inputs] == list(range(shape[-1]))[::-1]
    return (*readers, join) if along_last and plain and backwards else ()


def _channels(graph: Graph, op: Op, tensor: int) -> Dict[int, int]:
    """Tensor of one channel → its place in what the op reads; empty where the op does something else."""
    shape = graph.tensors[tensor].shape
    last, outputs = len(shape) - 1, [index for index in op.outputs if index not in graph.outputs]
    if len(outputs) != len(op.outputs) or any(
        _shape(graph, one) not in (shape[:-1], (*shape[:-1], 1)) for one in outputs
    ):
        return {}
    if op.opcode == "STRIDED_SLICE":
        return _channel_slice(graph, op, last, shape[last])
    if op.opcode == "SPLIT":
        whole = _integers(graph, op, 0) in ([-1], [last])
    else:
        whole = op.opcode == "UNPACK" and op.option("axis", 0) in (-1, last)
    return {one: place for place, one in enumerate(outputs)} if whole and len(outputs) == shape[last] else {}


def _channel_slice(graph: Graph, op: Op, last: int, channels: int) -> Dict[int, int]:
    """Of the source's other axes whole, since its output has their sizes."""
    begin, strides = _integers(graph, op, 1), _integers(graph, op, 3)
    masks = op.option("ellipsis_mask"), op.option("new_axis_mask")
    if (
        begin is None
        or strides != [1] * (last + 1)
        or any(masks)
        or op.option("shrink_axis_mask", 0) not in (0, 1 << last)
    ):
        return {}
    masked = int(str(op.option("begin_mask", 0))) >> last & 1
    return {op.outputs[0]: 0 if masked else begin[last] % channels}


def _shape(graph: Graph, tensor: int) -> Tuple[int, ...]:
    return graph.tensors[tensor].shape


def _integers(graph: Graph, op: Op, position: int) -> Optional[List[int]]:
    """The numbers of a constant input; None where it is none, or computed."""
    index = op.inputs[position] if position < len(op.inputs) else -1
    if index < 0 or not graph.tensors[index].is_constant:
        return None
    numbers: List[int] = constant(graph, graph.tensors[index]).ravel().tolist()
    return numbers
