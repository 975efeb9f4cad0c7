"""What the interpreter takes on trust: a graph that breaks one of these ends the process, not the call.

Every check here was found by running damaged files through an interpreter in a child process; each
yields what is wrong, in words. That indices and buffers exist is checked while reading.
"""

from typing import Iterator, Set

import numpy as np

from edgekit.errors import ModelFormatError
from edgekit.tflite.graph import Graph, Op, QuantParams, Tensor
from edgekit.tflite.op_bounds import bound_problems
from edgekit.tflite.ops import facts

#: Beyond it, kernels corrupt memory while preparing their multipliers; so do denormal numbers.
_LARGEST_SCALE = 1e6
#: Elements of the largest tensor: an interpreter asks for the memory of all at once, and a machine that has less ends
#: the process. The largest of EfficientNet-B7 at 600x600 has a fifteenth of it.
_MOST_ELEMENTS = 1 << 28
_SMALLEST_NORMAL = float(np.finfo(np.float32).tiny)

# The ops whose later inputs may be left out (bias, LSTM gates); any input of those in _OPEN may.
_OPTIONAL_AFTER_TWO = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV", "CONV_3D", "SVDF")
_OPEN = ("CUSTOM", "CALL", "CALL_ONCE", "IF", "WHILE", "DELEGATE", "RNN", "LSTM")
#: (op, its input) that may be stored with its zeros left out.
_TAKES_SPARSE = (("FULLY_CONNECTED", 1), ("DENSIFY", 0))
_SAME_TYPE = (
    *("CONV_2D", "DEPTHWISE_CONV_2D", "MAX_POOL_2D", "AVERAGE_POOL_2D", "MEAN", "PAD", "CONCATENATION", "TRANSPOSE"),
    *("SLICE", "STRIDED_SLICE", "RESHAPE", "SQUEEZE", "EXPAND_DIMS", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"),
)


def check_graph(graph: Graph, name: str = "The model") -> None:
    """Raises ModelFormatError, with the file's name, where the graph would crash an interpreter."""
    problem = next(_problems(graph), None)
    if problem:
        raise ModelFormatError(f"{name} is damaged: {problem}.", "Copy or download it again.")


def _problems(graph: Graph) -> Iterator[str]:
    for tensor in graph.tensors:
        yield from _tensor_problems(tensor)
    ready = {t.index for t in graph.tensors if t.is_constant or t.is_variable or 0 in t.shape}
    yield from _ends_problems(graph, ready)
    ready.update(graph.inputs)
    for op in graph.ops:
        where = f"op {op.index} ({op.opcode})"
        yield from (f"{where} {problem}" for problem in _op_problems(graph, op, ready))
        ready.update(op.outputs)
    yield from (f"output tensor {index} is computed by no op" for index in graph.outputs if index not in ready)


def _op_problems(graph: Graph, op: Op, ready: Set[int]) -> Iterator[str]:
    yield from _flow_problems(op, ready)
    yield from _sparse_problems(graph, op)
    yield from _type_problems(graph, op)
    yield from _scale_problems(graph, op)
    yield from _size_problems(graph, op)
    yield from bound_problems(graph, op, _MOST_ELEMENTS)


def _tensor_problems(tensor: Tensor) -> Iterator[str]:
    if min(tensor.shape, default=0) < 0:
        yield f"tensor {tensor.index} has the shape {list(tensor.shape)}"
    if tensor.elements > _MOST_ELEMENTS:
        yield f"tensor {tensor.index} claims the size {list(tensor.shape)}"
    for scale in tensor.quant.scale if tensor.quant else ():
        if not (_SMALLEST_NORMAL <= scale <= _LARGEST_SCALE or (scale == 0 and tensor.is_constant)):
            yield f"tensor {tensor.index} has the scale {scale:g}"
    if tensor.is_constant and tensor.quant is not None:
        yield from _axis_problems(tensor, tensor.quant)


def _axis_problems(tensor: Tensor, quant: QuantParams) -> Iterator[str]:
    """One scale for all, or one for each index along its axis; zero points likewise."""
    scales, zero_points = len(quant.scale), len(quant.zero_point)
    along = tensor.shape[quant.axis] if 0 <= quant.axis < len(tensor.shape) else 0
    if scales > 1 and scales != along:
        yield f"tensor {tensor.index} has {scales} scales along axis {quant.axis} of {list(tensor.shape)}"
    elif zero_points not in (1, scales):
        yield f"tensor {tensor.index} has {zero_points} zero points for {scales} scales"


def _ends_problems(graph: Graph, ready: Set[int]) -> Iterator[str]:
    """An interpreter writes into its inputs, so that none may be a constant."""
    for index in graph.inputs:
        if graph.tensors[index].is_constant:
            yield f"input tensor {index} is a constant"


def _flow_problems(op: Op, ready: Set[int]) -> Iterator[str]:
    """Ops run in the file's order: what an op reads is computed before, and computed once."""
    for place, index in enumerate(op.inputs):
        if index >= 0 and index not in ready:
            yield f"reads tensor {index}, which is not computed before"
        if index < 0 and not _may_be_left_out(op.opcode, place):
            yield f"lacks its input {place}"
    for index in op.outputs:
        if index in ready:
            yield f"writes tensor {index}, which is a constant, an input, or computed before"


def _sparse_problems(graph: Graph, op: Op) -> Iterator[str]:
    """A kernel that knows nothing of sparse tensors reads beyond the end of what is stored."""
    for place, index in enumerate(op.inputs):
        known = (op.opcode, place) in _TAKES_SPARSE
        if index >= 0 and graph.tensors[index].is_sparse and not known:
            yield f"reads tensor {index}, which is stored sparse"


def _may_be_left_out(opcode: str, place: int) -> bool:
    if opcode in _OPTIONAL_AFTER_TWO:
        return place >= 2
    return opcode in _OPEN or opcode.endswith(("_LSTM", "_RNN")) or opcode.startswith("STABLEHLO_")


def _type_problems(graph: Graph, op: Op) -> Iterator[str]:
    """Elementwise ops and some others keep the type, and need a scale for integers of 8 bits."""
    ins, outs = graph.op_inputs(op), graph.op_outputs(op)
    typed = ins if facts(op).elementwise else ins[:1] if op.opcode in _SAME_TYPE else ()
    if typed and len({tensor.dtype for tensor in typed + outs}) > 1:
        yield f"mixes the types {', '.join(sorted({tensor.dtype for tensor in typed + outs}))}"
    if facts(op).elementwise and any(t.dtype in ("int8", "uint8") and t.quant is None for t in ins + outs):
        yield "works on 8-bit integers without a scale"


def _scale_problems(graph: Graph, op: Op) -> Iterator[str]:
    """The kernels of sums and squared differences end the process where their multiplier is not below 1."""
    scales = [tensor.quant.scale[0] for tensor in (*graph.op_inputs(op)[:2], *graph.op_outputs(op)[:1]) if tensor.quant]
    if len(scales) < 3 or op.opcode not in ("ADD", "SQUARED_DIFFERENCE"):
        return
    largest, output = 2 * max(scales[:2]), scales[2]
    multiplier = largest / (output * 2**20) if op.opcode == "ADD" else largest**2 / (output * 2**14)
    if not multiplier < 1:
        yield f"has the scale {output:g} for inputs of scale {max(scales[:2]):g}"


def _size_problems(graph: Graph, op: Op) -> Iterator[str]:
    ins, outs = graph.op_inputs(op), graph.op_outputs(op)
    known = ins and outs and not (ins[0].is_dynamic or outs[0].is_dynamic)
    reshapes = facts(op).same_elements and not facts(op).casts
    if reshapes and known and ins[0].elements != outs[0].elements:
        yield f"turns {ins[0].elements} elements into {outs[0].elements}"
