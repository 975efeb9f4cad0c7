"""The operations that the Edge TPU compiler maps, and since which runtime."""

from typing import Mapping, NamedTuple

#: Compiler release (major number) → the Edge TPU runtime that it compiles for unless told otherwise.
DEFAULT_RUNTIMES: Mapping[str, int] = {"16": 14, "15": 13, "14": 13, "2": 13}


class Operation(NamedTuple):
    """An operation that the Edge TPU runs.

    Attributes:
      confidence: how that is known, one of `placement.CONFIDENCES`.
      runtime: the first Edge TPU runtime that knows it. From the vendor's table, where real packages do not show an
        earlier one; 10 where it was there from the start.
    """

    confidence: str
    runtime: int = 10


_DOCUMENTED = Operation("documented")

#: TFLite name → what is known. The vendor's table: https://coral.ai/docs/edgetpu/models-intro.
OPERATIONS: Mapping[str, Operation] = {
    **dict.fromkeys(("ADD", "AVERAGE_POOL_2D", "CONCATENATION", "CONV_2D", "DEPTHWISE_CONV_2D"), _DOCUMENTED),
    **dict.fromkeys(("FULLY_CONNECTED", "L2_NORMALIZATION", "LOGISTIC", "MAXIMUM", "MAX_POOL_2D"), _DOCUMENTED),
    **dict.fromkeys(("MEAN", "MINIMUM", "MUL", "PAD", "RELU", "RELU6", "RELU_N1_TO_1", "RESHAPE"), _DOCUMENTED),
    **dict.fromkeys(("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "SLICE", "SOFTMAX"), _DOCUMENTED),
    **dict.fromkeys(("SPACE_TO_DEPTH", "SPLIT", "SQUEEZE", "STRIDED_SLICE", "SUB", "TANH"), _DOCUMENTED),
    "EXPAND_DIMS": Operation("documented", 13),
    "PACK": Operation("documented", 13),
    "PRELU": Operation("documented", 13),
    "QUANTIZE": Operation("documented", 12),
    "REDUCE_MAX": Operation("documented", 14),
    "REDUCE_MIN": Operation("documented", 14),
    "RSQRT": Operation("unknown", 14),
    "SQUARED_DIFFERENCE": Operation("unknown", 14),
    "SUM": Operation("documented", 13),
    "TILE": Operation("seen"),
    "TRANSPOSE": Operation("documented", 14),
    "TRANSPOSE_CONV": Operation("documented", 13),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": Operation("documented", 14),
}

#: Operations that users met and that are never mapped → what to use instead.
REPLACEMENTS: Mapping[str, str] = {
    "DEQUANTIZE": "Convert with 8-bit outputs, and dequantize in the program.",
    "HARD_SWISH": "Train with ReLU6 or ReLU instead; for MobileNetV3 take its minimalistic variant.",
    "LEAKY_RELU": "Write it as maximum(x, alpha * x), for alpha below 1, before conversion.",
    "ELU": "Use ReLU or PReLU instead.",
    "GELU": "Use ReLU6 or a sigmoid times its input instead.",
    "ARG_MAX": "Leave it out of the model, and take the largest score in the program.",
    "CAST": "Feed the model 8-bit values, so that nothing needs casting.",
    "BATCH_MATMUL": "Use dense layers or 1×1 convolutions.",
    "SHAPE": "Export the model with a fixed batch size of 1, so that sizes are constants.",
    "DIV": "Multiply by the reciprocal.",
    "SPLIT_V": "Split into equal parts.",
}
