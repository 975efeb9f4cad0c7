"""docs/supported-ops.md, written from the rules.

python -m edgekit.edgetpu.placement.supported_ops > docs/supported-ops.md
"""

from typing import Dict, Iterator, List, Tuple

from edgekit.edgetpu.placement.operations import OPERATIONS, REPLACEMENTS
from edgekit.edgetpu.placement.registry import Rule, all_rules

_HEAD = """# Operations that the Edge TPU runs

Generated from the rules in `edgekit/edgetpu/placement` by
`python -m edgekit.edgetpu.placement.supported_ops`; a test keeps it true.

How well each line is known: **documented** in the vendor's table (<https://coral.ai/docs/edgetpu/models-intro>),
**seen** in real compiled models and logs, **reported** by users (issues of google-coral/edgetpu, by number), or
**unknown**. Between two sizes that were seen nothing is invented: `edgekit inspect --edgetpu` takes such an op as
mapped and marks it uncertain. The compiler's word, where there is one, stands above all of this.

By default the compiler maps one part of the model: TFLite's delegate partitioner forms parts of operations that are
supported or not, and the first supported part is kept. Supported operations behind it get «More than one subgraph is
not supported».
"""


def supported_ops() -> str:
    """The document as Markdown."""
    general = [rule for rule in all_rules() if not rule.opcodes]
    return "\n".join([_HEAD, *_general(general), *_operations(), *_replacements()])


def _general(rules: List[Rule]) -> Iterator[str]:
    yield "## Every operation\n"
    yield from _table(("Limit", "What to do", "Known", "The compiler says"))
    for rule in rules:
        yield _row(rule.limit, rule.remedy, rule.confidence, rule.status)
    yield ""


def _operations() -> Iterator[str]:
    yield "## Operation by operation\n"
    yield "«Runtime» is the oldest Edge TPU runtime that knows the operation; nothing stands for all of them.\n"
    yield from _table(("Operation", "Runtime", "Limit", "What to do", "Known"))
    limits = _limits()
    for opcode in sorted(OPERATIONS):
        known = OPERATIONS[opcode]
        runtime = f"≥ {known.runtime}" if known.runtime > 10 else ""
        for number, rule in enumerate(limits.get(opcode, ())):
            first = (f"`{opcode}`", runtime) if number == 0 else ("", "")
            yield _row(*first, rule.limit, rule.remedy, rule.confidence)
        if opcode not in limits:
            yield _row(f"`{opcode}`", runtime, "None known.", "", known.confidence)
    yield ""


def _replacements() -> Iterator[str]:
    yield "## Not mapped, and what to use instead\n"
    yield from _table(("Operation", "What to do"))
    for opcode in sorted(REPLACEMENTS):
        yield _row(f"`{opcode}`", REPLACEMENTS[opcode])


def _limits() -> Dict[str, Tuple[Rule, ...]]:
    found: Dict[str, Tuple[Rule, ...]] = {}
    for rule in all_rules():
        for opcode in rule.opcodes:
            found[opcode] = (*found.get(opcode, ()), rule)
    return found


def _table(header: Tuple[str, ...]) -> Iterator[str]:
    yield _row(*header)
    yield "|" + " --- |" * len(header)


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    print(supported_ops())
