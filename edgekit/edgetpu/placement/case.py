"""What a rule looks at, what it answers, and how rules are registered.

A rule's docstring is what users read (`edgekit.documented`): first the limit, a sentence; then what to change in the
model. The function answers None where the op keeps to it, `fails(value)` where it does not, and `unsure(value)`
where the value lies in a range of which nothing is known.
"""

from typing import Callable, Dict, FrozenSet, Mapping, NamedTuple, Optional, Tuple

from edgekit.documented import Check, Registry
from edgekit.edgetpu.placement.placement import CompilerOptions
from edgekit.edgetpu.statuses import LIMITED
from edgekit.tflite.graph import Graph, Op, Tensor
from edgekit.tflite.reader import constant

#: The types that the Edge TPU computes with.
EIGHT_BITS = frozenset(("int8", "uint8"))
#: The types that quantization replaces.
FLOATS = frozenset(("float64", "float32", "float16", "bfloat16"))

#: Permutations that turn channels first (NCHW) into channels last (NHWC), and back.
LAYOUT_SWAPS = ((0, 2, 3, 1), (0, 3, 1, 2))


class Finding(NamedTuple):
    """What a rule found.

    Attributes:
      value: what the op has, in a few words.
      rejected: whether the op stays on the CPU for it.
      certain: whether that is known.
      remedy: what to change, where it is more than the rule's own advice.
    """

    value: str
    rejected: bool = True
    certain: bool = True
    remedy: str = ""


class Case(NamedTuple):
    """What a rule looks at."""

    graph: Graph
    op: Op
    options: CompilerOptions


class RuleFacts(NamedTuple):
    """What is known of a rule beside its text.

    Attributes:
      opcodes: the ops it is about; empty for all.
      confidence: one of `placement.CONFIDENCES`.
      status: the compiler's text for ops that break it.
    """

    opcodes: Tuple[str, ...]
    confidence: str
    status: str


#: A limit of the Edge TPU or its compiler.
Rule = Check[Case, Finding, RuleFacts]

Judge = Callable[[Case], Optional[Finding]]


class Rules(Registry[Case, Finding, RuleFacts]):
    """The rules of one module."""

    def rule(
        self, *opcodes: str, confidence: str, status: str = LIMITED, numbers: Optional[Mapping[str, float]] = None
    ) -> Callable[[Judge], Judge]:
        """Registers a function as a rule about `opcodes`, or about every op where none is named.

        `numbers` fill the braces of its docstring.
        """
        return self.check(RuleFacts(opcodes, confidence, status), numbers or {})


class Seen(NamedTuple):
    """Sizes that were seen in real compiled models and logs.

    Attributes:
      mapped: the largest that was mapped.
      on_cpu: the smallest that was left on the CPU; None where none was seen.
    """

    mapped: int
    on_cpu: Optional[int]

    @property
    def numbers(self) -> Dict[str, float]:
        """For the rule's docstring: `{mapped}`, and `{on_cpu}` where one was seen."""
        return {"mapped": self.mapped, **({} if self.on_cpu is None else {"on_cpu": self.on_cpu})}


def fails(value: str, *, remedy: str = "") -> Finding:
    """The op breaks the rule; `value` says what it has instead."""
    return Finding(value, remedy=remedy)


def unsure(value: str) -> Finding:
    """Nothing is known for this value; the op is taken as mapped."""
    return Finding(value, rejected=False, certain=False)


def between(size: int, seen: Seen, what: str) -> Optional[Finding]:
    """Judges a size by the ones seen; `what` names it."""
    if size <= seen.mapped:
        return None
    value = f"{what} is {size:,}"
    if seen.on_cpu is None:
        return unsure(f"{value}, and nothing is known above {seen.mapped:,}")
    if size < seen.on_cpu:
        return unsure(f"{value}, and nothing is known between {seen.mapped:,} and {seen.on_cpu:,}")
    return fails(value)


def data(case: Case) -> Tensor:
    """The op's first input that is given. Rules about kinds of op are asked only where there is one."""
    first, *_ = case.graph.op_inputs(case.op)
    return first


def output(case: Case) -> Tensor:
    """The op's first output. Rules about kinds of op are asked only where there is one."""
    first, *_ = case.graph.op_outputs(case.op)
    return first


def activations(case: Case) -> Tuple[Tensor, ...]:
    """The op's tensors that are computed: all outputs, and the inputs that are neither constants nor inner state."""
    inputs = case.graph.op_inputs(case.op)
    return tuple(t for t in inputs if not t.is_constant and not t.is_variable) + case.graph.op_outputs(case.op)


def operand(case: Case, position: int) -> Optional[Tensor]:
    """The op's input at `position`, or None where it is left out."""
    inputs = case.op.inputs
    index = inputs[position] if position < len(inputs) else -1
    return case.graph.tensors[index] if index >= 0 else None


def numbers(case: Case, position: int) -> Tuple[int, ...]:
    """The constant numbers that parametrise an op (axes, paddings, …), flattened; () where they are not constant."""
    tensor = operand(case, position)
    if tensor is None or not tensor.is_constant or tensor.dtype not in ("int32", "int64"):
        return ()
    return tuple(int(value) for value in constant(case.graph, tensor).ravel())


def axes(case: Case) -> FrozenSet[int]:
    """The axes over which an op reduces its data, counted from the front."""
    rank = max(1, len(data(case).shape))
    return frozenset(axis % rank for axis in numbers(case, 1))


def text(shape: Tuple[int, ...]) -> str:
    """A shape as "1×224×224×3"."""
    return "×".join(str(size) for size in shape) or "a scalar"
