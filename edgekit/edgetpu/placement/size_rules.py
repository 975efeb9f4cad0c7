"""Up to which sizes the Edge TPU's compiler maps an op, as far as it was seen; written like `rules.py`.

No threshold is invented: where the limit lies between two values that were seen, ops in between are taken as mapped
and marked uncertain. Sizes are not monotonic either (issue 512: one detector fails at 352 and 480 pixels and compiles
at 384 and 512), so the compiler's word stands above these.
"""

from typing import Optional, Tuple

from edgekit.edgetpu.placement.registry import Case, Finding, activations, between, fails, numbers, rule, text, unsure


@rule("MEAN", confidence="reported")
def mean_over_large_images(case: Case) -> Optional[Finding]:
    """A mean over a large height and width is not mapped: 64×128 was, 256×128 was not (issues 461 and 183).

    Split the image into parts, take the mean of each, and the mean of those.
    """
    data = case.graph.op_inputs(case.op)[0]
    axes = {axis % max(1, len(data.shape)) for axis in numbers(case, 1)}
    spatial = [data.shape[axis] for axis in axes if len(data.shape) - 3 <= axis < len(data.shape) - 1]
    if len(spatial) < 2:
        return None
    return between(spatial[0] * spatial[1], mapped=64 * 128, on_cpu=256 * 128, what="Height × width")


@rule("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", confidence="seen")
def resize_factor(case: Case) -> Optional[Finding]:
    """Resizing is mapped for small factors only: 2 was seen mapped, 15.5 was not.

    Resize by 2 several times, or leave the resizing to the program.
    """
    source, target = case.graph.op_inputs(case.op)[0].shape, case.graph.op_outputs(case.op)[0].shape
    factor = max((after / max(1, before) for before, after in zip(source[-3:-1], target[-3:-1])), default=1.0)
    if factor <= 2:
        return None
    value = f"The factor is {factor:.3g}"
    return fails(value) if factor >= 15.5 else unsure(f"{value}, and nothing is known between 2 and 15.5")


@rule("SOFTMAX", confidence="seen")
def softmax_size(case: Case) -> Optional[Finding]:
    """Softmax is documented for up to 16,000 values; 16,384 were seen mapped.

    Use fewer classes, or leave softmax to the program.
    """
    values = max(case.graph.op_inputs(case.op)[0].shape[-1:], default=1)
    return between(values, mapped=16_384, on_cpu=None, what="The number of values")


@rule("TRANSPOSE", confidence="seen")
def transpose_size(case: Case) -> Optional[Finding]:
    """Large tensors are not transposed: 57,600 elements were seen mapped, 134,400 were not.

    Convert the model with channels last (NHWC), so that no transposition is left.
    """
    return between(case.graph.op_inputs(case.op)[0].elements, mapped=57_600, on_cpu=134_400, what="The element count")


@rule("TRANSPOSE_CONV", confidence="reported")
def transpose_conv_size(case: Case) -> Optional[Finding]:
    """Some sizes of transposed convolutions are not mapped, and not always the largest (issue 686).

    Resize by 2 and use an ordinary convolution, should it stay on the CPU.
    """
    return unsure(f"Which ones is unknown; its output is {text(case.graph.op_outputs(case.op)[0].shape)}")


@rule("RESHAPE", confidence="seen")
def reshape_size(case: Case) -> Optional[Finding]:
    """Large tensors are not reshaped: 134,400 elements were seen to be supported, 230,400 were not.

    Make the input image smaller, or leave the last steps of a detector to the program.
    """
    return between(case.graph.op_outputs(case.op)[0].elements, mapped=134_400, on_cpu=230_400, what="The element count")


@rule("CONCATENATION", "STRIDED_SLICE", "LOGISTIC", "QUANTIZE", confidence="seen")
def long_rows(case: Case) -> Optional[Finding]:
    """Large tensors without height whose rows are longer than there are rows are not mapped: 176,400 elements
    were seen to be supported, 230,400 were not.

    Keep channels last, so that positions come before classes, or make the input image smaller.
    """
    sizes = [tensor.elements for tensor in activations(case) if _has_long_rows(tensor.shape)]
    return between(max(sizes, default=0), mapped=176_400, on_cpu=230_400, what="The element count")


def _has_long_rows(shape: Tuple[int, ...]) -> bool:
    return len(shape) > 1 and not any(size > 1 for size in shape[:-2]) and shape[-1] > shape[-2]
