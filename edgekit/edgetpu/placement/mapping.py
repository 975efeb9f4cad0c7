"""Predicting where each op runs, by the compiler's rules and TFLite's partitioner."""

from typing import Dict, FrozenSet, List, Optional, Sequence, Set, Tuple

from edgekit.edgetpu.placement.case import Case
from edgekit.edgetpu.placement.operations import DEFAULT_RUNTIMES
from edgekit.edgetpu.placement.partition import mapped_subsets
from edgekit.edgetpu.placement.placement import (
    CPU,
    EDGETPU,
    CompilerOptions,
    OpPlacement,
    Placement,
    Stake,
    Violation,
)
from edgekit.edgetpu.placement.precedents import unlike_any
from edgekit.edgetpu.placement.registry import violations
from edgekit.edgetpu.statuses import MAPPED, OTHER_SUBGRAPH, STATUS_ORDER
from edgekit.errors import UsageError
from edgekit.tflite.graph import Graph, Op
from edgekit.tflite.versions import refusal

_DEFAULTS = CompilerOptions()


def map_ops(graph: Graph, options: CompilerOptions = _DEFAULTS) -> Placement:
    """Predicts what `edgetpu_compiler` does with a model as it is, under the given flags.

    Raises:
      UsageError: an unknown compiler release, or an intermediate tensor that the graph does not have.
    """
    _check(graph, options)
    broken = [violations(Case(graph, op, options)) for op in graph.ops]
    cut = _readers(graph, options.intermediate_tensors)
    supported = [
        op.index not in cut and not any(violation.rejected for violation in found)
        for op, found in zip(graph.ops, broken)
    ]
    subgraphs = mapped_subsets(graph, supported, options.all_subgraphs or bool(cut))
    home = {index: number for number, ops in enumerate(subgraphs) for index in ops}
    placed = tuple(_placed(Case(graph, op, options), found, home.get(op.index)) for op, found in zip(graph.ops, broken))
    stakes = _stakes(graph, placed, supported, options.all_subgraphs or bool(cut))
    return Placement(placed, len(subgraphs), _end(subgraphs, supported), _refusal(graph, options), options, stakes)


def _check(graph: Graph, options: CompilerOptions) -> None:
    if options.compiler_version.split(".")[0] not in DEFAULT_RUNTIMES:
        raise UsageError(f"Nothing is known of edgetpu_compiler {options.compiler_version!r}.")
    missing = set(options.intermediate_tensors) - {tensor.name for tensor in graph.tensors}
    if missing:
        raise UsageError(f"The model has no tensor named {sorted(missing)[0]!r}.")


def _readers(graph: Graph, names: Tuple[str, ...]) -> FrozenSet[int]:
    """The ops that read the named tensors: cutting the graph there leaves these on the CPU (seen)."""
    cuts = {tensor.index for tensor in graph.tensors if tensor.name in names}
    return frozenset(op.index for op in graph.ops if cuts.intersection(op.inputs))


def _placed(case: Case, found: Tuple[Violation, ...], subgraph: Optional[int]) -> OpPlacement:
    if subgraph is not None:
        return OpPlacement(case.op, EDGETPU, MAPPED, found, subgraph, unlike_any(case))
    statuses = {violation.status for violation in found if violation.rejected}
    status = next((status for status in STATUS_ORDER if status in statuses), OTHER_SUBGRAPH)
    return OpPlacement(case.op, CPU, status, found)


def _stakes(graph: Graph, ops: Sequence[OpPlacement], supported: Sequence[bool], everything: bool) -> Tuple[Stake, ...]:
    """For each kind of op that is doubtful on the Edge TPU, what is left without these ops."""
    doubtful = [placed.op for placed in ops if placed.device == EDGETPU and not placed.certain]
    stakes = []
    for opcode in dict.fromkeys(op.opcode for op in doubtful):
        lost = [op for op in doubtful if op.opcode == opcode]
        without = [found and op not in lost for op, found in zip(graph.ops, supported)]
        stakes.append(Stake(lost[0], sum(map(len, mapped_subsets(graph, without, everything)))))
    return tuple(sorted(stakes, key=lambda stake: stake.mapped))


def _end(subgraphs: List[Tuple[int, ...]], supported: Sequence[bool]) -> Optional[int]:
    """The first op that cannot be mapped after the first subgraph began."""
    if not subgraphs:
        return None
    return next((index for index in range(subgraphs[0][0], len(supported)) if not supported[index]), None)


def _refusal(graph: Graph, options: CompilerOptions) -> Optional[Tuple[str, str]]:
    dynamic = _dynamic(graph)
    if dynamic is not None:
        return (
            f"The size of op {dynamic.index} ({dynamic.opcode}) is known only while the model runs, and the compiler "
            "takes no tensors of dynamic size",
            "Export the model with a fixed batch size of 1 and a fixed image size.",
        )
    seen: Dict[Tuple[str, int], Op] = {}
    for op in graph.ops:
        found = refusal(graph, op, op.version, options.compiler_version)
        if found and (op.opcode, op.version) not in seen:
            return f"The compiler cannot read op {op.index}: {found[0]}", found[1]
    return None


def _dynamic(graph: Graph) -> Optional[Op]:
    """The first op that takes an output size from computed numbers."""
    computed: Set[int] = {tensor for op in graph.ops for tensor in op.outputs}
    sizes = {"RESHAPE": 1, "FILL": 0, "BROADCAST_TO": 1, "RESIZE_BILINEAR": 1, "RESIZE_NEAREST_NEIGHBOR": 1, "TILE": 1}
    for op in graph.ops:
        position = sizes.get(op.opcode)
        if position is not None and len(op.inputs) > position and op.inputs[position] in computed:
            return op
    return None
