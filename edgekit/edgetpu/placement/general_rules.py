"""What the Edge TPU and its compiler ask of every op. Written like `rules.py`."""

from typing import Optional, Tuple

from edgekit.edgetpu.placement.case import (
    EIGHT_BITS,
    FLOATS,
    Case,
    Finding,
    Rules,
    activations,
    fails,
    operand,
    text,
)
from edgekit.edgetpu.placement.operations import DEFAULT_RUNTIMES, OPERATIONS, REPLACEMENTS
from edgekit.edgetpu.statuses import BAD_DTYPE, BAD_RANK, NOT_SUPPORTED
from edgekit.tflite.graph import Graph

RULES = Rules()
rule = RULES.rule


@rule(confidence="documented", status=NOT_SUPPORTED)
def has_its_tensors(case: Case) -> Optional[Finding]:
    """An operation must have the inputs that its type requires, and an output.

    The file is damaged, or was written by a faulty converter: export the model again.
    """
    known = OPERATIONS.get(case.op.opcode)
    missing = [position for position in range(known.inputs) if operand(case, position) is None] if known else []
    if missing:
        return fails(f"It has no input {missing[0]}")
    return None if case.graph.op_outputs(case.op) else fails("It has no output")


_INNER = 3


@rule(confidence="documented", status=BAD_RANK, numbers={"inner": _INNER})
def three_dimensions(case: Case) -> Optional[Finding]:
    """Only the {inner} innermost dimensions of a tensor may be larger than 1.

    Use a batch of 1, and shapes of {inner} dimensions or fewer beside it.
    """
    parameters = {case.op.inputs[position] for position in _parameters(case)}
    for tensor in activations(case):
        if tensor.index not in parameters and any(size > 1 for size in tensor.shape[:-_INNER]):
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
    wrong = {tensor.dtype for tensor in judged if tensor.dtype not in EIGHT_BITS}
    if not wrong:
        return None
    otherwise = _NOT_QUANTIZED if not wrong & FLOATS else _IN_PART if _computes_in_integers(case.graph) else ""
    if not any(tensor.dtype in wrong and not tensor.is_constant for tensor in judged):
        otherwise = _PARAMETERS
    otherwise = _CUSTOM if case.op.custom else otherwise
    of_weights = case.op.opcode == "DEQUANTIZE" and all(given.is_constant for given in case.graph.op_inputs(case.op))
    remedy = otherwise if of_weights else REPLACEMENTS.get(case.op.opcode, otherwise)
    return fails(f"It works on {' and '.join(sorted(wrong))}", remedy=remedy)


# What quantization does to int32, int64 and bool: nothing.
_NOT_QUANTIZED = (
    "Quantization changes floating point only: compute these numbers in the program, or make them constants before the "
    "conversion."
)


# An axis or indices of an operation that it does not know.
_PARAMETERS = (
    "These are the operation's own parameters, which stay integers: do without the operation, or move it to the end of "
    "the model."
)


# Nothing quantizes what only its own code knows.
_CUSTOM = "A custom operation runs on the CPU: keep it as the last step, or do its work in the program."


# A file with integers inside cannot be quantized any further.
_IN_PART = (
    "The model is quantized in part: quantize all of it, from the float model that it was made from, with "
    "`edgekit convert --int8`."
)


def _computes_in_integers(graph: Graph) -> bool:
    return any(tensor.quant and not tensor.is_constant and tensor.dtype in EIGHT_BITS for tensor in graph.tensors)


@rule(confidence="documented", status=NOT_SUPPORTED)
def known_operation(case: Case) -> Optional[Finding]:
    """The operation must be one that the Edge TPU supports; all others run on the CPU.

    Replace it by operations from the list in docs/supported-ops.md, or move it to the end of the model.
    """
    name = case.op.custom or case.op.opcode
    if case.op.opcode not in OPERATIONS:
        return fails(f"The Edge TPU does not support {name}", remedy=REPLACEMENTS.get(name, ""))
    return None


_NEWEST = max(DEFAULT_RUNTIMES, key=int)


@rule(
    confidence="documented",
    status=NOT_SUPPORTED,
    numbers={"runtime": DEFAULT_RUNTIMES[_NEWEST], "compiler": int(_NEWEST)},
)
def known_to_the_runtime(case: Case) -> Optional[Finding]:
    """The operation must be supported by the oldest Edge TPU runtime that is to run the model.

    Compile for a newer runtime (`--min-runtime {runtime}`) with compiler {compiler}, and update the devices.
    """
    runtime = case.options.min_runtime_version or DEFAULT_RUNTIMES[case.options.compiler_version.split(".")[0]]
    known = OPERATIONS.get(case.op.opcode)
    if known is None or runtime >= known.runtime:
        return None
    # The vendor's column of runtimes; of the packages at hand none shows it, and one was older than its column.
    return Finding(f"{case.op.opcode} needs runtime {known.runtime}, and {runtime} is asked for", certain=False)


_INT8_RUNTIME = 12


@rule(confidence="reported", status=BAD_DTYPE, numbers={"runtime": _INT8_RUNTIME})
def int8_runtime(case: Case) -> Optional[Finding]:
    """int8 models need Edge TPU runtime {runtime} or newer (issues 222 and 439).

    Compile for runtime {runtime} or newer, or quantize to uint8 with TensorFlow 1.
    """
    runtime = case.options.min_runtime_version
    if runtime is None or runtime >= _INT8_RUNTIME or not any(tensor.dtype == "int8" for tensor in activations(case)):
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
