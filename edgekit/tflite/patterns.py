"""Parts of classifiers that several steps of a conversion look for, each recognized here and nowhere else.

All are told from the typed graph alone: its ops, their options, and its constants.
"""

from dataclasses import dataclass
from itertools import permutations
from typing import Iterator, Optional, Tuple

import numpy as np

from edgekit.tflite import ops
from edgekit.tflite.graph import Graph, Op, Tensor
from edgekit.tflite.reader import constant


@dataclass(frozen=True)
class Swish:
    """x * sigmoid(x).

    Attributes:
      x: the tensor.
      sigmoid, product: the two ops.
    """

    x: int
    sigmoid: Op
    product: Op


@dataclass(frozen=True)
class Excitation:
    """Channels of a tensor multiplied by a gate that is computed from that tensor's own means.

    Attributes:
      whole, gate: the tensors.
      product: the op.
    """

    whole: int
    gate: int
    product: Op


@dataclass(frozen=True)
class Affine:
    """An op that computes gain * x + offset.

    Attributes:
      op: it.
      gain, offset: float64 arrays that broadcast against x; one of them of one element.
    """

    op: Op
    gain: np.ndarray
    offset: np.ndarray

    def per_channel(self, channels: int) -> Optional[Tuple[np.ndarray, np.ndarray]]:
        """(gain, offset), float64 (channels,) each; None where they differ in more than the last axis."""
        for value in (self.gain, self.offset):
            if value.size not in (1, channels) or (value.size > 1 and value.shape[-1] != channels):
                return None
        gain, offset = (np.broadcast_to(value.reshape(-1), (channels,)) for value in (self.gain, self.offset))
        return gain, offset


def swishes(graph: Graph) -> Iterator[Swish]:
    """Where a tensor is multiplied by its own sigmoid, in the order of the sigmoids."""
    for sigmoid in (op for op in graph.ops if op.opcode == "LOGISTIC"):
        x = sigmoid.inputs[0]
        for product in graph.consumers(sigmoid.outputs[0]):
            if product.opcode == "MUL" and set(product.inputs) == {x, sigmoid.outputs[0]}:
                yield Swish(x, sigmoid, product)


def is_sigmoid(graph: Graph, tensor: int) -> bool:
    """Whether a tensor comes straight from a LOGISTIC, and so has no scale but its own."""
    producer = graph.producer(tensor)
    return producer is not None and producer.opcode == "LOGISTIC"


def excitations(graph: Graph) -> Iterator[Excitation]:
    """Squeeze-and-excitation blocks: where channels are multiplied by something computed from their own means."""
    for op in (op for op in graph.ops if op.opcode == "MUL"):
        for gate, whole in permutations(op.inputs, 2):
            if _is_gate(graph.tensors[gate], graph.tensors[whole]) and _squeezes(graph, gate, whole):
                yield Excitation(whole, gate, op)
                break


def _is_gate(gate: Tensor, whole: Tensor) -> bool:
    """Whether it holds one number for each channel of an image."""
    return len(whole.shape) == 4 and gate.elements == whole.shape[-1] < whole.elements


def _squeezes(graph: Graph, gate: int, whole: int) -> bool:
    """Whether the gate is computed from a pooling of the whole tensor."""
    waiting, seen = [gate], {gate}
    while waiting:
        op = graph.producer(waiting.pop())
        if op is None:
            continue
        inputs = set(op.inputs)
        if ops.facts(op).averages:
            if whole in inputs:
                return True
            inputs = {index for index in inputs if _is_average(graph, index)}  # the mean of means over its parts
        waiting += inputs - seen
        seen |= inputs
    return False


def _is_average(graph: Graph, tensor: int) -> bool:
    producer = graph.producer(tensor)
    return producer is not None and ops.facts(producer).averages


def affine_step(graph: Graph, tensor: int) -> Optional[Affine]:
    """The op that alone reads a tensor, where all it does is to add and multiply with constants."""
    op = _only_reader(graph, tensor)
    if op is None or len(op.inputs) != 2:
        return None
    first = op.inputs[0] == tensor
    other = graph.tensors[op.inputs[1 if first else 0]]
    if not other.is_constant or other.dtype != "float32" or fused(op):
        return None
    value, one = constant(graph, other).astype(np.float64), np.ones(1)
    if op.opcode == "MUL":
        return Affine(op, value, 0 * one)
    if op.opcode == "ADD":
        return Affine(op, one, value)
    if op.opcode == "SUB":
        return Affine(op, one, -value) if first else Affine(op, -one, value)
    if op.opcode == "DIV" and first and np.all(value != 0):
        return Affine(op, 1.0 / value, 0 * one)
    return None


def same_size(graph: Graph, tensor: int) -> Optional[Op]:
    """The op that alone reads an image and resizes it to the size that it has."""
    op = _only_reader(graph, tensor)
    if op is None or op.opcode not in ("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"):
        return None
    source, found = graph.tensors[tensor], graph.tensors[op.outputs[0]]
    return op if (source.shape, source.dtype) == (found.shape, found.dtype) and not source.is_dynamic else None


def cast_to_bytes(graph: Graph, tensor: int) -> Tuple[Op, ...]:
    """The two CASTs that alone read a float tensor: to uint8, and back to float32; () where there are none."""
    there = _only_reader(graph, tensor)
    back = _only_reader(graph, there.outputs[0]) if there is not None and there.opcode == "CAST" else None
    if there is None or back is None or back.opcode != "CAST":
        return ()
    dtypes = [graph.tensors[index].dtype for index in (tensor, there.outputs[0], back.outputs[0])]
    return (there, back) if dtypes == ["float32", "uint8", "float32"] else ()


def _only_reader(graph: Graph, tensor: int) -> Optional[Op]:
    """The op that alone reads a tensor, and is not the last."""
    readers = graph.consumers(tensor)
    return readers[0] if len(readers) == 1 and readers[0].outputs[0] not in graph.outputs else None


def fused(op: Op) -> bool:
    """Whether the op has an activation of its own."""
    return bool(op.option("fused_activation_function", "NONE") != "NONE")


def first_conv(graph: Graph, tensor: int, channels: int) -> Optional[Op]:
    """The CONV_2D that alone reads the tensor, straight or through a PAD.

    None where it is a grouped one, or its weights are computed.
    """
    readers = graph.consumers(tensor)
    if len(readers) != 1 or readers[0].inputs[0] != tensor:
        return None
    op = readers[0]
    if op.opcode == "PAD":
        return first_conv(graph, op.outputs[0], channels)
    if op.opcode != "CONV_2D":
        return None
    weights, *bias = [graph.tensors[index] for index in op.inputs[1:] if index >= 0]
    plain = all(tensor.is_constant and tensor.dtype == "float32" for tensor in (weights, *bias))
    return op if plain and weights.shape[-1] == channels else None


def computed_by(graph: Graph, tensor: int) -> Optional[Op]:
    """The op that computes a tensor's values, looked for behind those that only hand them on."""
    op = graph.producer(tensor)
    for _ in graph.ops:  # not without end: a damaged file's ops may read what they write
        if op is None or not op.inputs or not ops.facts(op).same_elements:
            break
        op = graph.producer(op.inputs[0])
    return op


@dataclass(frozen=True)
class ScoreHead:
    """What a classifier ends with.

    Attributes:
      scores: the tensor that the classes are decided by: logits, or probabilities where no layer of weights is seen.
      normalizer: "SOFTMAX" or "LOGISTIC" where one turns the scores into probabilities, else "".
    """

    scores: int
    normalizer: str


def score_head(graph: Graph, output: Optional[int] = None) -> ScoreHead:
    """The end of a classifier, whatever hands its values on between the scores, SOFTMAX or LOGISTIC, and the output.

    Args:
      output: the tensor to start from, of the graph's first output by default.
    """
    index, normalizer = graph.outputs[0] if output is None else output, ""
    for _ in graph.ops:  # not without end: a damaged file's ops may read what they write
        op = graph.producer(index)
        if op is None or not op.inputs or op.inputs[0] < 0:
            break
        if op.opcode in ("SOFTMAX", "LOGISTIC"):
            normalizer = normalizer or op.opcode
        if not (ops.facts(op).same_elements or _keeps_order(graph, op)):
            break
        index = op.inputs[0]
    return ScoreHead(index, normalizer)


def _keeps_order(graph: Graph, op: Op) -> bool:
    """Whether the largest of all numbers stays the largest: not where SOFTMAX is one of each row."""
    source = graph.tensors[op.inputs[0]]
    return op.opcode == "LOGISTIC" or (op.opcode == "SOFTMAX" and source.shape[-1:] == (source.elements,))
