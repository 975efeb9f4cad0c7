"""A read-only view of a `.tflite` file: plain values, comparable and hashable."""

from dataclasses import dataclass, field
from functools import reduce
from operator import mul
from typing import Any, Dict, List, Optional, Sequence, Tuple

#: A builtin option's value: number, bool, text, or a tuple of numbers.
OptionValue = Any

#: Options that are enums → the schema's enum; a graph spells their values out.
ENUM_OPTIONS = {
    "padding": "Padding",
    "fused_activation_function": "ActivationFunctionType",
    "weights_format": "FullyConnectedOptionsWeightsFormat",
    "mode": "MirrorPadMode",
    "in_data_type": "TensorType",
    "out_data_type": "TensorType",
}


@dataclass(frozen=True)
class QuantParams:
    """Affine quantization of a tensor: real = scale * (quantized - zero_point).

    Attributes:
      scale: one value, or one per channel.
      zero_point: as many values as `scale`.
      axis: the channel axis where there are several values, else 0.
    """

    scale: Tuple[float, ...]
    zero_point: Tuple[int, ...]
    axis: int = 0

    @property
    def per_channel(self) -> bool:
        """Whether each channel has its own scale."""
        return len(self.scale) > 1


@dataclass(frozen=True)
class Tensor:
    """One tensor of a graph.

    Attributes:
      index: its place in the graph's tensor list.
      name: as stored; may be empty, and need not be unique.
      shape: sizes as stored; () for a scalar.
      signature: sizes with -1 where they are only known at run time; equals `shape` when static.
      dtype: numpy's name ("int8", "float32", …), or TFLite's own in lower case ("string", "int4", …).
      quant: its quantization, or None.
      buffer: index of its buffer in the file.
      constant_bytes: size of the constant data stored for it; 0 for activations.
      is_variable: whether it keeps its value between invocations.
      is_sparse: whether its stored values leave the zeros out.
    """

    index: int
    name: str
    shape: Tuple[int, ...]
    signature: Tuple[int, ...]
    dtype: str
    quant: Optional[QuantParams]
    buffer: int
    constant_bytes: int
    is_variable: bool = False
    is_sparse: bool = False

    @property
    def is_constant(self) -> bool:
        """Whether its value is stored in the file."""
        return self.constant_bytes > 0

    @property
    def is_dynamic(self) -> bool:
        """Whether a size is known only at run time."""
        return -1 in self.signature

    @property
    def elements(self) -> int:
        """Number of elements, unknown sizes counted as 1."""
        # In Python's own integers: a damaged file's absurd sizes must not wrap around to a plausible one.
        return reduce(mul, (max(1, n) for n in self.shape), 1)


@dataclass(frozen=True)
class Op:
    """One operation of a graph.

    Attributes:
      index: its place in execution order.
      opcode: TFLite's name, such as "CONV_2D"; "CUSTOM" for custom ones.
      custom: name of a custom op, else "".
      version: the op version the file asks of the interpreter.
      inputs, outputs: tensor indices; -1 marks an optional input left out.
      options: (name, value) pairs of its builtin options in snake case; enums as upper-case names.
      custom_options: raw options of a custom op.
    """

    index: int
    opcode: str
    custom: str
    version: int
    inputs: Tuple[int, ...]
    outputs: Tuple[int, ...]
    options: Tuple[Tuple[str, OptionValue], ...] = ()
    custom_options: bytes = field(default=b"", repr=False)

    def option(self, name: str, default: OptionValue = None) -> OptionValue:
        """One builtin option's value, or `default` where the op has none of that name."""
        return dict(self.options).get(name, default)


@dataclass(frozen=True)
class Graph:
    """The main subgraph of a `.tflite` file.

    Attributes:
      tensors, ops: in the file's order, so that an index finds its tensor or op.
      inputs, outputs: tensor indices.
      subgraphs: how many subgraphs the file holds (control flow has further ones).
      description: free text that the converter left.
      metadata: name → buffer index of the file's metadata entries.
      size: bytes of the file.
      content: the file itself; not part of equality.
    """

    tensors: Tuple[Tensor, ...]
    ops: Tuple[Op, ...]
    inputs: Tuple[int, ...]
    outputs: Tuple[int, ...]
    subgraphs: int
    description: str
    metadata: Tuple[Tuple[str, int], ...]
    size: int
    content: bytes = field(repr=False, compare=False, default=b"")

    def op_counts(self) -> Dict[str, int]:
        """How many ops there are of each kind, most frequent first; custom ones by their name."""
        counts: Dict[str, int] = {}
        for op in self.ops:
            counts[op.custom or op.opcode] = counts.get(op.custom or op.opcode, 0) + 1
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

    def op_inputs(self, op: Op) -> Tuple[Tensor, ...]:
        """The op's input tensors, left-out optional ones skipped."""
        return tuple(self.tensors[i] for i in op.inputs if i >= 0)

    def op_outputs(self, op: Op) -> Tuple[Tensor, ...]:
        """The op's output tensors."""
        return tuple(self.tensors[i] for i in op.outputs if i >= 0)

    def producer(self, tensor: int) -> Optional[Op]:
        """The op that computes a tensor, or None for inputs and constants."""
        return self._links().producers.get(tensor)

    def consumers(self, tensor: int) -> Tuple[Op, ...]:
        """The ops that read a tensor, in execution order."""
        return self._links().consumers.get(tensor, ())

    def _links(self) -> "Links":
        """Who computes and reads what, gathered once: a graph does not change."""
        known: Optional[Links] = self.__dict__.get("_known_links")
        if known is None:
            known = links(self.ops)
            object.__setattr__(self, "_known_links", known)
        return known


@dataclass(frozen=True)
class Links:
    """Which op computes each tensor, and which ops read it, in execution order.

    Attributes:
      producers: tensor → the first op that computes it.
      consumers: tensor → the ops that read it.
    """

    producers: Dict[int, Op]
    consumers: Dict[int, Tuple[Op, ...]]


def links(ops: Sequence[Op]) -> Links:
    """Who computes and reads what among these ops."""
    producers: Dict[int, Op] = {}
    readers: Dict[int, List[Op]] = {}
    for op in ops:
        for tensor in op.outputs:
            producers.setdefault(tensor, op)
        for tensor in sorted(set(op.inputs)):
            readers.setdefault(tensor, []).append(op)
    return Links(producers, {tensor: tuple(found) for tensor, found in readers.items()})
