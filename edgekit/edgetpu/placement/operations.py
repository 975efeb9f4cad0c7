"""The operations that the Edge TPU compiler maps, and since which runtime."""

from typing import Mapping, NamedTuple

#: Compiler release (major number) → the Edge TPU runtime that it compiles for unless told otherwise.
DEFAULT_RUNTIMES: Mapping[str, int] = {"16": 14, "15": 13, "14": 13, "2": 13}


#: The runtime of the operations that were there from the start.
FIRST_RUNTIME = 10


class Operation(NamedTuple):
    """An operation that the Edge TPU runs.

    Attributes:
      confidence: how that is known, one of `placement.CONFIDENCES`.
      runtime: the first Edge TPU runtime that knows it. From the vendor's table, where real packages do not show an
        earlier one; FIRST_RUNTIME where it was there from the start.
      inputs: how many it needs at least, by TFLite's kernels.
    """

    confidence: str
    runtime: int = FIRST_RUNTIME
    inputs: int = 1


_DOCUMENTED, _OF_TWO = Operation("documented"), Operation("documented", inputs=2)

#: TFLite name → what is known. The vendor's table: https://coral.ai/docs/edgetpu/models-intro.
OPERATIONS: Mapping[str, Operation] = {
    **dict.fromkeys(("AVERAGE_POOL_2D", "CONCATENATION", "L2_NORMALIZATION", "LOGISTIC", "MAX_POOL_2D"), _DOCUMENTED),
    **dict.fromkeys(("RELU", "RELU6", "RELU_N1_TO_1", "RESHAPE", "SOFTMAX", "SPACE_TO_DEPTH", "TANH"), _DOCUMENTED),
    "SQUEEZE": _DOCUMENTED,
    **dict.fromkeys(("ADD", "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "MAXIMUM", "MEAN", "MINIMUM"), _OF_TWO),
    **dict.fromkeys(("MUL", "PAD", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "SPLIT", "SUB"), _OF_TWO),
    "SLICE": Operation("documented", inputs=3),
    "STRIDED_SLICE": Operation("documented", inputs=4),
    "EXPAND_DIMS": Operation("documented", 13, inputs=2),
    "PACK": Operation("documented", 13),
    "PRELU": Operation("documented", 13, inputs=2),
    "QUANTIZE": Operation("documented", 12),
    "REDUCE_MAX": Operation("documented", 14, inputs=2),
    "REDUCE_MIN": Operation("documented", 14, inputs=2),
    "RSQRT": Operation("seen", 14),
    "SQUARED_DIFFERENCE": Operation("seen", 14, inputs=2),
    "SUM": Operation("documented", 13, inputs=2),
    "TILE": Operation("seen", inputs=2),
    "TRANSPOSE": Operation("documented", 14, inputs=2),
    "TRANSPOSE_CONV": Operation("documented", 13, inputs=3),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": Operation("documented", 14),
}

#: Operations that users met and that are never mapped → what to use instead.
REPLACEMENTS: Mapping[str, str] = {
    "DEQUANTIZE": "Convert with 8-bit outputs, and dequantize in the program.",
    "HARD_SWISH": "Train with ReLU6 or ReLU instead; for MobileNetV3 take its minimalistic variant.",
    "LEAKY_RELU": "Write it as maximum(x, alpha * x), for alpha below 1; `edgekit convert` makes a PRELU of it.",
    "ELU": "Use ReLU or PReLU instead.",
    "GELU": "Use ReLU6 or a sigmoid times its input instead.",
    "ARG_MAX": "Leave it out of the model, and take the largest score in the program.",
    "CAST": "Feed the model 8-bit values, so that nothing needs casting.",
    "BATCH_MATMUL": "Use dense layers or 1×1 convolutions.",
    "SHAPE": "Export the model with a fixed batch size of 1, so that sizes are constants.",
    "DIV": "Multiply by the reciprocal.",
    "SPLIT_V": "Split into equal parts.",
}
