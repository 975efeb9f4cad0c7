"""Bounds that kernels take on trust: options, and how many tensors an op reads and writes.

Found by damaging models of one op each and running them in a child process (tests/fuzz). Where a bound is not kept the
interpreter divides by zero, writes beyond its lists or ends its process. Real files lie well within.
"""

from typing import Iterator, Mapping, Tuple

from edgekit.tflite.graph import Graph, Op
from edgekit.tflite.reader import constant

#: Windows, strides and the like are sizes: at least 1, and larger than no image.
_SIZE = (1, 1 << 16)
_STRIDES = {"stride_w": _SIZE, "stride_h": _SIZE}
_WINDOW = {**_STRIDES, "filter_width": _SIZE, "filter_height": _SIZE}
_DILATED = {**_STRIDES, "dilation_w_factor": _SIZE, "dilation_h_factor": _SIZE}

#: op → option → lowest and highest value.
OPTIONS: Mapping[str, Mapping[str, Tuple[int, int]]] = {
    "MAX_POOL_2D": _WINDOW,
    "AVERAGE_POOL_2D": _WINDOW,
    "L2_POOL_2D": _WINDOW,
    "CONV_2D": _DILATED,
    "DEPTHWISE_CONV_2D": _DILATED,
    "TRANSPOSE_CONV": _STRIDES,
    "LOCAL_RESPONSE_NORMALIZATION": {"radius": (0, 1 << 16)},
    "SPACE_TO_DEPTH": {"block_size": _SIZE},
    "DEPTH_TO_SPACE": {"block_size": _SIZE},
}

#: op → the option that says how many outputs it has.
OUTPUT_COUNTS: Mapping[str, str] = {"SPLIT": "num_splits", "SPLIT_V": "num_splits", "UNPACK": "num"}

_TWO = "ADD SUB MUL DIV MAXIMUM MINIMUM POW FLOOR_DIV FLOOR_MOD SQUARED_DIFFERENCE CONV_2D DEPTHWISE_CONV_2D PRELU FILL"
_TWO += (
    " FULLY_CONNECTED BATCH_MATMUL PAD MIRROR_PAD MEAN SUM REDUCE_MAX REDUCE_MIN REDUCE_PROD REDUCE_ANY TRANSPOSE TILE"
)
_TWO += (
    " GATHER GATHER_ND SPLIT BROADCAST_TO EXPAND_DIMS RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR ARG_MAX ARG_MIN TOPK_V2"
)
_TWO += " REVERSE_V2 CUMSUM EQUAL NOT_EQUAL GREATER GREATER_EQUAL LESS LESS_EQUAL EMBEDDING_LOOKUP"
_THREE = "SLICE SPLIT_V SPACE_TO_BATCH_ND BATCH_TO_SPACE_ND TRANSPOSE_CONV SELECT SELECT_V2 RANGE PADV2 SCATTER_ND"
_FOUR = "STRIDED_SLICE ONE_HOT"

#: op → how many inputs it has at least, where that is more than one.
INPUT_COUNTS: Mapping[str, int] = {
    op: count for count, ops in ((2, _TWO), (3, _THREE), (4, _FOUR)) for op in ops.split()
}

#: custom op → how many tensors it reads and writes.
ENDS: Mapping[str, Tuple[int, int]] = {"TFLite_Detection_PostProcess": (3, 4)}

#: op → which of its inputs, where it is a constant, is the shape of its output.
SHAPES: Mapping[str, int] = {"FILL": 0, "BROADCAST_TO": 1, "RESHAPE": 1, "SCATTER_ND": 2}


def bound_problems(graph: Graph, op: Op, most_elements: int) -> Iterator[str]:
    """What of an op lies outside of its bounds, in words; a shape in a constant may claim `most_elements`."""
    for option, (low, high) in OPTIONS.get(op.opcode, {}).items():
        value = op.option(option, 0)
        if not low <= value <= high:
            yield f"has the {option} {value}"
    if len(op.inputs) < INPUT_COUNTS.get(op.opcode, 0):
        yield f"reads {len(op.inputs)} tensors and needs {INPUT_COUNTS[op.opcode]}"
    if op.opcode in OUTPUT_COUNTS and op.option(OUTPUT_COUNTS[op.opcode], 0) != len(op.outputs):
        yield f"has {len(op.outputs)} outputs and claims {op.option(OUTPUT_COUNTS[op.opcode], 0)}"
    if op.custom in ENDS and (len(op.inputs), len(op.outputs)) != ENDS[op.custom]:
        yield f"named {op.custom} reads {len(op.inputs)} tensors and writes {len(op.outputs)}"
    yield from _shape_problems(graph, op, most_elements)


def _shape_problems(graph: Graph, op: Op, most_elements: int) -> Iterator[str]:
    place = SHAPES.get(op.opcode, len(op.inputs))
    tensor = graph.tensors[op.inputs[place]] if place < len(op.inputs) and op.inputs[place] >= 0 else None
    if tensor is None or not tensor.is_constant or tensor.dtype not in ("int32", "int64"):
        return
    elements = 1
    for size in constant(graph, tensor).reshape(-1).tolist():
        elements *= max(1, size)
    if elements > most_elements:
        yield f"makes a tensor of {elements} elements"
