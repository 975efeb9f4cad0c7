"""TFLite's greedy delegate partitioner, which decides what forms one Edge TPU subgraph.

After `PartitionGraphIntoIndependentNodeSubsets` in TensorFlow's `lite/graph_info.cc`: in each epoch the first op
whose inputs are ready decides the kind (delegated or not); the epoch takes all ops of that kind that are ready or
become ready through it, wherever in the file they stand.
"""

from typing import Dict, List, NamedTuple, Sequence, Set, Tuple

from edgekit.tflite.graph import Graph


class Subset(NamedTuple):
    """Ops of one epoch: whether they can be delegated, and their indices in order."""

    delegated: bool
    ops: Tuple[int, ...]


def partition(graph: Graph, supported: Sequence[bool]) -> Tuple[Subset, ...]:
    """The graph's ops in subsets of supported and of unsupported ones, in order of execution.

    Args:
      graph: the graph; an op that waits for a tensor that nothing produces takes part in no subset, as in TFLite.
      supported: for each op whether the delegate takes it.
    """
    waiting, readers = _dependencies(graph)
    ready: Dict[bool, Set[int]] = {True: set(), False: set()}
    for index, missing in enumerate(waiting):
        if missing == 0:
            ready[supported[index]].add(index)
    subsets = []
    while ready[True] or ready[False]:
        kind = supported[min(ready[True] | ready[False])]
        subsets.append(Subset(kind, _epoch(ready, kind, waiting, readers, supported)))
    return tuple(subsets)


def mapped_subsets(graph: Graph, supported: Sequence[bool], everything: bool) -> List[Tuple[int, ...]]:
    """What the compiler maps: the first subset of supported ops, or with `everything` all of them."""
    subsets = [subset.ops for subset in partition(graph, supported) if subset.delegated]
    return subsets if everything else subsets[:1]


def _dependencies(graph: Graph) -> Tuple[List[int], Dict[int, List[int]]]:
    """For each op how many of its inputs are still to be computed; for each op's index who reads from it."""
    producer = {tensor: op.index for op in graph.ops for tensor in op.outputs}
    waiting = [0] * len(graph.ops)
    readers: Dict[int, List[int]] = {}
    for op in graph.ops:
        for source in {producer[tensor] for tensor in op.inputs if tensor in producer}:
            readers.setdefault(source, []).append(op.index)
            waiting[op.index] += 1
    return waiting, readers


def _epoch(
    ready: Dict[bool, Set[int]],
    kind: bool,
    waiting: List[int],
    readers: Dict[int, List[int]],
    supported: Sequence[bool],
) -> Tuple[int, ...]:
    """Takes out all ops of `kind` that are ready or become so; the others that become ready wait in `ready`."""
    taken = []
    queue = sorted(ready[kind])
    ready[kind].clear()
    while queue:
        index = queue.pop()
        taken.append(index)
        for reader in readers.get(index, ()):
            waiting[reader] -= 1
            if waiting[reader] == 0 and supported[reader] is kind:
                queue.append(reader)
            elif waiting[reader] == 0:
                ready[not kind].add(reader)
    return tuple(sorted(taken))
