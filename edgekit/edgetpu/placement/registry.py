"""How the rules of `rules.py` and `size_rules.py` are written down: one small function each, in one list.

A rule's docstring is what users read. Its first paragraph is the limit, a sentence; its second what to change in
the model. The function answers None where the op keeps to it, `fails(value)` where it does not, and `unsure(value)`
where the value lies in a range of which nothing is known.
"""

from functools import lru_cache
from importlib import import_module
from typing import Callable, Iterator, List, NamedTuple, Optional, Tuple

from edgekit.edgetpu.placement.placement import LIMITED, CompilerOptions, Violation
from edgekit.tflite.graph import Graph, Op, Tensor
from edgekit.tflite.reader import constant


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


Check = Callable[[Case], Optional[Finding]]


class Rule(NamedTuple):
    """A limit of the Edge TPU or its compiler.

    Attributes:
      name: the function's name.
      opcodes: the ops it is about; empty for all.
      check: the function.
      confidence: one of `placement.CONFIDENCES`.
      status: the compiler's text for ops that break it.
    """

    name: str
    opcodes: Tuple[str, ...]
    check: Check
    confidence: str
    status: str

    @property
    def limit(self) -> str:
        """What the Edge TPU asks for, in a sentence."""
        return self._paragraphs()[0]

    @property
    def remedy(self) -> str:
        """What to change in the model."""
        return self._paragraphs()[1]

    def _paragraphs(self) -> List[str]:
        return [" ".join(part.split()) for part in (self.check.__doc__ or "").split("\n\n")]


#: The modules whose import fills the list.
_MODULES = ("edgekit.edgetpu.placement.rules", "edgekit.edgetpu.placement.size_rules")

_RULES: List[Rule] = []


def rule(*opcodes: str, confidence: str, status: str = LIMITED) -> Callable[[Check], Check]:
    """Registers a function as a rule about `opcodes`, or about every op where none is named."""

    def register(check: Check) -> Check:
        _RULES.append(Rule(check.__name__, opcodes, check, confidence, status))
        return check

    return register


@lru_cache(maxsize=None)
def all_rules() -> Tuple[Rule, ...]:
    """Every rule, in the order in which they are written."""
    for module in _MODULES:
        import_module(module)
    return tuple(_RULES)


@lru_cache(maxsize=None)
def rules_for(opcode: str) -> Tuple[Rule, ...]:
    """The rules about one kind of op."""
    return tuple(rule for rule in all_rules() if not rule.opcodes or opcode in rule.opcodes)


def violations(case: Case) -> Tuple[Violation, ...]:
    """Every rule that an op breaks or may break."""
    return tuple(_violations(case))


def _violations(case: Case) -> Iterator[Violation]:
    complete = bool(case.graph.op_inputs(case.op) and case.graph.op_outputs(case.op))
    for known in rules_for(case.op.opcode):
        if known.opcodes and not complete:
            continue  # a damaged op without data: only what holds for every op can be judged
        found = known.check(case)
        if found is not None:
            yield _violation(known, found)


def _violation(known: Rule, found: Finding) -> Violation:
    return Violation(
        rule=known.name,
        limit=known.limit,
        value=found.value,
        remedy=found.remedy or known.remedy,
        confidence=known.confidence,
        status=known.status,
        rejected=found.rejected,
        certain=found.certain,
    )


def fails(value: str, *, remedy: str = "") -> Finding:
    """The op breaks the rule; `value` says what it has instead."""
    return Finding(value, remedy=remedy)


def unsure(value: str) -> Finding:
    """Nothing is known for this value; the op is taken as mapped."""
    return Finding(value, rejected=False, certain=False)


def between(size: int, *, mapped: int, on_cpu: Optional[int], what: str) -> Optional[Finding]:
    """Judges a size by the largest one seen mapped and the smallest one seen left on the CPU (None: none seen)."""
    if size <= mapped:
        return None
    value = f"{what} is {size:,}"
    if on_cpu is None:
        return unsure(f"{value}, and nothing is known above {mapped:,}")
    if size < on_cpu:
        return unsure(f"{value}, and nothing is known between {mapped:,} and {on_cpu:,}")
    return fails(value)


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


def text(shape: Tuple[int, ...]) -> str:
    """A shape as "1×224×224×3"."""
    return "×".join(str(size) for size in shape) or "a scalar"
