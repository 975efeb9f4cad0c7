"""On-chip memory and latency of a model on the Edge TPU, before anything is compiled or attached.

latency = fixed + sent · byte time + fetched · byte time + array passes · pass time + vector passes · pass time

Parameters are cached on the chip in the order of the operations, whole operations at a time, as long as
they fit; the others are sent again at each inference, and once more for each piece of a large output.
The five times are fitted on published latencies (`profiles`); docs/estimates.md has the errors.
"""

from dataclasses import dataclass, replace
from typing import FrozenSet, List, Mapping, Optional, Tuple

from edgekit.edgetpu.estimate.profiles import (
    CHECKED_INPUT_BYTES,
    CHECKED_OPS,
    CHECKED_PARAMETERS,
    EDGE_TPU,
    HOSTS,
    MANY_CONCATENATIONS,
    Host,
)
from edgekit.edgetpu.estimate.work import Work, op_work
from edgekit.edgetpu.placement.placement import EDGETPU, Placement
from edgekit.tflite.graph import Graph


@dataclass(frozen=True)
class Latency:
    """Milliseconds of one inference after the first, pre- and postprocessing excluded.

    Attributes:
      low, expected, high: about 9 in 10 published figures lie between low and high.
    """

    low: float
    expected: float
    high: float


@dataclass(frozen=True)
class LayerCost:
    """One operation's share.

    Attributes:
      index: the operation's place in the graph; its place in the list for `estimate_work`.
      work: what it asks of the chip.
      streamed: whether its parameters are sent at each inference.
      compute_ms: time on the chip.
      transfer_ms: time to stream its parameters over USB 3; 0.0 where they are cached.
    """

    index: int
    work: Work
    streamed: bool
    compute_ms: float
    transfer_ms: float

    @property
    def ms(self) -> float:
        """Compute and transfer together."""
        return self.compute_ms + self.transfer_ms


@dataclass(frozen=True)
class Estimate:
    """What a model is expected to take on the Edge TPU. Sizes in bytes.

    Attributes:
      on_chip_bytes: on-chip memory used for cached parameters, as the compiler prints it.
      remaining_bytes: what is left of it at most; large intermediate tensors take some more.
      streamed_bytes: parameters sent at each inference.
      parameter_bytes: all parameters as stored in the compiled file.
      macs: products of the mapped operations.
      input_bytes, output_bytes: what crosses the bus at each inference, parameters excluded.
      latency: host (`profiles.HOSTS`) → milliseconds; operations on the CPU are not in it.
      layers: the mapped operations, in order.
      cautions: why the figures may be further off than their interval says.
    """

    on_chip_bytes: int
    remaining_bytes: int
    streamed_bytes: int
    parameter_bytes: int
    macs: int
    input_bytes: int
    output_bytes: int
    latency: Mapping[str, Latency]
    layers: Tuple[LayerCost, ...]
    cautions: Tuple[str, ...]

    def costliest(self, count: int = 5) -> Tuple[LayerCost, ...]:
        """The operations that take the most time."""
        return tuple(sorted(self.layers, key=lambda layer: -layer.ms)[:count])


def estimate(graph: Graph, placement: Placement) -> Estimate:
    """Estimates a model of which `placement` says what runs on the Edge TPU."""
    mapped = {p.op.index: p.subgraph or 0 for p in placement.ops if p.device == EDGETPU}
    works = {index: op_work(graph, graph.ops[index]) for index in mapped}
    sent, fetched = _crossing(graph, mapped)
    found = estimate_work(works, sent, fetched, calls=placement.subgraphs)
    return replace(found, cautions=tuple(_cautions(graph, mapped)))


def estimate_work(works: Mapping[int, Work], sent: int, fetched: int, *, calls: int = 1) -> Estimate:
    """Estimates from the work alone: `sent` and `fetched` bytes of activations, `calls` of the chip per inference."""
    cached = _cached(works)
    layers = tuple(_layer_cost(index, work, index not in cached) for index, work in sorted(works.items()))
    streamed = [layer.work for layer in layers if layer.streamed]
    used = sum(works[index].on_chip_bytes for index in cached)
    compute = sum(layer.compute_ms for layer in layers) + fetched * EDGE_TPU.output_ns * 1e-6
    bus = sent + sum(work.parameter_bytes * work.pieces for work in streamed)
    return Estimate(
        on_chip_bytes=used,
        remaining_bytes=EDGE_TPU.on_chip_bytes - used,
        streamed_bytes=sum(work.parameter_bytes for work in streamed),
        parameter_bytes=sum(work.parameter_bytes for work in works.values()),
        macs=sum(work.macs for work in works.values()),
        input_bytes=sent,
        output_bytes=fetched,
        latency={name: _latency(host, bus, compute, calls) for name, host in HOSTS.items()} if works else {},
        layers=layers,
        cautions=(),
    )


def _cached(works: Mapping[int, Work]) -> FrozenSet[int]:
    """The operations whose parameters stay on the chip: in order, skipping what does not fit."""
    free, cached = EDGE_TPU.on_chip_bytes, set()
    for index, work in sorted(works.items()):
        if work.on_chip_bytes <= free:
            cached.add(index)
            free -= work.on_chip_bytes
    return frozenset(cached)


def _layer_cost(index: int, work: Work, streamed: bool) -> LayerCost:
    compute = (work.array_passes * EDGE_TPU.array_ns + work.vector_passes * EDGE_TPU.vector_ns) * 1e-6
    transfer = work.parameter_bytes * work.pieces * HOSTS["usb3"].byte_ns * 1e-6 if streamed else 0.0
    return LayerCost(index, work, streamed, compute, transfer)


def _latency(host: Host, bus: float, compute: float, calls: int) -> Latency:
    expected = calls * host.fixed_ms + bus * host.byte_ns * 1e-6 + compute
    return Latency(expected / host.spread, expected, expected * host.spread)


def _crossing(graph: Graph, mapped: Mapping[int, int]) -> Tuple[int, int]:
    """Bytes of activations that enter and leave the Edge TPU's subgraphs."""
    made = {tensor: home for index, home in mapped.items() for tensor in graph.ops[index].outputs}
    read = {(tensor, home) for index, home in mapped.items() for tensor in graph.ops[index].inputs if tensor >= 0}
    sent = {pair for pair in read if made.get(pair[0]) != pair[1] and not graph.tensors[pair[0]].is_constant}
    outside = {tensor for op in graph.ops if op.index not in mapped for tensor in op.inputs} | set(graph.outputs)
    elsewhere = {tensor for tensor, home in sent}
    fetched = [tensor for tensor in made if tensor in outside or tensor in elsewhere]
    return sum(graph.tensors[t].elements for t, _ in sent), sum(graph.tensors[t].elements for t in fetched)


def _cautions(graph: Graph, mapped: Mapping[int, int]) -> List[str]:
    ops = [graph.ops[index] for index in mapped]
    unknown = sorted({op.opcode for op in ops} - set(CHECKED_OPS))
    found = [f"not checked with {', '.join(unknown)}"] if unknown else []
    if any(graph.tensors[i].elements > CHECKED_INPUT_BYTES for i in graph.inputs):
        found.append("not checked with inputs this large")
    if sum(op_work(graph, op).parameter_bytes for op in ops) > CHECKED_PARAMETERS:
        found.append("not checked with this many parameters")
    if len(mapped) < len(graph.ops):
        found.append(f"{len(graph.ops) - len(mapped)} ops on the CPU are not in the latency")
    if sum(op.opcode == "CONCATENATION" for op in ops) > MANY_CONCATENATIONS:
        found.append("densely connected: DenseNet-121 takes twice its estimate")
    flattened = _uneven_flatten(graph, mapped)
    if flattened is not None:
        found.append(
            f"op {flattened} flattens a number of channels that is no multiple of 4 for a dense layer; "
            "one such layer was seen to take 33 times its memory"
        )
    return found


def _uneven_flatten(graph: Graph, mapped: Mapping[int, int]) -> Optional[int]:
    """The first RESHAPE from (height, width, channels) to a vector that the chip's groups of four do not divide."""
    for index in sorted(mapped):
        op = graph.ops[index]
        sources, targets = graph.op_inputs(op), graph.op_outputs(op)
        if op.opcode != "RESHAPE" or not sources or not targets:
            continue
        if any(after.opcode == "FULLY_CONNECTED" for after in graph.consumers(targets[0].index)):
            shape = sources[0].shape
            if len(shape) == 4 and shape[1] * shape[2] > 1 and shape[3] % 4:
                return index
    return None
