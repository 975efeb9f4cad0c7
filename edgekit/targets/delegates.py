"""Delegates of phones: which ops of a model they take, by their own lists and checks."""

from typing import FrozenSet, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from edgekit.edgetpu.placement.case import Case, Rule, Rules
from edgekit.edgetpu.placement.partition import mapped_subsets
from edgekit.edgetpu.placement.placement import (
    CPU,
    Accelerator,
    CompilerOptions,
    OpPlacement,
    Placement,
    Violation,
)
from edgekit.edgetpu.placement.registry import violation
from edgekit.tflite.graph import Graph, Op

#: Statuses, in the place of a compiler's.
TAKEN, UNLISTED, LIMITED, OUTSIDE = (
    "taken",
    "not on the delegate's list",
    "beyond its limits",
    "outside the parts taken",
)


class Source(NamedTuple):
    """Where something was read, and when (year and month)."""

    title: str
    read: str


class Delegate(NamedTuple):
    """What a delegate takes.

    Attributes:
      accelerator: its names.
      ops: the kinds of op on its list.
      rules: its limits, in the order in which they are told.
      parts: how many parts of a model it takes unless told otherwise, the largest first; 0 for all.
      least: the fewest ops of a part.
      source: of list and limits.
    """

    accelerator: Accelerator
    ops: FrozenSet[str]
    rules: Rules
    parts: int
    least: int
    source: Source


def judge_delegate(graph: Graph, delegate: Delegate, notes: Tuple[str, ...] = ()) -> Placement:
    """Which ops of a model a delegate takes, and why not the others. `notes` are told with it."""
    found = [
        () if folded(graph, op) else tuple(_violations(Case(graph, op, CompilerOptions()), delegate))
        for op in graph.ops
    ]
    supported = [not any(each.rejected for each in violations) for violations in found]
    taken = _parts(graph, supported, delegate)
    home = {index: number for number, ops in enumerate(taken) for index in ops}
    ops = tuple(_placed(op, violations, home.get(op.index), delegate) for op, violations in zip(graph.ops, found))
    return Placement(
        ops,
        subgraphs=len(taken),
        ends_at=None,
        refusal=None,
        options=CompilerOptions(),
        accelerator=delegate.accelerator,
        judge=f"{delegate.source.title}, read {delegate.source.read}",
        notes=notes,
    )


def folded(graph: Graph, op: Op) -> bool:
    """Whether an op only turns stored float16 weights into float32, which delegates do as they load a model."""
    return op.opcode == "DEQUANTIZE" and all(t.is_constant and t.dtype == "float16" for t in graph.op_inputs(op))


def _violations(case: Case, delegate: Delegate) -> Iterator[Violation]:
    op = case.op
    kind = op.custom or op.opcode
    if kind not in delegate.ops:
        what = f"{kind} is not among the ops that the {delegate.accelerator.title} takes."
        remedy = INSTEAD.get(op.opcode, "Use another op, or leave it to the CPU at the model's end.")
        yield Violation("listed", what, "It stays on the CPU", remedy, "documented", UNLISTED)
        return
    if not case.graph.op_inputs(op) or not case.graph.op_outputs(op):
        return  # nothing that a rule could look at
    for rule in delegate.rules:
        if not rule.facts.opcodes or op.opcode in rule.facts.opcodes:
            found = rule.run(case)
            if found is not None:
                yield violation(rule, found)


def _parts(graph: Graph, supported: Sequence[bool], delegate: Delegate) -> List[Tuple[int, ...]]:
    """The parts that the delegate takes, in order of execution: TFLite's partitioner, then the largest of them.

    Weights that are unpacked belong to the ops that read them, and decide nothing.
    """
    small = {op.index for op in graph.ops if folded(graph, op)}
    subsets = mapped_subsets(graph, supported, everything=True)
    counted = [(len(set(ops) - small), ops) for ops in subsets]
    large = sorted((each for each in counted if each[0] >= delegate.least), key=lambda each: -each[0])
    kept = large[: delegate.parts] if delegate.parts else large
    return sorted(ops for _, ops in kept)


def _placed(op: Op, found: Tuple[Violation, ...], part: Optional[int], delegate: Delegate) -> OpPlacement:
    if part is not None:
        return OpPlacement(op, delegate.accelerator.name, TAKEN, found, part)
    rejecting = [each for each in found if each.rejected]
    if rejecting:
        return OpPlacement(op, CPU, rejecting[0].status, found)
    what = f"The {delegate.accelerator.title} takes {_taken(delegate)}."
    outside = Violation("parts", what, "It lies in another part of the model", _TOGETHER, "documented", OUTSIDE)
    return OpPlacement(op, CPU, OUTSIDE, (outside,))


def _taken(delegate: Delegate) -> str:
    most = "the largest part of a model" if delegate.parts == 1 else f"at most {delegate.parts} parts of a model"
    return most if delegate.parts else f"parts of {delegate.least} ops and more"


_TOGETHER = "Replace the ops that cut the model in parts."

#: Op → what to do about it, on every delegate.
INSTEAD = {
    "ARG_MAX": "Leave it out of the model, and take the largest score in the program.",
    "MEAN": "Use AveragePooling2D over the whole map in place of global average pooling.",
    "RESHAPE": "Keep the layout: a convolution of 1×1 in place of a dense layer needs no reshape.",
    "CAST": "Feed the model values of its own type, so that nothing needs casting.",
    "GELU": "Use ReLU6 or HardSwish instead.",
    "ELU": "Use ReLU6 or HardSwish instead.",
    "LEAKY_RELU": "Use ReLU6 or PReLU instead.",
    "PRELU": "Use ReLU6 instead.",
    "SQUARED_DIFFERENCE": "Use batch normalization in place of layer normalization.",
    "RSQRT": "Use batch normalization in place of layer normalization.",
    "BATCH_MATMUL": "Use dense layers or 1×1 convolutions.",
    "STRIDED_SLICE": "Slice in the program, before the model.",
    "QUANTIZE": "Convert with --float16, or leave the int8 model to the CPU.",
    "DEQUANTIZE": "Convert with --float16, or leave the int8 model to the CPU.",
}


def rule_rows(delegate: Delegate) -> Iterator[Tuple[str, str, str]]:
    """(ops, limit, what to do) of each rule, for the documents."""
    rules: Tuple[Rule, ...] = tuple(delegate.rules)
    for rule in rules:
        ops = ", ".join(f"`{opcode}`" for opcode in rule.facts.opcodes) or "every op"
        yield ops, rule.what, rule.remedy
