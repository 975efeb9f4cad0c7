"""LiteRT's GPU delegate, on Android (OpenCL, OpenGL ES) and iOS (Metal): which ops it takes.

After `CheckGpuDelegateCompatibility` in tflite/tools/versioning/gpu_compatibility.cc, which decides in the delegate
itself, and after delegate_options.h: it takes one part of a model unless told otherwise.
"""

from typing import Optional

import numpy as np

from edgekit.edgetpu.placement.case import Case, Finding, Rules, data, fails, numbers, operand, output, text, unsure
from edgekit.edgetpu.placement.placement import Accelerator
from edgekit.targets.delegates import LIMITED, Delegate, Source
from edgekit.tflite.reader import constant

RULES = Rules()

#: Between zero and this (2**-14) a number loses digits in float16, or becomes zero.
SMALLEST_HALF = 2.0**-14


@RULES.rule("SOFTMAX", confidence="documented", status=LIMITED)
def softmax_is_plain(case: Case) -> Optional[Finding]:
    """Softmax has no factor (beta) other than 1.

    Multiply before it instead.
    """
    beta = case.op.option("beta", 1.0)
    return None if beta == 1 else fails(f"beta is {beta}")


@RULES.rule("STRIDED_SLICE", confidence="documented", status=LIMITED)
def slices_keep_the_rank(case: Case) -> Optional[Finding]:
    """A strided slice has three or four dimensions, and neither adds nor drops one.

    Slice with a range of one (`x[:, :1]`) and reshape behind it.
    """
    masks = [name for name in ("ellipsis_mask", "new_axis_mask", "shrink_axis_mask") if case.op.option(name)]
    if masks:
        return fails(f"it sets {', '.join(masks)}")
    return _rank(case)


@RULES.rule("SLICE", confidence="documented", status=LIMITED)
def slices_have_three_or_four_dimensions(case: Case) -> Optional[Finding]:
    """A slice has three or four dimensions.

    Slice where the tensor still is a map.
    """
    return _rank(case)


def _rank(case: Case) -> Optional[Finding]:
    shape = data(case).shape
    return None if len(shape) in (3, 4) else fails(f"the input is {text(shape)}")


@RULES.rule("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD", confidence="documented", status=LIMITED)
def axes_are_stored(case: Case) -> Optional[Finding]:
    """The axes of a reduction are stored in the model, as int32.

    Export the model with axes that are constants.
    """
    return None if numbers(case, 1) and _dtype(case, 1) == "int32" else fails("they are computed, or of another type")


@RULES.rule("PAD", "PADV2", "MIRROR_PAD", confidence="documented", status=LIMITED)
def padding_is_of_maps(case: Case) -> Optional[Finding]:
    """Padding is of three or four dimensions; mirrored, by reflection.

    Pad where the tensor still is a map; use reflection.
    """
    tensor = operand(case, 1)
    if tensor is None or tensor.shape not in ((3, 2), (4, 2)):
        return fails(f"the paddings are {text(tensor.shape) if tensor else 'missing'}")
    symmetric = case.op.opcode == "MIRROR_PAD" and case.op.option("mode", "REFLECT") != "REFLECT"
    return fails("it mirrors symmetrically") if symmetric else None


_CASTS = {("bool", "float16"), ("bool", "float32"), ("float16", "bool"), ("float32", "bool")} | {
    (a, b) for a in ("float32", "int32") for b in ("float32", "int32")
}


@RULES.rule("CAST", confidence="documented", status=LIMITED)
def casts_are_of_few_types(case: Case) -> Optional[Finding]:
    """A cast is between float and bool, or between float32 and int32.

    Feed the model values of its own type, so that nothing needs casting.
    """
    pair = (data(case).dtype, output(case).dtype)
    return None if pair in _CASTS else fails(f"it is from {pair[0]} to {pair[1]}")


@RULES.rule("DEPTHWISE_CONV_2D", confidence="documented", status=LIMITED)
def depth_is_multiplied_for_one_channel(case: Case) -> Optional[Finding]:
    """A depthwise convolution multiplies its channels (depth multiplier) only where there is one of them.

    Use a plain convolution with as many groups of outputs.
    """
    multiplier, channels = case.op.option("depth_multiplier", 1), data(case).shape[-1:]
    return fails(f"the multiplier is {multiplier}") if multiplier != 1 and channels != (1,) else None


@RULES.rule("FULLY_CONNECTED", confidence="documented", status=LIMITED)
def dense_layers_keep_their_rank(case: Case) -> Optional[Finding]:
    """A dense layer has plain weights, and an output of as many dimensions as its input where it keeps them.

    Flatten before it.
    """
    if case.op.option("weights_format", "DEFAULT") != "DEFAULT":
        return fails(f"its weights are {case.op.option('weights_format')}")
    ranks = (len(data(case).shape), len(output(case).shape))
    return (
        fails(f"it makes {ranks[1]} dimensions of {ranks[0]}")
        if case.op.option("keep_num_dims") and ranks[0] != ranks[1]
        else None
    )


@RULES.rule("GATHER", confidence="documented", status=LIMITED)
def gathering_is_by_a_list(case: Case) -> Optional[Finding]:
    """Gathering is of floats, by a list of int32 positions.

    Use slices instead.
    """
    positions = operand(case, 1)
    listed = positions is not None and len(positions.shape) == 1 and positions.dtype == "int32"
    return None if listed and data(case).dtype != "int32" else fails("its input or its positions are of another form")


@RULES.rule("MUL", confidence="documented", status=LIMITED)
def one_factor_is_as_large(case: Case) -> Optional[Finding]:
    """Of two factors of the same rank, one is at least as large as the other in every dimension.

    Use a convolution where each widens the other.
    """
    shapes = [tensor.shape for tensor in case.graph.op_inputs(case.op)[:2]]
    if len(shapes) < 2 or len(shapes[0]) != len(shapes[1]):
        return None
    first, second = (any(a < b for a, b in zip(*pair)) for pair in (shapes, shapes[::-1]))
    return fails(f"they are {text(shapes[0])} and {text(shapes[1])}") if first and second else None


@RULES.rule("RESIZE_BILINEAR", confidence="documented", status=LIMITED)
def resizing_is_one_way(case: Case) -> Optional[Finding]:
    """Resizing aligns corners or has half-pixel centres, not both.

    Export it with one of them.
    """
    both = case.op.option("align_corners") and case.op.option("half_pixel_centers")
    return fails("it asks for both") if both else None


@RULES.rule("DEPTH_TO_SPACE", "SPACE_TO_DEPTH", confidence="documented", status=LIMITED)
def blocks_are_larger_than_one(case: Case) -> Optional[Finding]:
    """Blocks are larger than 1×1.

    Leave the op out: it does nothing.
    """
    block = case.op.option("block_size", 2)
    return None if isinstance(block, int) and block > 1 else fails(f"the block is {block}")


@RULES.rule("DEQUANTIZE", confidence="documented", status=LIMITED)
def sixteen_bit_integers_stay(case: Case) -> Optional[Finding]:
    """No int16 values are dequantized.

    Convert with 8-bit activations, or with --float16.
    """
    return fails("its input is int16") if data(case).dtype == "int16" else None


@RULES.rule("ADD", "SUB", "DIV", confidence="reported", status=LIMITED)
def constants_fit_float16(case: Case) -> Optional[Finding]:
    """Constants are zero or larger than float16's smallest full number (6.1e-05).

    Compute in 32 bits (`gpu-fp32` of `edgekit benchmark --adb`), or use a larger epsilon (1e-3).
    """
    for tensor in case.graph.op_inputs(case.op):
        if tensor.is_constant and tensor.dtype in ("float32", "float16") and tensor.elements == 1:
            value = float(np.abs(constant(case.graph, tensor).ravel()[0]))
            if 0 < value < SMALLEST_HALF:
                return unsure(f"it uses {value:.1e}: results were far off on a Galaxy S23 (tensorflow issue 67216)")
    return None


def _dtype(case: Case, position: int) -> str:
    tensor = operand(case, position)
    return tensor.dtype if tensor else ""


GPU = Delegate(
    Accelerator(
        "android", "GPU delegate", ("run on the GPU delegate", "runs on the GPU delegate"), "GPU", eight_bits=False
    ),
    frozenset(
        "ADD ADD_N AVERAGE_POOL_2D BATCH_MATMUL CAST CONCATENATION CONV_2D CUMSUM DENSIFY DEPTHWISE_CONV_2D "
        "DEPTH_TO_SPACE DEQUANTIZE EMBEDDING_LOOKUP DYNAMIC_UPDATE_SLICE FULLY_CONNECTED GATHER HARD_SWISH LSTM "
        "MAX_POOL_2D MEAN MUL PACK ONE_HOT QUANTIZE RELU_N1_TO_1 PRELU RESHAPE SELECT SELECT_V2 SLICE SOFTMAX "
        "SPACE_TO_DEPTH SPLIT SPLIT_V STRIDED_SLICE TILE TRANSPOSE TRANSPOSE_CONV RESIZE_BILINEAR "
        "RESIZE_NEAREST_NEIGHBOR RELU RELU6 LEAKY_RELU REDUCE_MAX REDUCE_MIN REDUCE_PROD SUM PAD PADV2 MIRROR_PAD "
        "ABS CEIL COS ELU EXP FLOOR GELU LOG LOGISTIC NEG RSQRT SIGN SIN SQRT SQUARE TANH ATAN2 DIV EQUAL FLOOR_DIV "
        "FLOOR_MOD GREATER GREATER_EQUAL LOGICAL_AND LESS LESS_EQUAL MAXIMUM MINIMUM NOT_EQUAL POW SQUARED_DIFFERENCE "
        "SUB STABLEHLO_CLAMP Convolution2DTransposeBias MaxPoolingWithArgmax2D MaxUnpooling2D Resampler".split()
    ),
    RULES,
    parts=1,
    least=1,
    source=Source("gpu_compatibility.cc and delegate_options.h of LiteRT", "2026-11"),
)
