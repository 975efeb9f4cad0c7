"""Ops whose int8 kernels TFLite has and litert-quantizer does not know, quantized under another op's name.

All that a quantizer has to know of such an op is which of its inputs are values and whether it keeps their scale. For
each there is an op that is quantized in the same way: it stands in while the quantizer looks, and leaves afterwards.
"""

from collections.abc import Mapping

from edgekit.tflite.renaming import renamed, restored

#: op → one that the quantizer knows and that wants the same of scales; by TFLite's 8-bit quantization specification
#: and the checks in the kernels' `Prepare` (TensorFlow 2.21). ELU, EXP and LOG are not here: they have int8
#: kernels, but none that the Edge TPU compiler can read.
STAND_INS: Mapping[str, str] = {
    # The output has a range of its own.
    "ABS": "RELU",
    "L2_NORMALIZATION": "RELU",
    "LOG_SOFTMAX": "RELU",
    "PRELU": "MUL",
    "REDUCE_PROD": "SUM",
    "RELU6": "RELU",
    "RELU_N1_TO_1": "RELU",
    # Inputs of one scale each; the output is true or false.
    "GREATER": "EQUAL",
    "GREATER_EQUAL": "EQUAL",
    "LESS": "EQUAL",
    "LESS_EQUAL": "EQUAL",
    # All values on one scale; what else the ops read are whole numbers.
    "MINIMUM": "MAXIMUM",
    "BATCH_TO_SPACE_ND": "SLICE",
    "DEPTH_TO_SPACE": "SPACE_TO_DEPTH",
    "EXPAND_DIMS": "RESHAPE",
    "REDUCE_MAX": "REDUCE_MIN",
    "REVERSE_V2": "RESHAPE",
    "SPACE_TO_BATCH_ND": "SLICE",
    "SPLIT_V": "SLICE",
    "SQUEEZE": "SPACE_TO_DEPTH",
    "TILE": "RESHAPE",
}


def disguised(content: bytes) -> bytes:
    """The float model with stand-ins in the place of the ops that the quantizer does not know."""
    return renamed(content, STAND_INS)


def undisguised(content: bytes) -> bytes:
    """The model with its own ops in the place of stand-ins."""
    return restored(content)
