"""What a compiler does, or is expected to do, with a model: the nouns.

`mapping.map_ops` makes a `Placement` for the Edge TPU, the judges in `edgekit.targets` make them for other
accelerators; nothing here computes.
"""

from dataclasses import dataclass
from typing import Dict, NamedTuple, Optional, Tuple

from edgekit.tflite.graph import Op

EDGETPU, CPU = "edgetpu", "cpu"

#: Status of the ops of a model that a compiler refuses as a whole.
NOT_JUDGED = "not judged, since the model is refused"


@dataclass(frozen=True)
class Accelerator:
    """What a placement is for, in words.

    Attributes:
      name: as `--target` has it; the `device` of the ops that run there.
      title: for people.
      takes: said of several ops that it takes, and of one.
      there, elsewhere: where these are, and where the others, in a table.
      left: how a list of the others begins.
      eight_bits: whether it computes in 8 bits only.
    """

    name: str
    title: str
    takes: Tuple[str, str]
    there: str
    elsewhere: str = "CPU"
    left: str = "On the CPU"
    eight_bits: bool = True


EDGE_TPU = Accelerator(EDGETPU, "Edge TPU", ("map to the Edge TPU", "maps to the Edge TPU"), "Edge TPU")


class Figure(NamedTuple):
    """A number that a compiler itself tells of a model.

    Attributes:
      key: its name in JSON, with the unit.
      title: what it is, for people.
      value: in that unit.
      text: value and unit, for people.
    """

    key: str
    title: str
    value: float
    text: str


#: How well a rule is known: in the vendor's table; seen in compiled models and logs; told by users.
CONFIDENCES = ("documented", "seen", "reported")


@dataclass(frozen=True)
class CompilerOptions:
    """The flags of `edgetpu_compiler` that change what it maps.

    Attributes:
      all_subgraphs: `-a`: every supported subgraph, not only the first.
      min_runtime_version: `-m`: the oldest Edge TPU runtime that must run the model; None for the compiler's own.
      intermediate_tensors: `-i`: names of tensors at which the graph is cut.
      num_segments: `-n`: segments for a pipeline of several Edge TPUs; splits what is mapped, changes none of it.
      search_delegate: `-d`: on failure the compiler leaves out ops from the end until it succeeds; where it
        succeeds at once, which is what is predicted, nothing changes.
      compiler_version: its release, such as "16.0".
    """

    all_subgraphs: bool = False
    min_runtime_version: Optional[int] = None
    intermediate_tensors: Tuple[str, ...] = ()
    num_segments: int = 1
    search_delegate: bool = False
    compiler_version: str = "16.0"


@dataclass(frozen=True)
class Violation:
    """A rule that an op breaks, or may break.

    Attributes:
      rule: the rule's name.
      limit: what the Edge TPU asks for, in a sentence.
      value: what the op has instead.
      remedy: what to change in the model.
      confidence: how well the rule is known, one of CONFIDENCES.
      status: the compiler's text for it.
      rejected: False where the value lies in a range of which nothing is known; the op is then taken as mapped.
      certain: whether the outcome is known.
    """

    rule: str
    limit: str
    value: str
    remedy: str
    confidence: str
    status: str
    rejected: bool = True
    certain: bool = True

    @property
    def reason(self) -> str:
        """Value and limit in a line."""
        return f"{self.value}. {self.limit}".rstrip()


@dataclass(frozen=True)
class OpPlacement:
    """Where one op runs.

    Attributes:
      op: the op.
      device: the accelerator's name, or "cpu".
      status: the compiler's text.
      violations: every rule that it breaks or may break.
      subgraph: which of the accelerator's subgraphs it is part of, from 0; None on the CPU.
      unseen: how an op on the Edge TPU differs from all that real compilers are known to have mapped; "" where it is
        like one of them.
    """

    op: Op
    device: str
    status: str
    violations: Tuple[Violation, ...] = ()
    subgraph: Optional[int] = None
    unseen: str = ""

    @property
    def certain(self) -> bool:
        """Whether all rules that decide about it are known, and for an op on the Edge TPU a precedent agrees."""
        rejecting = [violation for violation in self.violations if violation.rejected]
        if rejecting:
            return any(violation.certain for violation in rejecting)
        return not self.violations and not self.unseen

    @property
    def supported(self) -> bool:
        """Whether the accelerator could run it, had the graph not been cut before."""
        return not any(violation.rejected for violation in self.violations)


@dataclass(frozen=True)
class Stake:
    """What hangs on one kind of op that is not certain to be mapped.

    Attributes:
      op: the first op of the kind.
      mapped: how many ops of the model run on the Edge TPU if none of the doubtful ones of this kind does.
    """

    op: Op
    mapped: int


@dataclass(frozen=True)
class Placement:
    """Where a model's ops run once it is compiled.

    Attributes:
      ops: one for each op, in order.
      subgraphs: number of subgraphs that run on the accelerator.
      ends_at: index of the op that ends the first subgraph: the first one on the CPU after it began; None where
        it reaches the model's end, or never begins.
      refusal: why the compiler would not accept the file at all, and what to do; None where it would.
      options: the compiler's flags that were assumed.
      stakes: what hangs on the ops that are not certain, the gravest first.
      accelerator: what it is for.
      judge: the program whose word it is, with version and configuration; "" where edgekit's rules predict.
      figures: what that program tells of memory and time.
      notes: what to know of the figures.
      handoff: how to go on to the accelerator's own compilers, line by line.
    """

    ops: Tuple[OpPlacement, ...]
    subgraphs: int
    ends_at: Optional[int]
    refusal: Optional[Tuple[str, str]]
    options: CompilerOptions
    stakes: Tuple[Stake, ...] = ()
    accelerator: Accelerator = EDGE_TPU
    judge: str = ""
    figures: Tuple[Figure, ...] = ()
    notes: Tuple[str, ...] = ()
    handoff: Tuple[str, ...] = ()

    @property
    def mapped(self) -> int:
        """How many ops run on the accelerator."""
        return sum(placed.device != CPU for placed in self.ops)

    @property
    def fully_mapped(self) -> bool:
        """Whether the compiler takes the model, and all of it runs on the accelerator."""
        return self.refusal is None and bool(self.ops) and self.mapped == len(self.ops)

    def table(self) -> Dict[Tuple[str, str], int]:
        """(op, status) → count, as the compiler's log has it: custom ops as "CUSTOM"."""
        counts: Dict[Tuple[str, str], int] = {}
        for placed in self.ops:
            key = (placed.op.opcode, placed.status)
            counts[key] = counts.get(key, 0) + 1
        return counts
