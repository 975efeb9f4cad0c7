"""What the Edge TPU and its compiler ask of one kind of op. To add a rule, add a function here: nothing else changes.

The docstrings are what users read, in messages and in docs/supported-ops.md. Sources: the vendor's table of
operations (documented), real compiled models and logs (seen), issues of google-coral/edgetpu, by number (reported).
No threshold is invented: where the limit lies between two values that were seen, ops in between are marked uncertain.
"""

from typing import Optional

from edgekit.edgetpu.placement.case import (
    EIGHT_BITS,
    Case,
    Finding,
    Rules,
    activations,
    axes,
    data,
    fails,
    numbers,
    operand,
    output,
    text,
)
from edgekit.edgetpu.statuses import BAD_VERSION
from edgekit.tflite.graph import Tensor
from edgekit.tflite.reader import constant

RULES = Rules()
rule = RULES.rule


@rule("QUANTIZE", confidence="seen")
def quantize_eight_to_eight_bits(case: Case) -> Optional[Finding]:
    """QUANTIZE is mapped between 8-bit types only.

    Convert with an 8-bit input (`edgekit convert` does), and feed the model 8-bit images.
    """
    wrong = {tensor.dtype for tensor in activations(case) if tensor.dtype not in EIGHT_BITS}
    remedy = "" if case.op.inputs[0] in case.graph.inputs else _QUANTIZED_INSIDE
    return fails(f"One side is {' and '.join(sorted(wrong))}", remedy=remedy) if wrong else None


_QUANTIZED_INSIDE = "What comes before it is no 8-bit op: keep that in 8 bits, or do it in the program."


@rule("AVERAGE_POOL_2D", "MAX_POOL_2D", "CONCATENATION", confidence="documented")
def no_fused_activation(case: Case) -> Optional[Finding]:
    """No activation may be fused into pooling or concatenation.

    Put the activation before it, or into the convolution that follows.
    """
    activation = case.op.option("fused_activation_function", "NONE")
    return None if activation == "NONE" else fails(f"{activation} is fused into it")


@rule("CONV_2D", "DEPTHWISE_CONV_2D", confidence="documented")
def same_dilation(case: Case) -> Optional[Finding]:
    """A convolution's dilation must be the same in x and y, unless its kernel is 1 along one of them.

    Use one dilation rate for both axes, or one convolution for each axis (kernels of n×1 and 1×n).
    """
    x, y = case.op.option("dilation_w_factor", 1), case.op.option("dilation_h_factor", 1)
    weights = operand(case, 1)
    kernel = weights.shape[1:3] if weights is not None else ()
    return None if x == y or 1 in kernel else fails(f"The dilation is {x} in x and {y} in y")


@rule("CONCATENATION", confidence="documented")
def concatenated_constants(case: Case) -> Optional[Finding]:
    """With a constant among its inputs, a concatenation must have two inputs, and the constant must be all zero.

    Pad instead of appending a constant, or add the constant in the program.
    """
    stored = [tensor for tensor in case.graph.op_inputs(case.op) if tensor.is_constant]
    if not stored:
        return None
    if len(case.op.inputs) != 2:
        return fails(f"It has {len(case.op.inputs)} inputs, {len(stored)} of them constant")
    return None if _all_zero(case, stored[0]) else fails("The constant is not all zero")


def _all_zero(case: Case, tensor: Tensor) -> bool:
    zero_point = tensor.quant.zero_point[0] if tensor.quant else 0
    return bool((constant(case.graph, tensor) == zero_point).all())


@rule("FULLY_CONNECTED", confidence="documented")
def default_weights_format(case: Case) -> Optional[Finding]:
    """A dense layer's weights must be in the default format.

    Convert again without the shuffled weights format.
    """
    stored = case.op.option("weights_format", "DEFAULT")
    return None if stored == "DEFAULT" else fails(f"They are {stored}")


_ROWS_COMPILER = 16


@rule("FULLY_CONNECTED", confidence="reported", numbers={"compiler": _ROWS_COMPILER})
def one_vector(case: Case) -> Optional[Finding]:
    """Before compiler {compiler} a dense layer's output must be one vector (issues 25 and 27).

    Use compiler {compiler}, or a 1×1 convolution for several vectors at once.
    """
    shape = output(case).shape
    several = any(size > 1 for size in shape[:-1])
    return fails(f"It is {text(shape)}") if several and _release(case) < _ROWS_COMPILER else None


def _release(case: Case) -> int:
    return int(case.options.compiler_version.split(".")[0])


_NEW_DENSE = 9


@rule("FULLY_CONNECTED", confidence="reported", status=BAD_VERSION, numbers={"version": _NEW_DENSE})
def dense_version(case: Case) -> Optional[Finding]:
    """Dense layers of version {version} and newer are not mapped.

    Let edgekit set the op versions: `edgekit convert` and `edgekit compile` do.
    """
    return fails(f"It is version {case.op.version}") if case.op.version >= _NEW_DENSE else None


_NEW_RESIZE, _RESIZE_COMPILER = 3, 16


@rule(
    *("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"),
    numbers={"version": _NEW_RESIZE, "compiler": _RESIZE_COMPILER},
    confidence="reported",
    status=BAD_VERSION,
)
def resize_version(case: Case) -> Optional[Finding]:
    """Resizing with half-pixel centers or aligned corners (version {version}) needs compiler {compiler}.

    Use compiler {compiler}, or resize without half_pixel_centers and align_corners.
    """
    old = _release(case) < _RESIZE_COMPILER
    return fails(f"It is version {case.op.version}") if old and case.op.version >= _NEW_RESIZE else None


@rule("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", confidence="documented")
def no_reduction_over_batch(case: Case) -> Optional[Finding]:
    """A reduction must not include the batch dimension.

    Reduce over height, width or channels only.
    """
    shape = data(case).shape
    return fails(f"It reduces axis 0 of {text(shape)}") if len(shape) == 4 and 0 in axes(case) else None


_CHANNEL_STEP = 4


@rule("MEAN", confidence="documented", numbers={"step": _CHANNEL_STEP})
def mean_over_channels(case: Case) -> Optional[Finding]:
    """A mean over channels needs a number of channels that is a multiple of {step}.

    Pad the channels, or take the mean over height and width.
    """
    shape = data(case).shape
    over_channels = len(shape) > 2 and len(shape) - 1 in axes(case)
    return fails(f"There are {shape[-1]}") if over_channels and shape[-1] % _CHANNEL_STEP else None


@rule("PAD", confidence="documented")
def no_batch_padding(case: Case) -> Optional[Finding]:
    """The batch dimension must not be padded.

    Pad height, width or channels only.
    """
    paddings = numbers(case, 1)
    padded = len(paddings) == 8 and any(paddings[:2])
    return fails(f"It is padded by {paddings[0]} and {paddings[1]}") if padded else None


@rule("PACK", confidence="documented")
def no_batch_packing(case: Case) -> Optional[Finding]:
    """Tensors must not be stacked along the batch dimension.

    Stack along another axis, or concatenate.
    """
    shape = output(case).shape
    axis = case.op.option("axis", 0) % max(1, len(shape))
    return fails(f"It stacks to {text(shape)} along axis 0") if len(shape) > 3 and axis == 0 else None


@rule("SPLIT", confidence="seen")
def no_splitting_of_axis_0(case: Case) -> Optional[Finding]:
    """The first axis of a tensor must not be split, be it the batch or not.

    Split along another axis.
    """
    source, axis = operand(case, 1), numbers(case, 0)
    if source is None or not source.shape or not axis or axis[0] % len(source.shape) != 0:
        return None
    return fails(f"It splits axis 0 of {text(source.shape)}") if case.op.option("num_splits", 1) > 1 else None


@rule("PRELU", confidence="documented")
def one_slope_per_channel(case: Case) -> Optional[Finding]:
    """PReLU needs one slope per channel, shared over height and width.

    Use Keras' `PReLU(shared_axes=[1, 2])`.
    """
    slope = operand(case, 1)
    shape = slope.shape if slope is not None else ()
    return fails(f"The slopes are {text(shape)}") if any(size > 1 for size in shape[:-1]) else None


@rule("SQUEEZE", confidence="documented")
def leading_ones(case: Case) -> Optional[Finding]:
    """Only leading dimensions of 1 can be squeezed away.

    Reshape instead.
    """
    source, target = data(case).shape, output(case).shape
    dropped = len(source) - len(target)
    return None if source[dropped:] == target else fails(f"It turns {text(source)} into {text(target)}")


@rule("STRIDED_SLICE", confidence="documented")
def plain_slices(case: Case) -> Optional[Finding]:
    """A strided slice needs strides of 1 and no ellipsis or new-axis mask.

    Slice without steps, and reshape for new axes.
    """
    strides = numbers(case, 3)
    if any(stride != 1 for stride in strides):
        return fails(f"Its strides are {', '.join(map(str, strides))}")
    masks = [name for name in ("ellipsis_mask", "new_axis_mask") if case.op.option(name)]
    return fails(f"It has an {masks[0].replace('_', ' ')}") if masks else None
