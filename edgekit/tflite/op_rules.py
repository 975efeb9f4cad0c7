"""The lowest op version that TFLite's own rules give for what an op uses.

The rules are those of TensorFlow's `op_version.cc` (`GetBuiltinOperatorVersion`), as of TensorFlow 2.20: each
version of an op only adds types or features, so the lowest version that covers them loses nothing.
"""

from typing import Callable, Dict, Mapping, Optional, Tuple

from edgekit.tflite.graph import Graph, Op, Tensor

Rule = Callable[[Graph, Op], int]


def lowest_version(graph: Graph, op: Op) -> int:
    """The lowest version of `op` that knows the types and features it uses.

    An op without a rule here (control flow, recurrent, custom ones) keeps the version it has.
    """
    if op.opcode in _RULES:
        return _RULES[op.opcode](graph, op)
    if op.opcode in _BY_DTYPE:
        # SPLIT is alone in taking its axis before its data.
        return _BY_DTYPE[op.opcode].get(_dtype(graph, op, 1 if op.opcode == "SPLIT" else 0), 1)
    return op.version


def op_input(graph: Graph, op: Op, position: int) -> Optional[Tensor]:
    """The op's input at `position`, or None where it is left out."""
    index = op.inputs[position] if position < len(op.inputs) else -1
    return graph.tensors[index] if index >= 0 else None


def per_channel(tensor: Optional[Tensor]) -> bool:
    """Whether a tensor is quantized with one scale per channel."""
    return tensor is not None and tensor.quant is not None and tensor.quant.per_channel


def _dtype(graph: Graph, op: Op, position: int = 0) -> str:
    tensor = op_input(graph, op, position)
    return tensor.dtype if tensor is not None else ""


def _rank(graph: Graph, op: Op, position: int = 0) -> int:
    tensor = op_input(graph, op, position)
    return len(tensor.shape) if tensor is not None else 0


def _types(graph: Graph, op: Op) -> Tuple[str, str, str]:
    """dtypes of the data, the weights and the output."""
    outputs = graph.op_outputs(op)
    return _dtype(graph, op, 0), _dtype(graph, op, 1), outputs[0].dtype if outputs else ""


def _broadcasts_beyond_4d(graph: Graph, op: Op) -> bool:
    shapes = [tensor.shape for tensor in graph.op_inputs(op)[:2]]
    return len(set(shapes)) > 1 and max(map(len, shapes)) > 4


def _conv_2d(graph: Graph, op: Op) -> int:
    data, weights = op_input(graph, op, 0), op_input(graph, op, 1)
    if _types(graph, op) == ("int16", "int8", "int16") and op.option("quantized_bias_type"):
        return 8
    if data is not None and weights is not None and data.shape and weights.shape[-1:] != data.shape[-1:]:
        return 6  # grouped convolution
    hybrid = 5 if per_channel(weights) else 2
    return {
        ("int8", "int8", "int8"): 3,
        ("int16", "int16", "int16"): 4,
        ("int8", "int4", "int8"): 7,
        ("float32", "int8", "float32"): hybrid,
    }.get(_types(graph, op), 1)


def _depthwise_conv_2d(graph: Graph, op: Op) -> int:
    dilated = op.option("dilation_w_factor", 1) != 1 or op.option("dilation_h_factor", 1) != 1
    return {
        ("int8", "int8", "int8"): 3,
        ("int16", "int16", "int16"): 5,
        ("int8", "int4", "int8"): 7,
        ("float32", "int8", "float32"): 6 if per_channel(op_input(graph, op, 1)) else 4,
    }.get(_types(graph, op), 2 if dilated else 1)


def _fully_connected(graph: Graph, op: Op) -> int:
    types = _types(graph, op)
    if types == ("float32", "int8", "float32") and per_channel(op_input(graph, op, 1)):
        return 12
    if types == ("int16", "int4", "int16"):
        return 13
    if types == ("int16", "int8", "int16") and op.option("quantized_bias_type"):
        return 11
    weights = op_input(graph, op, 1)
    if weights is not None and weights.is_sparse:
        return 8
    if types == ("int16", "int16", "int16"):
        return 7
    if len(op.inputs) == 2:
        return 6
    if op.option("keep_num_dims"):
        return 5
    hybrid = 9 if op.option("asymmetric_quantize_inputs") else 3
    shuffled = 2 if op.option("weights_format", "DEFAULT") != "DEFAULT" else 1
    return {
        ("int8", "int8", "int8"): 4,
        ("int8", "int4", "int8"): 10,
        ("float32", "int8", "float32"): hybrid,
    }.get(types, shuffled)


def _abs(graph: Graph, op: Op) -> int:
    if _dtype(graph, op) == "int16":
        return 3 if any(tensor.quant for tensor in graph.op_inputs(op)) else 4
    return {"int8": 2, "uint8": 2, "int32": 5}.get(_dtype(graph, op), 1)


def _mul(graph: Graph, op: Op) -> int:
    by_dtype = {"float16": 8, "uint32": 7, "complex64": 6, "int64": 5}
    dtype = _dtype(graph, op)
    if dtype in by_dtype:
        return by_dtype[dtype]
    scales = [t.quant.scale[0] for t in graph.op_inputs(op)[:2] + graph.op_outputs(op)[:1] if t.quant]
    if dtype == "int16":
        return 4 if scales else 7
    # A product whose rescaling factor is not below one needs the wider multiplier of version 3.
    if len(scales) == 3 and all(scales) and scales[0] * scales[1] / scales[2] >= 1.0:
        return 3
    return 2 if dtype == "int8" else 1


def _add(graph: Graph, op: Op) -> int:
    if _dtype(graph, op) != "int16":
        return {"float16": 6, "int64": 4, "int8": 2}.get(_dtype(graph, op), 1)
    if not any(tensor.quant for tensor in graph.op_inputs(op)):
        return 5
    return 1 if op.option("pot_scale_int16", True) else 3


def _sub(graph: Graph, op: Op) -> int:
    if _dtype(graph, op) == "int16" and not op.option("pot_scale_int16", True):
        return 5
    if _dtype(graph, op) == "int64":
        return 4
    return 3 if _broadcasts_beyond_4d(graph, op) else {"int8": 2}.get(_dtype(graph, op), 1)


def _div(graph: Graph, op: Op) -> int:
    return 2 if _broadcasts_beyond_4d(graph, op) else 1


def _extremum(graph: Graph, op: Op) -> int:
    if _dtype(graph, op) == "int16":
        return 4
    return 3 if _broadcasts_beyond_4d(graph, op) else {"int8": 2}.get(_dtype(graph, op), 1)


def _pad(graph: Graph, op: Op) -> int:
    if _dtype(graph, op) == "bool":
        return 5
    return 4 if _rank(graph, op) > 4 else {"int16": 3, "int8": 2}.get(_dtype(graph, op), 1)


def _transpose(graph: Graph, op: Op) -> int:
    rank = _rank(graph, op)
    if rank > 5:
        return 8 if rank > 6 else 6
    by_dtype = {"int4": 7, "int16": 5, "bool": 3, "int8": 2}
    return max(4 if rank > 4 else 1, by_dtype.get(_dtype(graph, op), 1))


def _transpose_conv(graph: Graph, op: Op) -> int:
    wide = (_dtype(graph, op, 2), _dtype(graph, op, 1)) == ("int16", "int8")
    if wide and op.option("quantized_bias_type"):
        return 5
    if op.option("fused_activation_function", "NONE") != "NONE":
        return 4
    if op_input(graph, op, 3) is not None:
        return 3
    return 2 if _dtype(graph, op, 1) == "int8" else 1


def _slice(graph: Graph, op: Op) -> int:
    by_dtype = {"int4": 7, "uint32": 6, "int16": 4, "string": 3, "int8": 2}
    return max(5 if _rank(graph, op) > 4 else 1, by_dtype.get(_dtype(graph, op), 1))


def _strided_slice(graph: Graph, op: Op) -> int:
    if op.option("offset"):
        return 8
    masked = op.option("ellipsis_mask") or op.option("new_axis_mask")
    by_dtype = {"uint32": 7, "string": 5, "bool": 3, "int8": 2}
    return max(6 if masked else 1, 4 if _rank(graph, op) > 4 else 1, by_dtype.get(_dtype(graph, op), 1))


def _resize(graph: Graph, op: Op) -> int:
    if _dtype(graph, op) == "int16":
        return 4
    aligned = op.opcode == "RESIZE_NEAREST_NEIGHBOR" and op.option("align_corners")
    if op.option("half_pixel_centers") or aligned:
        return 3
    return 2 if _dtype(graph, op) == "int8" else 1


def _space_batch(graph: Graph, op: Op) -> int:
    if _dtype(graph, op) == "int16":
        return 4
    return 3 if _rank(graph, op) != 4 else {"int8": 2}.get(_dtype(graph, op), 1)


def _quantize(graph: Graph, op: Op) -> int:
    source, target = op_input(graph, op, 0), next(iter(graph.op_outputs(op)), None)
    dtypes = [tensor.dtype for tensor in (source, target) if tensor is not None]
    if "int4" in dtypes:
        return 4
    if per_channel(source) or per_channel(target):
        return 3
    return 2 if dtypes[-1:] == ["int16"] else 1


def _dequantize(graph: Graph, op: Op) -> int:
    if _dtype(graph, op) == "int8":
        return 5 if per_channel(op_input(graph, op, 0)) else 2
    return {"int4": 6, "int16": 3, "float16": 3}.get(_dtype(graph, op), 1)


_RULES: Mapping[str, Rule] = {
    "ABS": _abs,
    "ADD": _add,
    "BATCH_TO_SPACE_ND": _space_batch,
    "CONV_2D": _conv_2d,
    "DEPTHWISE_CONV_2D": _depthwise_conv_2d,
    "DEQUANTIZE": _dequantize,
    "DIV": _div,
    "FULLY_CONNECTED": _fully_connected,
    "MAXIMUM": _extremum,
    "MINIMUM": _extremum,
    "MUL": _mul,
    "PAD": _pad,
    "PADV2": _pad,
    "QUANTIZE": _quantize,
    "RESIZE_BILINEAR": _resize,
    "RESIZE_NEAREST_NEIGHBOR": _resize,
    "SLICE": _slice,
    "SPACE_TO_BATCH_ND": _space_batch,
    "STRIDED_SLICE": _strided_slice,
    "SUB": _sub,
    "TRANSPOSE": _transpose,
    "TRANSPOSE_CONV": _transpose_conv,
}

_INT8_ONLY = {"int8": 2}
_INT8_OR_16 = {"int8": 2, "int16": 2}
_INT8_AND_16 = {"int8": 2, "int16": 3}
_EITHER_8_BIT = {"int8": 2, "uint8": 2, "int16": 3}

#: op → version by the dtype of its data, 1 for all others.
_BY_DTYPE: Dict[str, Mapping[str, int]] = {
    "ARG_MAX": {"int8": 2, "bool": 3},
    "ARG_MIN": {"int8": 2, "bool": 3},
    "AVERAGE_POOL_2D": _INT8_AND_16,
    "CONCATENATION": {"int8": 2, "int16": 3, "uint32": 4, "int4": 5},
    "DEPTH_TO_SPACE": _INT8_ONLY,
    "EQUAL": {"int8": 2, "string": 3, "int16": 4},
    "EXP": _INT8_OR_16,
    "EXPAND_DIMS": {},
    "GREATER": _INT8_ONLY,
    "GREATER_EQUAL": _INT8_AND_16,
    "HARD_SWISH": {},
    "L2_NORMALIZATION": _INT8_ONLY,
    "LEAKY_RELU": {"int16": 2},
    "LESS": _INT8_AND_16,
    "LESS_EQUAL": _INT8_ONLY,
    "LOG": _INT8_OR_16,
    "LOGISTIC": _INT8_AND_16,
    "LOG_SOFTMAX": _INT8_ONLY,
    "MAX_POOL_2D": _INT8_AND_16,
    "MEAN": _INT8_AND_16,
    "MIRROR_PAD": _INT8_AND_16,
    "NOT_EQUAL": {"int8": 2, "string": 3, "int16": 4},
    "PACK": {"int8": 2, "int16": 3, "uint32": 4},
    "PRELU": {},
    "REDUCE_MAX": _INT8_AND_16,
    "REDUCE_MIN": _INT8_AND_16,
    "REDUCE_PROD": _INT8_OR_16,
    "RELU": _EITHER_8_BIT,
    "RELU6": _INT8_AND_16,
    "RELU_N1_TO_1": {},
    "RESHAPE": {},
    "RSQRT": _INT8_AND_16,
    "SOFTMAX": _INT8_AND_16,
    "SPACE_TO_DEPTH": _INT8_ONLY,
    "SPLIT": {"int8": 2, "int32": 3, "int16": 4},
    "SPLIT_V": _INT8_ONLY,
    "SQRT": _INT8_OR_16,
    "SQUARED_DIFFERENCE": _INT8_ONLY,
    "SQUEEZE": {"string": 2},
    "SUM": _INT8_ONLY,
    "TANH": _INT8_AND_16,
    "TILE": {"int8": 3, "string": 2},
    "UNPACK": {"int8": 2, "uint8": 2, "bool": 3, "int16": 4},
}
