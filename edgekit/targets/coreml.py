"""LiteRT's Core ML delegate, on iPhones and iPads: which ops it takes for the Neural Engine.

After tflite/delegates/coreml/README.md, which lists them with their limits, and TensorFlow's page about the delegate.
"""

from typing import Optional

from edgekit.edgetpu.placement.case import (
    EIGHT_BITS,
    Case,
    Finding,
    Rules,
    activations,
    data,
    fails,
    numbers,
    operand,
    text,
)
from edgekit.edgetpu.placement.placement import Accelerator
from edgekit.targets.delegates import LIMITED, Delegate, Source

RULES = Rules()


@RULES.rule(confidence="documented", status=LIMITED)
def values_are_float(case: Case) -> Optional[Finding]:
    """The Core ML delegate takes float models, with weights in float32 or float16.

    Convert with --float16; the int8 model is for the CPU.
    """
    small = next((tensor for tensor in activations(case) if tensor.dtype in EIGHT_BITS), None)
    weights = next((t for t in case.graph.op_inputs(case.op) if t.is_constant and t.dtype in EIGHT_BITS), None)
    found = small or weights
    return fails(f"its {'values' if small else 'weights'} are {found.dtype}") if found else None


@RULES.rule("RESHAPE", confidence="documented", status=LIMITED)
def reshape_is_of_core_ml_2(case: Case) -> Optional[Finding]:
    """Reshape is taken for Core ML 2, not for Core ML 3, which every iPhone since iOS 13 has.

    Set the delegate's Core ML version to 2, or use a convolution of 1×1 for a dense layer, which needs no reshape.
    """
    return fails("newer phones choose Core ML 3")


@RULES.rule(
    "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV", confidence="documented", status=LIMITED
)
def weights_are_stored(case: Case) -> Optional[Finding]:
    """Weights and bias are stored in the model.

    Export the model with weights that are constants.
    """
    places = (1,) if case.op.opcode == "TRANSPOSE_CONV" else (1, 2)
    tensors = [tensor for tensor in (operand(case, place) for place in places) if tensor is not None]
    return None if all(_stored(case, tensor.index) for tensor in tensors) else fails("they are computed")


def _stored(case: Case, index: int) -> bool:
    """Whether a tensor is a constant, or a constant in float16 unpacked."""
    tensor, maker = case.graph.tensors[index], case.graph.producer(index)
    unpacked = maker is not None and maker.opcode == "DEQUANTIZE"
    return tensor.is_constant or (unpacked and case.graph.tensors[maker.inputs[0]].is_constant)  # type: ignore[union-attr]


@RULES.rule("FULLY_CONNECTED", confidence="documented", status=LIMITED)
def one_image_at_a_time(case: Case) -> Optional[Finding]:
    """A dense layer has one row: all dimensions but the last are 1.

    Export the model with a batch size of 1, and flatten before the layer.
    """
    shape = data(case).shape
    return None if all(size == 1 for size in shape[:-1]) else fails(f"its input is {text(shape)}")


@RULES.rule("ADD", "MUL", confidence="documented", status=LIMITED)
def few_shapes_are_widened(case: Case) -> Optional[Finding]:
    """Of two inputs, the smaller one has both height and width or neither; channels it may have or not.

    Bring both to the same shape first.
    """
    shapes = [tensor.shape for tensor in case.graph.op_inputs(case.op)[:2]]
    widest = max(shapes, key=lambda shape: (len(shape), shape))
    smaller = [shape for shape in shapes if shape != widest and len(shape) == 4]
    odd = next((shape for shape in smaller if (shape[1] == 1) != (shape[2] == 1) and widest[1:3] != shape[1:3]), None)
    return fails(f"one is {text(odd)}, the other {text(widest)}") if odd else None


@RULES.rule("PAD", "PADV2", "MIRROR_PAD", confidence="documented", status=LIMITED)
def padding_is_of_height_and_width(case: Case) -> Optional[Finding]:
    """Padding is stored, of four dimensions, and of height and width alone; mirrored, by reflection.

    Pad where the tensor still is a map, and no channels.
    """
    paddings = numbers(case, 1)
    if len(paddings) != 8 or any(paddings[:2]) or any(paddings[6:]):
        return fails(f"the paddings are {', '.join(map(str, paddings)) or 'computed'}")
    symmetric = case.op.opcode == "MIRROR_PAD" and case.op.option("mode", "REFLECT") != "REFLECT"
    return fails("it mirrors symmetrically") if symmetric else None


COREML = Delegate(
    Accelerator(
        "ios",
        "Core ML delegate",
        ("run on the Core ML delegate", "runs on the Core ML delegate"),
        "Core ML",
        eight_bits=False,
    ),
    frozenset(
        "ADD AVERAGE_POOL_2D CONCATENATION CONV_2D DEPTHWISE_CONV_2D FULLY_CONNECTED HARD_SWISH LOGISTIC MAX_POOL_2D "
        "MIRROR_PAD MUL PAD PADV2 RELU RELU_N1_TO_1 RELU6 RESHAPE RESIZE_BILINEAR SOFTMAX TANH TRANSPOSE_CONV".split()
    ),
    RULES,
    parts=0,
    least=2,
    source=Source("README.md of LiteRT's Core ML delegate", "2026-11"),
)
