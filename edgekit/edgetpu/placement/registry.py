"""Every rule, and what an op breaks of them. To add a rule, add a function to one of the three modules of rules."""

from functools import lru_cache
from typing import Iterator, Tuple

from edgekit.edgetpu.placement import general_rules, rules, size_rules
from edgekit.edgetpu.placement.case import Case, Finding, Rule
from edgekit.edgetpu.placement.placement import Violation

#: In the order in which they are written.
ALL_RULES: Tuple[Rule, ...] = (*general_rules.RULES, *rules.RULES, *size_rules.RULES)


@lru_cache(maxsize=None)
def rules_for(opcode: str) -> Tuple[Rule, ...]:
    """The rules about one kind of op."""
    return tuple(rule for rule in ALL_RULES if not rule.facts.opcodes or opcode in rule.facts.opcodes)


def violations(case: Case) -> Tuple[Violation, ...]:
    """Every rule that an op breaks or may break."""
    return tuple(_violations(case))


def _violations(case: Case) -> Iterator[Violation]:
    whole = general_rules.has_its_tensors(case) is None
    for rule in rules_for(case.op.opcode):
        if rule.facts.opcodes and not whole:
            continue  # only what holds for every op can be judged
        found = rule.run(case)
        if found is not None:
            yield violation(rule, found)


def violation(rule: Rule, found: Finding) -> Violation:
    """A rule and what it found in an op."""
    return Violation(
        rule=rule.name,
        limit=rule.what,
        value=found.value,
        remedy=found.remedy or rule.remedy,
        confidence=rule.facts.confidence,
        status=rule.facts.status,
        rejected=found.rejected,
        certain=found.certain,
    )
