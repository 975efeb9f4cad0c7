"""Up to which sizes the Edge TPU's compiler maps an op, as far as it was seen; written like `rules.py`.

No threshold is invented: where the limit lies between two values that were seen, ops in between are taken as mapped
and marked uncertain. Sizes are not monotonic either (issue 512: one detector fails at 352 and 480 pixels and compiles
at 384 and 512), so the compiler's word stands above these.
"""

from typing import Optional, Tuple

from edgekit.edgetpu.placement.case import (
    LAYOUT_SWAPS,
    Case,
    Finding,
    Rules,
    Seen,
    activations,
    axes,
    between,
    data,
    fails,
    numbers,
    output,
    text,
    unsure,
)

RULES = Rules()
rule = RULES.rule

#: Height × width that a mean is taken over.
MEAN = Seen(64 * 128, 256 * 128)
_SOFTMAX, _TRANSPOSE = Seen(16_384, None), Seen(69_696, 112_896)
_RESHAPE, _LONG_ROWS = Seen(134_400, 230_400), Seen(176_400, 230_400)
_RESIZE_OUTPUT = Seen(2_097_152, 4_194_304)
_RESIZE_MAPPED, _RESIZE_ON_CPU = 2, 15.5
_RESIZE = {"mapped": _RESIZE_MAPPED, "on_cpu": _RESIZE_ON_CPU}


@rule("MEAN", confidence="reported", numbers=MEAN.numbers)
def mean_over_large_images(case: Case) -> Optional[Finding]:
    """A mean over a large height × width is not mapped: {mapped:,} was, {on_cpu:,} was not (issues 461 and 183).

    Split the image into parts, take the mean of each, and the mean of those.
    """
    shape = data(case).shape
    spatial = [shape[axis] for axis in axes(case) if len(shape) - 3 <= axis < len(shape) - 1]
    return between(spatial[0] * spatial[1], MEAN, "Height × width") if len(spatial) == 2 else None


@rule("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", confidence="seen", numbers=_RESIZE)
def resize_factor(case: Case) -> Optional[Finding]:
    """Resizing is mapped for small factors only: {mapped} was seen mapped, {on_cpu} was not.

    Resize by {mapped} several times, or leave the resizing to the program.
    """
    source, target = data(case).shape, output(case).shape
    factor = max((after / max(1, before) for before, after in zip(source[-3:-1], target[-3:-1])), default=1.0)
    if factor <= _RESIZE_MAPPED:
        return None
    value = f"The factor is {factor:.3g}"
    if factor >= _RESIZE_ON_CPU:
        return fails(value)
    return unsure(f"{value}, and nothing is known between {_RESIZE_MAPPED} and {_RESIZE_ON_CPU}")


@rule("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", confidence="seen", numbers=_RESIZE_OUTPUT.numbers)
def resize_output(case: Case) -> Optional[Finding]:
    """Resizing to large outputs is not mapped: {mapped:,} elements were seen mapped, {on_cpu:,} were not.

    Make the tensor smaller before it is resized, in height, width or channels, or leave the resizing to the program.
    """
    return between(output(case).elements, _RESIZE_OUTPUT, "The element count")


@rule("SOFTMAX", confidence="seen", numbers=_SOFTMAX.numbers)
def softmax_size(case: Case) -> Optional[Finding]:
    """Softmax is mapped for up to {mapped:,} values; of more nothing is known.

    Use fewer classes, or leave softmax to the program.
    """
    return between(max(data(case).shape[-1:], default=1), _SOFTMAX, "The number of values")


@rule("TRANSPOSE", confidence="seen", numbers=_TRANSPOSE.numbers)
def transpose_size(case: Case) -> Optional[Finding]:
    """Large tensors are not transposed: {mapped:,} elements were seen mapped, {on_cpu:,} were not.

    Make the tensor smaller, or leave the transposition to the program.
    """
    found = between(data(case).elements, _TRANSPOSE, "The element count")
    return found._replace(remedy=_CHANNELS_LAST) if found and numbers(case, 1) in LAYOUT_SWAPS else found


_CHANNELS_LAST = "Convert the model with channels last (NHWC), so that no transposition is left."


@rule("TRANSPOSE_CONV", confidence="reported")
def transpose_conv_size(case: Case) -> Optional[Finding]:
    """Some sizes of transposed convolutions are not mapped, and not always the largest (issue 686).

    Resize by 2 and use an ordinary convolution, should it stay on the CPU.
    """
    return unsure(f"Which ones is unknown; its output is {text(output(case).shape)}")


@rule("RESHAPE", confidence="seen", numbers=_RESHAPE.numbers)
def reshape_size(case: Case) -> Optional[Finding]:
    """Large tensors are not reshaped: {mapped:,} elements were seen to be supported, {on_cpu:,} were not.

    Make the tensor smaller (a smaller input image, fewer channels), or leave the reshaping to the program where it is
    one of the last steps.
    """
    return between(output(case).elements, _RESHAPE, "The element count")


@rule("CONCATENATION", "STRIDED_SLICE", "LOGISTIC", "QUANTIZE", confidence="seen", numbers=_LONG_ROWS.numbers)
def long_rows(case: Case) -> Optional[Finding]:
    """Large tensors without height whose rows are longer than there are rows are not mapped: {mapped:,} elements
    were seen to be supported, {on_cpu:,} were not.

    Keep channels last, so that positions come before classes, or make the input image smaller.
    """
    sizes = [tensor.elements for tensor in activations(case) if _has_long_rows(tensor.shape)]
    return between(max(sizes, default=0), _LONG_ROWS, "The element count")


def _has_long_rows(shape: Tuple[int, ...]) -> bool:
    return len(shape) > 1 and not any(size > 1 for size in shape[:-2]) and shape[-1] > shape[-2]
