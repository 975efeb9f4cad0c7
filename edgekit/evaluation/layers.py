"""The per-layer report: where a quantized model leaves its float original, and which layers cause it.

Two errors are measured for each layer, as signal to quantization noise ratios (SQNR, 10 log10 of the quotient of
powers, in dB) over all images:

- *accumulated*: the float model's tensor against the int8 model's, both run on the same image. It holds what
  all layers before have done, too.
- *local*: the float op, evaluated on the very inputs that the int8 op had (dequantized), against what the int8 op
  made of them. It holds what this layer alone adds: its weights' rounding, and its output's clipping and rounding.

The local error is exact, not modelled: one float model, its ops cut apart (`tflite.expose.severed`), computes all
layers' float answers to the int8 model's inputs in one invocation. Its parts follow from the same numbers: what the
output's range clips, what rounding to its 256 steps then adds, and the rest, which the rounded weights add.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from edgekit.calibration.distribution import NO_VALUES, Distribution, distribution
from edgekit.calibration.histogram import histogram
from edgekit.calibration.parallel import map_samples
from edgekit.calibration.samples import Sample
from edgekit.devices.interpreter import open_interpreter
from edgekit.evaluation.diagnosis import CLIPPED, Cause, Errors, diagnose
from edgekit.evaluation.verdict import decibels, feed
from edgekit.progress import Progress, silent
from edgekit.tflite.expose import exposed, severed
from edgekit.tflite.graph import Graph, Op, QuantParams, Tensor
from edgekit.tflite.model import Model
from edgekit.tflite.names import is_scaled_swish, requantized_from
from edgekit.tflite.ops import is_quantized
from edgekit.tflite.quant import LIMITS

#: Of a tensor's values in one image about so many are counted for its histogram.
COUNTED = 1 << 14
#: Beyond this a sigmoid is within one step of 1/256 of its end: ln 255.
SATURATED = 5.55


@dataclass(frozen=True)
class Layer:
    """One op of the float model that the int8 model has too.

    Attributes:
      index: the op's place in the float model.
      op: its kind, such as "CONV_2D".
      name: name of the tensor that it computes.
      accumulated_db: SQNR of that tensor in the int8 model.
      local_db: SQNR of what this layer alone adds.
      cause: what most of the local error comes from.
      share: how much of it that is, 0–1.
      low, high: the range that the int8 tensor can hold.
      seen: lowest and highest value that the float op had.
      swallowed: whether the error is clipping that does no harm, since what reads the tensor is flat there.
      scores_db: SQNR of the model's scores if no other layer erred, see `impact.py`; infinite where it does them no
        harm, None where that was not measured.
      distribution: of the values that the float op had.
    """

    index: int
    op: str
    name: str
    accumulated_db: float
    local_db: float
    cause: Cause
    share: float
    low: float
    high: float
    seen: tuple[float, float]
    swallowed: bool = False
    scores_db: float | None = None
    distribution: Distribution = NO_VALUES


@dataclass(frozen=True)
class Pair:
    """A float op and the int8 op that does its work."""

    reference: Op
    candidate: Op

    @property
    def made(self) -> int:
        """The tensor that the float op computes, its only one."""
        (made,) = self.reference.outputs
        return made

    @property
    def found(self) -> int:
        """The tensor that the int8 op computes, its only one."""
        (found,) = self.candidate.outputs
        return found


def layer_report(
    reference: Model, candidate: Model, samples: Iterable[Sample], *, progress: Progress = silent
) -> tuple[Layer, ...]:
    """Both errors of every layer that both models have, in the float model's order.

    Ops are taken for the same when they are of one kind and compute tensors of one name and shape.

    Args:
      reference: the float model.
      candidate: the int8 model made from it.
      samples: some images; a few dozen show what there is to see. All inner tensors of both models are held
        in memory, once for each core.

    Returns:
      () where the models have no layer in common.
    """
    pairs = match_ops(reference.graph, candidate.graph)
    if not pairs:
        return ()
    sums: list[Errors] = []
    total = getattr(samples, "count", None)
    for done, (_, row) in enumerate(map_samples(lambda: Watcher(reference, candidate, pairs), samples), 1):
        sums = [a + b for a, b in zip(sums, row, strict=True)] if sums else row
        progress("Comparing layers", done, total)
    layers = [_layer(pair, errors, reference.graph, candidate.graph) for pair, errors in zip(pairs, sums, strict=True)]
    return tuple(_swallowed(layers, reference.graph))


def _swallowed(layers: Sequence[Layer], graph: Graph) -> Iterator[Layer]:
    """The layers, with whether clipping is on purpose: far out on a sigmoid, or in a split swish's scaled factor.

    Where that factor is clipped, the sigmoid beside it is small.
    """
    for layer in layers:
        readers = graph.consumers(graph.ops[layer.index].outputs[0])
        flat = layer.low <= -SATURATED and layer.high >= SATURATED and {op.opcode for op in readers} == {"LOGISTIC"}
        on_purpose = flat or is_scaled_swish(layer.name)
        yield replace(layer, swallowed=layer.cause is CLIPPED and on_purpose)


def match_ops(reference: Graph, candidate: Graph) -> tuple[Pair, ...]:
    """The float ops that have a counterpart in the int8 model, by the names of their outputs."""
    places = {requantized_from(tensor.name): tensor for tensor in candidate.tensors}
    places |= {tensor.name: tensor for tensor in candidate.tensors}
    makers = {index: op for op in candidate.ops for index in op.outputs}
    pairs = []
    for op in reference.ops:
        tensor = places.get(reference.tensors[op.outputs[0]].name) if len(op.outputs) == 1 else None
        other = makers.get(tensor.index) if tensor else None
        if other is not None and other.opcode == "QUANTIZE" != op.opcode:  # a name kept for the requantized tensor
            other = makers.get(other.inputs[0])
        if other is not None and _alike(reference, op, candidate, other):
            pairs.append(Pair(op, other))
    return tuple(pairs)


def _alike(reference: Graph, op: Op, candidate: Graph, other: Op) -> bool:
    """Whether the same work is done: one kind, the same shapes, float and 8-bit in the same places."""
    if op.opcode != other.opcode or len(op.inputs) != len(other.inputs) or len(other.outputs) != 1:
        return False
    made, found = reference.tensors[op.outputs[0]], candidate.tensors[other.outputs[0]]
    if made.dtype != "float32" or not _quantized(found) or made.shape != found.shape:
        return False
    reads = [
        (reference.tensors[a], candidate.tensors[b]) for a, b in zip(op.inputs, other.inputs, strict=True) if a >= 0
    ]
    computed = [(a, b) for a, b in reads if not a.is_constant]
    return bool(computed) and all(
        a.dtype == "float32" and _quantized(b) and not b.is_constant and a.shape == b.shape for a, b in computed
    )


def _quantized(tensor: Tensor) -> bool:
    return is_quantized(tensor) and tensor.quant is not None and not tensor.quant.per_channel


class Watcher:
    """Three interpreters for one thread: both models with their inner tensors shown, and the float ops cut apart."""

    def __init__(self, reference: Model, candidate: Model, pairs: Sequence[Pair]) -> None:
        floats, ints = reference.graph, candidate.graph
        self._specs = reference.spec, candidate.spec
        self._made = [(pair.made, pair.found) for pair in pairs]
        slots = {
            (pair.reference.index, position): pair.candidate.inputs[position]
            for pair in pairs
            for position, index in enumerate(pair.reference.inputs)
            if index >= 0 and not floats.tensors[index].is_constant
        }
        self._reads = sorted(set(slots.values()))
        numbers = {tensor: number for number, tensor in enumerate(self._reads)}
        shown = sorted({*self._reads, *(found for _, found in self._made)})
        made = [made for made, _ in self._made]
        self._quant = {index: _params(ints.tensors[index]) for index in shown}
        self._ranges = {index: _range(ints.tensors[index]) for index in shown}
        self._float = open_interpreter(exposed(floats, made).content, threads=1)
        self._int8 = open_interpreter(exposed(ints, shown).content, threads=1)
        cut = severed(floats, {slot: numbers[tensor] for slot, tensor in slots.items()}, made)
        self._severed = open_interpreter(cut.content, threads=1)

    def __call__(self, sample: Sample) -> list[Errors]:
        """Each pair's errors on one image."""
        self._invoke(sample)
        return [self._errors(made, found) for made, found in self._made]

    def local_errors(self, sample: Sample) -> list[np.ndarray]:
        """What each pair's int8 op alone adds to its output on one image, float32 arrays of the outputs' shapes."""
        self._invoke(sample)
        return [self._real(found) - self._severed.get_tensor(made) for made, found in self._made]

    def _invoke(self, sample: Sample) -> None:
        for interpreter, spec in zip((self._float, self._int8), self._specs, strict=True):
            feed(interpreter, sample.input(spec))
        for detail, tensor in zip(self._severed.get_input_details(), self._reads, strict=True):
            self._severed.set_tensor(detail["index"], self._real(tensor))
        self._severed.invoke()

    def _real(self, tensor: int) -> np.ndarray:
        """The int8 model's tensor, dequantized."""
        scale, zero = self._quant[tensor]
        values: np.ndarray = (self._int8.get_tensor(tensor).astype(np.float32) - np.float32(zero)) * np.float32(scale)
        return values

    def _errors(self, made: int, found: int) -> Errors:
        expected, alone, real = self._float.get_tensor(made), self._severed.get_tensor(made), self._real(found)
        scale, _ = self._quant[found]
        within = np.clip(alone, *self._ranges[found])
        rounded = np.rint(within / np.float32(scale)) * np.float32(scale)
        rows = alone.reshape(-1, alone.shape[-1])
        channels = np.stack([rows.min(axis=0), rows.max(axis=0)]).astype(np.float64)
        return Errors(
            signal=_power(expected),
            accumulated=_power(expected - real),
            local_signal=_power(alone),
            local=_power(alone - real),
            clipped=_power(alone - within),
            rounded=_power(within - rounded),
            count=alone.size,
            channels=channels,
            histogram=histogram(rows[:: math.ceil(rows.size / COUNTED)], float(np.abs(channels).max())),
        )


def _power(values: np.ndarray) -> float:
    flat = values.ravel()
    return float(np.dot(flat, flat))


def _params(tensor: Tensor) -> tuple[float, int]:
    assert isinstance(tensor.quant, QuantParams)
    return tensor.quant.scale[0], tensor.quant.zero_point[0]


def _range(tensor: Tensor) -> tuple[float, float]:
    """The lowest and the highest number that the tensor's 8 bits can hold."""
    scale, zero = _params(tensor)
    first, last = LIMITS[tensor.dtype]
    return (first - zero) * scale, (last - zero) * scale


def _layer(pair: Pair, errors: Errors, reference: Graph, candidate: Graph) -> Layer:
    made, found = reference.tensors[pair.made], candidate.tensors[pair.found]
    low, high = _range(found)
    cause, share = diagnose(errors, high - low, pair.reference.opcode)
    return Layer(
        index=pair.reference.index,
        op=pair.reference.opcode,
        name=made.name,
        accumulated_db=decibels(errors.signal, errors.accumulated),
        local_db=decibels(errors.local_signal, errors.local),
        cause=cause,
        share=share,
        low=low,
        high=high,
        seen=(float(errors.channels[0].min()), float(errors.channels[1].max())),
        distribution=distribution(errors.histogram),
    )
