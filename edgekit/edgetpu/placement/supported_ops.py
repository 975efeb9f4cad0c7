"""docs/supported-ops.md, written from the rules.

python -m edgekit.edgetpu.placement.supported_ops > docs/supported-ops.md
"""

from typing import Iterator, List, Tuple

from edgekit.documented import markdown_table
from edgekit.edgetpu.placement.case import Rule
from edgekit.edgetpu.placement.operations import FIRST_RUNTIME, OPERATIONS, REPLACEMENTS
from edgekit.edgetpu.placement.registry import ALL_RULES

_HEAD = """# Operations that the Edge TPU runs

Generated from the rules in `edgekit/edgetpu/placement` by
`python -m edgekit.edgetpu.placement.supported_ops`; a test keeps it true.

How well each line is known: **documented** in the vendor's table (<https://coral.ai/docs/edgetpu/models-intro>),
**seen** in real compiled models and logs, or **reported** by users (issues of google-coral/edgetpu, by number).
Between two sizes that were seen nothing is invented: `edgekit inspect --edgetpu` takes such an op as mapped and
marks it uncertain. The compiler's word, where there is one, stands above all of this.

Where the rules let an op through, it is certain only if one like it was mapped by a real compiler: of the same kind,
types, rank, constant inputs and options, and at least as large (`edgekit/edgetpu/placement/precedents.csv`). Otherwise
`inspect` says that there is no precedent, what the nearest one has instead, and how many ops map if this kind stays on
the CPU.

Whoever has a compiled model can make this table grow: `edgekit inspect MODEL --compiled COMPILED --record ROWS.csv`
says what was mapped by comparing the two files, and writes a row per op: kind, types, rank, options, size, whether it
was mapped, compiler and runtime; no names, no weights, no images. `python scripts/precedents.py` takes such files.

By default the compiler maps one part of the model: TFLite's delegate partitioner forms parts of operations that are
supported or not, and the first supported part is kept. Supported operations behind it get «More than one subgraph is
not supported».
"""


def supported_ops() -> str:
    """The document as Markdown."""
    return "\n".join([_HEAD, *_general(), "", *_operations(), "", *_replacements()])


def _general() -> List[str]:
    rules = [rule for rule in ALL_RULES if not rule.facts.opcodes]
    rows = [(rule.what, rule.remedy, rule.facts.confidence, rule.facts.status) for rule in rules]
    return ["## Every operation\n", *markdown_table(("Limit", "What to do", "Known", "The compiler says"), rows)]


def _operations() -> List[str]:
    rows = [row for opcode in sorted(OPERATIONS) for row in _operation(opcode)]
    return [
        "## Operation by operation\n",
        "«Runtime» is the oldest Edge TPU runtime that knows the operation; nothing stands for all of them.\n",
        *markdown_table(("Operation", "Runtime", "Limit", "What to do", "Known"), rows),
    ]


def _operation(opcode: str) -> Iterator[Tuple[str, ...]]:
    """One row for each of its limits, its name in the first."""
    known, limits = OPERATIONS[opcode], _limits(opcode)
    name, runtime = f"`{opcode}`", f"≥ {known.runtime}" if known.runtime != FIRST_RUNTIME else ""
    if not limits:
        yield name, runtime, "None known.", "", known.confidence
    for number, rule in enumerate(limits):
        first = (name, runtime) if number == 0 else ("", "")
        yield (*first, rule.what, rule.remedy, rule.facts.confidence)


def _limits(opcode: str) -> List[Rule]:
    return [rule for rule in ALL_RULES if opcode in rule.facts.opcodes]


def _replacements() -> List[str]:
    rows = [(f"`{opcode}`", REPLACEMENTS[opcode]) for opcode in sorted(REPLACEMENTS)]
    return ["## Not mapped, and what to use instead\n", *markdown_table(("Operation", "What to do"), rows)]


if __name__ == "__main__":
    print(supported_ops())
