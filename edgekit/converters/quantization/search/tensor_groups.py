"""Which tensors of a model play the same part, so that one range method may suit them all.

A part is told by the op that writes a tensor and those that read it: in EfficientNet-B0 the swish products that a
depthwise convolution reads, say, have rare high values that can be cut, and those that are pooled must not be cut.
"""

from collections.abc import Mapping
from dataclasses import replace

from edgekit.calibration import Ranges
from edgekit.tflite.graph import Graph
from edgekit.tflite.ops import facts


def tensor_groups(graph: Graph) -> Mapping[str, tuple[str, ...]]:
    """Group, as «MUL for CONV_2D» → names of its float tensors, none of those with fixed ranges."""
    groups: dict[str, list[str]] = {}
    for op in graph.ops:
        if facts(op).fixed_output or facts(op).same_scale:
            continue
        for index in (i for i in op.outputs if graph.tensors[i].dtype == "float32"):
            group = f"{op.opcode} for {' and '.join(_readers(graph, index)) or 'the output'}"
            groups.setdefault(group, []).append(graph.tensors[index].name)
    return {group: tuple(names) for group, names in groups.items()}


def same_values(graph: Graph) -> Mapping[str, str]:
    """Name of a tensor that has no scale of its own → name of the one it has it from, in order of computation."""
    names = [tensor.name for tensor in graph.tensors]
    return {
        names[output]: names[op.inputs[facts(op).data]]
        for op in graph.ops
        if facts(op).same_scale
        for output in op.outputs
    }


def tied(ranges: Ranges, graph: Graph) -> Ranges:
    """The same with what only hands values on, such as PAD, in the range of those values: nothing is clipped twice."""
    bounds = dict(ranges.bounds)
    bounds.update((name, bounds[source]) for name, source in same_values(graph).items() if source in bounds)
    return replace(ranges, bounds=bounds)


def _readers(graph: Graph, index: int) -> tuple[str, ...]:
    readers = [op for op in graph.ops if index in op.inputs]
    found = {op.opcode for op in readers if not facts(op).hands_on}
    beyond = [output for op in readers if facts(op).hands_on for output in op.outputs]
    return tuple(sorted(found.union(*(_readers(graph, output) for output in beyond))))
