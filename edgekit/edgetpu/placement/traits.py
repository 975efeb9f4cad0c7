"""What of an op decides whether one like it was seen mapped: kind, types, rank, constant inputs, options, size."""

from typing import Callable, Mapping, NamedTuple

from edgekit.edgetpu.placement.case import Case, activations, axes, data, numbers, output
from edgekit.tflite.ops import facts


class Trait(NamedTuple):
    """What two ops must share for one to be a precedent of the other.

    Attributes:
      opcode: TFLite's name.
      dtypes: types of what it computes from and to: "int8", or "uint8 to int8".
      rank: dimensions of its largest computed tensor.
      inputs: for each input "v" where it is computed, "c" where it is constant, "-" where it is left out; those of a
        concatenation, which may have any number, as one.
      options: what else the compiler may mind, in words.
    """

    opcode: str
    dtypes: str
    rank: int
    inputs: str
    options: str


def trait_of(case: Case) -> Trait:
    """An op's trait. Asked only of ops that have the inputs that their kind needs, and an output."""
    tensors = activations(case)
    largest = max(tensors, key=lambda tensor: tensor.elements)
    options = _OPTIONS.get(case.op.opcode, _elementwise if facts(case.op).elementwise else _none)
    return Trait(case.op.opcode, _dtypes(case), len(largest.shape), _inputs(case), options(case).strip())


def elements_of(case: Case) -> int:
    """An op's size: the elements of its largest computed tensor."""
    return max(tensor.elements for tensor in activations(case))


def _dtypes(case: Case) -> str:
    before = {t.dtype for t in case.graph.op_inputs(case.op) if not t.is_constant and not t.is_variable}
    after = {t.dtype for t in case.graph.op_outputs(case.op)}
    sides = ["/".join(sorted(side)) for side in (before or after, after)]
    return sides[0] if sides[0] == sides[1] else " to ".join(sides)


def _inputs(case: Case) -> str:
    tensors = case.graph.tensors
    marks = "".join("-" if i < 0 else "c" if tensors[i].is_constant else "v" for i in case.op.inputs)
    return "".join(sorted(set(marks))) if case.op.opcode in ("CONCATENATION", "PACK") else marks


def _none(case: Case) -> str:
    return ""


def _elementwise(case: Case) -> str:
    """Two computed tensors of different shapes are another matter than two of one."""
    shapes = {tensor.shape for tensor in case.graph.op_inputs(case.op) if not tensor.is_constant}
    activation = case.op.option("fused_activation_function", "NONE")
    return ("broadcast " if len(shapes) > 1 else "") + ("" if activation == "NONE" else activation)


def _convolution(case: Case) -> str:
    option = case.op.option
    strides = sorted({option("stride_h", 1), option("stride_w", 1)})
    dilated = max(option("dilation_h_factor", 1), option("dilation_w_factor", 1)) > 1
    several = option("depth_multiplier", 1) > 1
    text = f"stride {'×'.join(map(str, strides))}"
    return text + (" dilated" if dilated else "") + (" depth multiplier" if several else "")


def _dense(case: Case) -> str:
    shape = output(case).shape
    rows = "several rows " if any(size > 1 for size in shape[:-1]) else ""
    return rows + ("keep_num_dims" if case.op.option("keep_num_dims") else "")


def _reduction(case: Case) -> str:
    rank = len(data(case).shape)
    return f"over {' '.join(str(axis - rank) for axis in sorted(axes(case)))}"


def _transposition(case: Case) -> str:
    return f"to {' '.join(map(str, numbers(case, 1)))}"


def _reshaping(case: Case) -> str:
    return f"rank {len(data(case).shape)} to {len(output(case).shape)}"


def _padding(case: Case) -> str:
    pads = numbers(case, 1)
    rank = len(pads) // 2
    return f"axes {' '.join(str(axis - rank) for axis in range(rank) if any(pads[2 * axis : 2 * axis + 2]))}"


def _joining(case: Case) -> str:
    rank = len(output(case).shape)
    return f"axis {case.op.option('axis', 0) % max(1, rank) - rank}"


def _splitting(case: Case) -> str:
    _, source, *_ = case.graph.op_inputs(case.op)
    rank = len(source.shape)
    return " ".join(f"axis {axis % max(1, rank) - rank}" for axis in numbers(case, 0))


def _resizing(case: Case) -> str:
    return " ".join(name for name in ("align_corners", "half_pixel_centers") if case.op.option(name))


def _slicing(case: Case) -> str:
    return "shrink_axis_mask" if case.op.option("shrink_axis_mask") else ""


_OPTIONS: Mapping[str, Callable[[Case], str]] = {
    "CONCATENATION": _joining,
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _convolution,
    "FULLY_CONNECTED": _dense,
    "MEAN": _reduction,
    "PACK": _joining,
    "PAD": _padding,
    "REDUCE_MAX": _reduction,
    "REDUCE_MIN": _reduction,
    "RESHAPE": _reshaping,
    "RESIZE_BILINEAR": _resizing,
    "RESIZE_NEAREST_NEIGHBOR": _resizing,
    "SPLIT": _splitting,
    "SQUEEZE": _reshaping,
    "STRIDED_SLICE": _slicing,
    "SUM": _reduction,
    "TRANSPOSE": _transposition,
    "TRANSPOSE_CONV": _convolution,
}
