"""What the Edge TPU and its compiler ask of an op. To add a rule, add a function here: nothing else changes.

The docstrings are what users read, in messages and in docs/supported-ops.md. Sources: the vendor's table of
operations (documented), real compiled models and logs (seen), issues of google-coral/edgetpu, by number (reported).
No threshold is invented: where the limit lies between two values that were seen, ops in between are marked uncertain.
"""

from typing import Optional, Tuple

from edgekit.edgetpu.placement.operations import DEFAULT_RUNTIMES, OPERATIONS, REPLACEMENTS
from edgekit.edgetpu.placement.placement import BAD_DTYPE, BAD_RANK, BAD_VERSION, NOT_SUPPORTED
from edgekit.edgetpu.placement.registry import Case, Finding, activations, fails, numbers, operand, rule, text, unsure
from edgekit.tflite.graph import Tensor
from edgekit.tflite.reader import constant

_8_BIT = ("int8", "uint8")


@rule(confidence="documented", status=BAD_RANK)
def three_dimensions(case: Case) -> Optional[Finding]:
    """Only the three innermost dimensions of a tensor may be larger than 1.

    Use a batch of 1, and shapes of three dimensions or fewer beside it.
    """
    parameters = {case.op.inputs[position] for position in _parameters(case)}
    for tensor in activations(case):
        if tensor.index not in parameters and any(size > 1 for size in tensor.shape[:-3]):
            return fails(f"A tensor is {text(tensor.shape)}")
    return None


@rule(confidence="documented", status=BAD_DTYPE)
def eight_bits(case: Case) -> Optional[Finding]:
    """All data must be int8 or uint8.

    Quantize the whole model to 8 bits: `edgekit convert --int8`.
    """
    if case.op.opcode == "QUANTIZE":
        return None
    # Of operations that it does not know, the compiler judges the parameters too: GATHER's indices are int32.
    judged = activations(case) if case.op.opcode in OPERATIONS else case.graph.op_inputs(case.op) + activations(case)
    wrong = {tensor.dtype for tensor in judged if tensor.dtype not in _8_BIT}
    if not wrong:
        return None
    return fails(f"It works on {' and '.join(sorted(wrong))}", remedy=REPLACEMENTS.get(case.op.opcode, ""))


@rule("QUANTIZE", confidence="seen")
def quantize_eight_to_eight_bits(case: Case) -> Optional[Finding]:
    """QUANTIZE is mapped between 8-bit types only.

    Convert with an 8-bit input (`edgekit convert` does), and feed the model 8-bit images.
    """
    wrong = {tensor.dtype for tensor in activations(case) if tensor.dtype not in _8_BIT}
    return fails(f"One side is {' and '.join(sorted(wrong))}") if wrong else None


@rule(confidence="documented", status=NOT_SUPPORTED)
def known_operation(case: Case) -> Optional[Finding]:
    """The operation must be one that the Edge TPU knows; all others run on the CPU.

    Replace it by operations of the list in docs/supported-ops.md, or move it to the end of the model.
    """
    name = case.op.custom or case.op.opcode
    if case.op.opcode not in OPERATIONS:
        return fails(f"The Edge TPU does not know {name}", remedy=REPLACEMENTS.get(name, ""))
    if OPERATIONS[name].confidence == "unknown":
        return unsure(f"Whether the Edge TPU knows {name} is not confirmed")
    return None


@rule(confidence="documented", status=NOT_SUPPORTED)
def known_to_the_runtime(case: Case) -> Optional[Finding]:
    """The operation must be known to the oldest Edge TPU runtime that is to run the model.

    Compile for a newer runtime (`--min-runtime 14`) with compiler 16, and update the devices.
    """
    runtime = case.options.min_runtime_version or DEFAULT_RUNTIMES[case.options.compiler_version.split(".")[0]]
    needed = OPERATIONS[case.op.opcode].runtime if case.op.opcode in OPERATIONS else 0
    if runtime >= needed:
        return None
    # The vendor's column of runtimes; of the packages at hand none shows it, and one was older than its column.
    return Finding(f"{case.op.opcode} needs runtime {needed}, and {runtime} is asked for", certain=False)


@rule(confidence="reported", status=BAD_DTYPE)
def int8_runtime(case: Case) -> Optional[Finding]:
    """int8 models need Edge TPU runtime 12 or newer (issues 222 and 439).

    Compile for runtime 12 or newer, or quantize to uint8 with TensorFlow 1.
    """
    runtime = case.options.min_runtime_version
    if runtime is None or runtime >= 12 or not any(tensor.dtype == "int8" for tensor in activations(case)):
        return None
    return fails(f"It works on int8, and runtime {runtime} is asked for")


@rule(confidence="documented")
def constant_parameters(case: Case) -> Optional[Finding]:
    """Parameters (weights, axes, sizes, paddings) must be constants; a dense layer's weights may be computed.

    Export the model with fixed sizes (batch 1) and frozen weights.
    """
    for position in _parameters(case):
        tensor = operand(case, position)
        if tensor is not None and not tensor.is_constant:
            return fails(f"Its input {position} is computed while the model runs")
    return None


#: Ops whose inputs other than the data are parameters.
_PARAMETRISED = frozenset(
    "CONV_2D DEPTHWISE_CONV_2D TRANSPOSE_CONV PRELU MEAN SUM REDUCE_MAX REDUCE_MIN PAD RESHAPE RESIZE_BILINEAR "
    "RESIZE_NEAREST_NEIGHBOR TRANSPOSE SLICE STRIDED_SLICE TILE EXPAND_DIMS".split()
)


def _parameters(case: Case) -> Tuple[int, ...]:
    """Positions of the inputs that parametrise the op."""
    if case.op.opcode not in _PARAMETRISED:
        return ()
    data = 2 if case.op.opcode == "TRANSPOSE_CONV" else 0
    return tuple(position for position in range(len(case.op.inputs)) if position != data)


@rule("AVERAGE_POOL_2D", "MAX_POOL_2D", "CONCATENATION", confidence="documented")
def no_fused_activation(case: Case) -> Optional[Finding]:
    """No activation may be fused into pooling or concatenation.

    Put the activation before it, or into the convolution that follows.
    """
    activation = case.op.option("fused_activation_function", "NONE")
    return None if activation == "NONE" else fails(f"{activation} is fused into it")


@rule("CONV_2D", "DEPTHWISE_CONV_2D", confidence="documented")
def same_dilation(case: Case) -> Optional[Finding]:
    """A convolution's dilation must be the same in x and y.

    Use one dilation rate for both axes.
    """
    x, y = case.op.option("dilation_w_factor", 1), case.op.option("dilation_h_factor", 1)
    return None if x == y else fails(f"The dilation is {x} in x and {y} in y")


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


@rule("FULLY_CONNECTED", confidence="documented")
def one_vector(case: Case) -> Optional[Finding]:
    """A dense layer's output must be one vector.

    Use a 1×1 convolution for several vectors at once.
    """
    output = case.graph.op_outputs(case.op)[0]
    return fails(f"It is {text(output.shape)}") if any(size > 1 for size in output.shape[:-1]) else None


@rule("FULLY_CONNECTED", confidence="reported", status=BAD_VERSION)
def dense_version(case: Case) -> Optional[Finding]:
    """Dense layers of version 9 and newer are not mapped.

    Let edgekit set the op versions: `edgekit convert` and `edgekit compile` do.
    """
    return fails(f"It is version {case.op.version}") if case.op.version >= 9 else None


@rule("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", confidence="reported", status=BAD_VERSION)
def resize_version(case: Case) -> Optional[Finding]:
    """Resizing with half-pixel centers or aligned corners (version 3) needs compiler 16.

    Use compiler 16, or resize without half_pixel_centers and align_corners.
    """
    old = int(case.options.compiler_version.split(".")[0]) < 16
    return fails(f"It is version {case.op.version}") if old and case.op.version >= 3 else None


@rule("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", confidence="documented")
def no_reduction_over_batch(case: Case) -> Optional[Finding]:
    """A reduction must not include the batch dimension.

    Reduce over height, width or channels only.
    """
    data = case.graph.op_inputs(case.op)[0]
    axes = {axis % max(1, len(data.shape)) for axis in numbers(case, 1)}
    return fails(f"It reduces axis 0 of {text(data.shape)}") if len(data.shape) == 4 and 0 in axes else None


@rule("MEAN", confidence="documented")
def mean_over_channels(case: Case) -> Optional[Finding]:
    """A mean over channels needs a number of channels that is a multiple of 4.

    Pad the channels, or take the mean over height and width.
    """
    data = case.graph.op_inputs(case.op)[0]
    over_channels = len(data.shape) > 2 and (len(data.shape) - 1) in {
        axis % len(data.shape) for axis in numbers(case, 1)
    }
    return fails(f"There are {data.shape[-1]}") if over_channels and data.shape[-1] % 4 else None


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
    output = case.graph.op_outputs(case.op)[0]
    axis = case.op.option("axis", 0) % max(1, len(output.shape))
    return fails(f"It stacks to {text(output.shape)} along axis 0") if len(output.shape) > 3 and axis == 0 else None


@rule("SPLIT", confidence="documented")
def no_batch_splitting(case: Case) -> Optional[Finding]:
    """The batch dimension must not be split.

    Split along another axis.
    """
    data, axis = operand(case, 1), numbers(case, 0)
    if data is None or len(data.shape) != 4 or not axis or axis[0] % 4 != 0:
        return None
    return fails(f"It splits axis 0 of {text(data.shape)}") if case.op.option("num_splits", 1) > 1 else None


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
    source, target = case.graph.op_inputs(case.op)[0].shape, case.graph.op_outputs(case.op)[0].shape
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
    masks = [name for name in ("ellipsis_mask", "new_axis_mask") if case.op.option(name, 0)]
    return fails(f"It has an {masks[0].replace('_', ' ')}") if masks else None
