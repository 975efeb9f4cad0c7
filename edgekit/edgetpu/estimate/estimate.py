"""On-chip memory and latency of a model on the Edge TPU, before anything is compiled or attached.

latency = fixed + (input + instructions) · send + output · fetch + sum over operations of max(compute, streaming)

where compute = array passes · pass time + vector passes · pass time, and streaming = parameters that are not cached
(`memory`) · pieces · send. docs/estimates.md has the errors.
"""

from dataclasses import dataclass, replace
from typing import FrozenSet, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from edgekit.edgetpu.estimate.memory import cached, taken
from edgekit.edgetpu.estimate.profiles import (
    CHECKED_INPUT_BYTES,
    CHECKED_OPS,
    CHECKED_PARAMETERS,
    EDGE_TPU,
    HOSTS,
    LATENCY_SPREAD,
    LEAST_FREE,
    MANY_CONCATENATIONS,
    MEMORY_SPREAD,
    MOST_FREE,
    Host,
)
from edgekit.edgetpu.estimate.work import Work, op_work
from edgekit.edgetpu.placement.placement import EDGETPU, Placement
from edgekit.sizes import size_text
from edgekit.tflite.graph import Graph, Tensor


@dataclass(frozen=True)
class Interval:
    """A figure and how far off it may be: about 9 in 10 figures of unseen sources lie between low and high."""

    low: float
    expected: float
    high: float

    def __iter__(self) -> Iterator[float]:
        """Low, expected, high."""
        return iter((self.low, self.expected, self.high))


def milliseconds_text(latency: Interval) -> str:
    """A latency with its interval: «4.7 ms, likely 3.2 to 6.9»."""
    return f"{latency.expected:.1f} ms, likely {latency.low:.1f} to {latency.high:.1f}"


def bytes_text(size: Interval) -> str:
    """Bytes with their interval: «4.98MiB, likely 4.79MiB to 5.18MiB»; nothing has none."""
    low, expected, high = (size_text(int(value)) for value in size)
    return f"{expected}, likely {low} to {high}" if size.high else expected


def around(size: float) -> Interval:
    """Bytes of parameters, and how far off they may be whatever the chip has room for."""
    return Interval(size / MEMORY_SPREAD, size, size * MEMORY_SPREAD)


@dataclass(frozen=True)
class LayerCost:
    """One operation's share.

    Attributes:
      index: the operation's place in the graph; its place in the list for `estimate_work`.
      work: what it asks of the chip.
      streamed: whether its parameters are sent at each inference.
      compute_ms: time on the chip at full clock.
      transfer_ms: time to stream its parameters over USB 3; 0.0 where they are cached.
    """

    index: int
    work: Work
    streamed: bool
    compute_ms: float
    transfer_ms: float

    @property
    def ms(self) -> float:
        """The longer of the two: an operation computes while its parameters come in."""
        return max(self.compute_ms, self.transfer_ms)


@dataclass(frozen=True)
class Estimate:
    """What a model is expected to take on the Edge TPU. Sizes in bytes.

    Attributes:
      on_chip_bytes: on-chip memory used for cached parameters, as the compiler prints it.
      on_chip: the same, with its interval.
      remaining_bytes: what is left of it at most.
      streamed_bytes: parameters sent at each inference, once where they are sent for each piece of an output.
      streamed: the same, with its interval.
      parameter_bytes: all parameters as stored in the compiled file.
      instruction_bytes: instructions sent at each inference.
      macs: products of the mapped operations.
      input_bytes, output_bytes: what crosses the bus at each inference, parameters excluded.
      latency: host (`profiles.HOSTS`) → milliseconds of one inference after the first, pre- and postprocessing
        excluded; operations on the CPU are not in it.
      layers: the mapped operations, in order.
      cautions: why the figures may be further off than their interval says.
    """

    on_chip_bytes: int
    on_chip: Interval
    remaining_bytes: int
    streamed_bytes: int
    streamed: Interval
    parameter_bytes: int
    instruction_bytes: int
    macs: int
    input_bytes: int
    output_bytes: int
    latency: Mapping[str, Interval]
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
    kept = cached(works)
    layers = tuple(_layer_cost(index, work, index not in kept) for index, work in sorted(works.items()))
    on_chip, streamed = _memory(works, kept)
    instructions = calls * EDGE_TPU.call_bytes + sum(work.instruction_bytes for work in works.values())
    ends = Ends(sent + instructions, fetched, calls)
    return Estimate(
        on_chip_bytes=int(on_chip.expected),
        on_chip=on_chip,
        remaining_bytes=max(0, EDGE_TPU.on_chip_bytes - taken(works) - int(on_chip.expected)),
        streamed_bytes=int(streamed.expected),
        streamed=streamed,
        parameter_bytes=sum(work.parameter_bytes for work in works.values()),
        instruction_bytes=int(instructions),
        macs=sum(work.macs for work in works.values()),
        input_bytes=sent,
        output_bytes=fetched,
        latency={name: _latency(host, ends, layers) for name, host in HOSTS.items()} if works else {},
        layers=layers,
        cautions=(),
    )


class Ends(NamedTuple):
    """What crosses the bus at each inference, but for parameters: bytes sent and fetched, calls of the chip."""

    sent: float
    fetched: int
    calls: int


def _memory(works: Mapping[int, Work], kept: FrozenSet[int]) -> Tuple[Interval, Interval]:
    """Bytes on the chip and streamed: of what fits if less or more of the memory than expected is free."""
    ways = [kept, *(cached(works, free=free) for free in (LEAST_FREE, MOST_FREE))]
    used = [sum(works[index].on_chip_bytes for index in way) for way in ways]
    sent = [sum(work.parameter_bytes for index, work in works.items() if index not in way) for way in ways]
    return _around(used), _around(sent)


def _around(sizes: Sequence[int]) -> Interval:
    """The first size, and what lies about all of them."""
    return Interval(min(sizes) / MEMORY_SPREAD, sizes[0], max(sizes) * MEMORY_SPREAD)


def _layer_cost(index: int, work: Work, streamed: bool) -> LayerCost:
    compute = (work.array_passes * EDGE_TPU.array_ns + work.vector_passes * EDGE_TPU.vector_ns) * 1e-6
    return LayerCost(index, work, streamed, compute, _transfer_ms(work, HOSTS["usb3"]) if streamed else 0.0)


def _transfer_ms(work: Work, host: Host) -> float:
    return work.parameter_bytes * work.pieces * host.send_ns * 1e-6


def _latency(host: Host, ends: Ends, layers: Sequence[LayerCost]) -> Interval:
    moved = ends.calls * host.fixed_ms + (ends.sent * host.send_ns + ends.fetched * host.fetch_ns) * 1e-6
    expected = moved + sum(_layer_ms(host, layer) for layer in layers)
    return Interval(expected / LATENCY_SPREAD, expected, expected * LATENCY_SPREAD)


def _layer_ms(host: Host, layer: LayerCost) -> float:
    """An operation computes while its parameters come in."""
    return max(layer.compute_ms * host.clock, _transfer_ms(layer.work, host) if layer.streamed else 0.0)


def _crossing(graph: Graph, mapped: Mapping[int, int]) -> Tuple[int, int]:
    """Bytes of activations that enter and leave the Edge TPU's subgraphs."""
    made = {tensor: home for index, home in mapped.items() for tensor in graph.ops[index].outputs}
    read = {(tensor, home) for index, home in mapped.items() for tensor in graph.ops[index].inputs if tensor >= 0}
    sent = {pair for pair in read if made.get(pair[0]) != pair[1] and not graph.tensors[pair[0]].is_constant}
    outside = {tensor for op in graph.ops if op.index not in mapped for tensor in op.inputs} | set(graph.outputs)
    elsewhere = {tensor for tensor, home in sent}
    fetched = [tensor for tensor in made if tensor in outside or tensor in elsewhere]
    return sum(graph.tensors[t].elements for t, _ in sent), sum(_padded(graph.tensors[t]) for t in fetched)


def _padded(tensor: Tensor) -> int:
    """Bytes of an output as it is fetched: channels go by fours."""
    channels = tensor.shape[-1] if tensor.shape else 1
    return tensor.elements // max(1, channels) * -(-channels // EDGE_TPU.words) * EDGE_TPU.words


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
