"""What to do about a placement.

Rules carry their own remedies; the functions of `_ADVISERS` see causes that no single op shows.
"""

from typing import Callable, Dict, List, Optional, Set, Tuple

from edgekit.edgetpu.placement.case import EIGHT_BITS, FLOATS, LAYOUT_SWAPS
from edgekit.edgetpu.placement.doubts import without_doubt
from edgekit.edgetpu.placement.partition import mapped_subsets
from edgekit.edgetpu.placement.placement import CPU, EDGE_TPU, Placement
from edgekit.edgetpu.placement.words import counted, grouped, name
from edgekit.edgetpu.statuses import OTHER_SUBGRAPH
from edgekit.tflite.graph import Graph, Op
from edgekit.tflite.reader import constant
from edgekit.tflite.summary import quantization
from edgekit.tflite.versions import minimal_versions

Adviser = Callable[[Graph, Placement], Optional[str]]


def advice(graph: Graph, placement: Placement) -> Tuple[str, ...]:
    """What to change, most useful first; () where there is nothing to do."""
    title = placement.accelerator.title
    if _is_float(graph) and placement.accelerator.eight_bits:
        return ((_SMALL_WEIGHTS if quantization(graph).kind == "weights" else _FLOAT_MODEL).format(title=title),)
    if placement.accelerator != EDGE_TPU:
        return _others_advice(graph, placement)
    general = [text for text in (adviser(graph, placement) for adviser in _ADVISERS) if text]
    doubt = _unconfirmed(graph, placement)
    return tuple(general + _remedies(graph, placement) + ([doubt] if doubt else []))


def _others_advice(graph: Graph, placement: Placement) -> Tuple[str, ...]:
    """What to change for another accelerator: its ops are taken one by one, so that each remedy wins its own."""
    ends = _float_ends(graph, placement) if _on_cpu(placement, "QUANTIZE", "DEQUANTIZE") else None
    remedies = [f"{grouped(ops)}: {remedy}" for remedy, ops in _places(graph, placement, set()).items() if remedy]
    return tuple(([ends] if ends else []) + remedies)


def _on_cpu(placement: Placement, *opcodes: str) -> bool:
    return any(placed.device == CPU and placed.op.opcode in opcodes for placed in placement.ops)


def _places(graph: Graph, placement: Placement, told: Set[int]) -> Dict[str, List[Tuple[str, int]]]:
    """Remedy → the rejected ops that it is for. Casts at the ends have advice of their own, as have those `told`."""
    ends = set(graph.inputs + graph.outputs)
    places: Dict[str, List[Tuple[str, int]]] = {}
    for placed in placement.ops:
        if placed.op.opcode in ("QUANTIZE", "DEQUANTIZE") and ends.intersection(placed.op.inputs + placed.op.outputs):
            continue
        if placed.op.index in told:
            continue
        for remedy in sorted({violation.remedy for violation in placed.violations if violation.rejected}):
            places.setdefault(remedy, []).append((name(placed.op), placed.op.index))
    return places


def _remedies(graph: Graph, placement: Placement) -> List[str]:
    """The rejected ops' remedies, ops with the same one together, the remedy that wins most ops first."""
    places = _places(graph, placement, {op.index for op in _shuffles(graph)})
    won = {remedy: _won(graph, placement, {index for _, index in ops}) for remedy, ops in places.items()}
    ranked = sorted(places.items(), key=lambda item: -won[item[0]])
    return [f"{grouped(ops)}: {remedy}{_gain(won[remedy])}" for remedy, ops in ranked]


def _won(graph: Graph, placement: Placement, mended: Set[int]) -> int:
    """How many more ops would map if the mended ones were supported."""
    supported = [placed.supported or placed.op.index in mended for placed in placement.ops]
    everything = placement.options.all_subgraphs or bool(placement.options.intermediate_tensors)
    return sum(map(len, mapped_subsets(graph, supported, everything))) - placement.mapped


def _gain(won: int) -> str:
    """Told where it is more than the one op itself."""
    return f" That maps {won} more ops." if won > 1 else ""


_FLOAT_MODEL = "The model computes in float, and the {title} in 8 bits only: convert it with `edgekit convert --int8`."

_SMALL_WEIGHTS = (
    "Only its weights are in few bits: it computes in float, and the {title} in 8 bits only. Convert the float model "
    "that it was made from, or this one, with `edgekit convert --int8`."
)


def _is_float(graph: Graph) -> bool:
    made = {tensor.dtype for op in graph.ops for tensor in graph.op_outputs(op)}
    return bool(made & FLOATS) and not made & EIGHT_BITS


def _versions(graph: Graph, placement: Placement) -> Optional[str]:
    """Versions that are higher than they need be, in a file that the compiler refuses."""
    high = [op for op, lowest in zip(graph.ops, minimal_versions(graph)) if op.version > lowest]
    if placement.refusal is None or not high:
        return None
    return (
        f"{grouped([(name(op), op.index) for op in high])}: versions are higher than needed. "
        "`edgekit compile` lowers them without changing the result."
    )


def _dynamic_batch(graph: Graph, placement: Placement) -> Optional[str]:
    """A batch that is open, and ops that compute sizes from it."""
    sizes = [op for op in graph.ops if op.opcode == "SHAPE"]
    if not sizes or not any(graph.tensors[index].is_dynamic for index in graph.inputs):
        return None
    return (
        f"The batch size is dynamic, and {counted(len(sizes))} of type SHAPE read it, which splits the model: "
        "export it with a fixed batch size of 1."
    )


def _float_ends(graph: Graph, placement: Placement) -> Optional[str]:
    """Float inputs or outputs around an 8-bit model."""
    cast_in = any(_casts(op, "QUANTIZE") for index in _floats(graph, graph.inputs) for op in graph.consumers(index))
    cast_out = any(_casts(graph.producer(index), "DEQUANTIZE") for index in _floats(graph, graph.outputs))
    how = "--int8 --io uint8" if placement.accelerator == EDGE_TPU else f"--target {placement.accelerator.name}"
    ends = [text for text, cast in (("inputs", cast_in), ("outputs", cast_out)) if cast]
    if not ends:
        return None
    return (
        f"Its {' and '.join(ends)} are float, so the CPU converts them at each inference: "
        f"convert the float model that it was made from with 8-bit ones (`edgekit convert {how}`)."
    )


def _floats(graph: Graph, indices: Tuple[int, ...]) -> List[int]:
    return [index for index in indices if graph.tensors[index].dtype in FLOATS]


def _casts(op: Optional[Op], opcode: str) -> bool:
    return op is not None and op.opcode == opcode


def _channels_first(graph: Graph, placement: Placement) -> Optional[str]:
    """Transpositions between NCHW and NHWC."""
    swaps = [op for op in graph.ops if op.opcode == "TRANSPOSE" and _permutation(graph, op) in LAYOUT_SWAPS]
    if len(swaps) < 2:
        return None
    return (
        f"{len(swaps)} TRANSPOSEs turn channels first into channels last or back, as conversions from PyTorch leave "
        "them: convert the model with channels last (NHWC), then none is needed."
    )


def _permutation(graph: Graph, op: Op) -> Tuple[int, ...]:
    stored = graph.op_inputs(op)[1:2]
    if not stored or not stored[0].is_constant or stored[0].dtype != "int32":
        return ()
    return tuple(int(axis) for axis in constant(graph, stored[0]).ravel())


def _several_outputs(graph: Graph, placement: Placement) -> Optional[str]:
    """Outputs that the CPU computes, of several."""
    on_cpu = {index for placed in placement.ops if placed.device == CPU for index in placed.op.outputs}
    late = [index for index in graph.outputs if index in on_cpu]
    learned = any(placed.op.opcode in _LEARNED for placed in placement.ops if placed.device == CPU)
    early = 2 * placement.mapped < len(placement.ops)  # no end of the model lies there
    if len(graph.outputs) < 2 or not late or learned or early:
        return None
    return (
        f"{len(late)} of its {len(graph.outputs)} outputs are computed on the CPU: end the model where the Edge TPU "
        "ends, and compute the rest in the program."
    )


# A rest that holds one of these is no postprocessing that a program could take over.
_LEARNED = frozenset(
    "CONV_2D DEPTHWISE_CONV_2D TRANSPOSE_CONV FULLY_CONNECTED UNIDIRECTIONAL_SEQUENCE_LSTM CONV_3D BATCH_MATMUL".split()
)


def _pixel_shuffle(graph: Graph, placement: Placement) -> Optional[str]:
    """Channels rearranged into height and width, by way of a tensor of many dimensions."""
    shuffles = [op for op in _shuffles(graph) if placement.ops[op.index].device == CPU]
    if not shuffles:
        return None
    return (
        f"{grouped([(name(op), op.index) for op in shuffles])}: it rearranges channels into height and width (pixel "
        "shuffle) through more than three dimensions. Use a transposed convolution of the same stride: with a kernel "
        "of zeros and ones it computes the same. Or resize and convolve, and train again."
    )


def _shuffles(graph: Graph) -> List[Op]:
    """The transpositions of five dimensions or more between two reshapes."""
    return [
        op
        for op in graph.ops
        if op.opcode == "TRANSPOSE"
        and any(len(tensor.shape) >= 5 for tensor in graph.op_inputs(op)[:1])
        and _is_reshape(graph.producer(op.inputs[0]))
        and any(_is_reshape(reader) for tensor in op.outputs for reader in graph.consumers(tensor))
    ]


def _is_reshape(op: Optional[Op]) -> bool:
    return op is not None and op.opcode == "RESHAPE"


def _later_subgraphs(graph: Graph, placement: Placement) -> Optional[str]:
    """Supported ops behind the end of the first subgraph."""
    behind = [placed for placed in placement.ops if placed.status == OTHER_SUBGRAPH]
    if not behind or placement.options.all_subgraphs or placement.ends_at is None:
        return None
    return (
        f"{counted(len(behind))} more could run on the Edge TPU, but come after op {placement.ends_at}: change that op "
        "first. `--all-subgraphs` maps them too, with a transfer at each split."
    )


def _unconfirmed(graph: Graph, placement: Placement) -> Optional[str]:
    """Ops whose outcome is not known, and what hangs on each kind."""
    doubtful = [placed for placed in placement.ops if not placed.certain]
    if not doubtful:
        return None
    total, stakes = len(placement.ops), placement.stakes
    left = [f"without {name(stake.op)} (op {stake.op.index}) {stake.mapped} of {total} map" for stake in stakes]
    said = f" {', '.join(left)}." if len(left) > 1 else ""  # one alone is in the verdict
    ops = grouped([(name(placed.op), placed.op.index) for placed in doubtful])
    named = without_doubt(placement)
    way = f" `edgekit convert --corrections {named}` writes what it can as ops that were seen mapped." if named else ""
    return f"Not certain: {ops}.{said[:2].upper()}{said[2:]} Only the compiler can tell.{way}"


_ADVISERS: Tuple[Adviser, ...] = (
    _versions,
    _dynamic_batch,
    _float_ends,
    _channels_first,
    _pixel_shuffle,
    _later_subgraphs,
    _several_outputs,
)
