"""A verification: its table, its JSON document, JUnit XML and a summary in Markdown."""

from collections.abc import Iterator

from edgekit.converters.verification.verify import Verification
from edgekit.reports.junit import Case, junit
from edgekit.reports.text import columns


def verification_to_json(found: Verification) -> dict[str, object]:
    """`{"model", "accepted", "gates": [{"gate", "met", "value", "found", "asked"}]}`."""
    gates = [
        {"gate": each.gate, "met": each.met, "value": each.value, "found": each.found, "asked": each.asked}
        for each in found.outcomes
    ]
    return {"model": str(found.model), "accepted": found.met, "gates": gates}


def verification_lines(found: Verification) -> Iterator[str]:
    """A row for each gate, and how many are met."""
    rows = [("met" if each.met else "NOT MET", each.gate, each.found, each.asked) for each in found.outcomes]
    yield from columns(("", "gate", "found", "asked for"), rows)
    yield f"\n{_count(found)}"


def verification_to_junit(found: Verification) -> str:
    """A test case for each gate."""
    return junit(
        f"edgekit verify {found.model.name}",
        [
            Case(
                "edgekit.verify",
                each.gate,
                f"{each.found}; {each.asked}",
                failure=None if each.met else f"{each.found}, not {each.asked}",
            )
            for each in found.outcomes
        ],
    )


def verification_to_markdown(found: Verification) -> str:
    """A heading and a table, as continuous integration shows them with a run."""
    rows = [
        f"| {'✅' if each.met else '❌'} | {each.gate} | {_cell(each.found)} | {_cell(each.asked)} |"
        for each in found.outcomes
    ]
    head = [f"## {_cell(found.model.name)}: {_count(found)}", "", "| | gate | found | asked for |", "|---|---|---|---|"]
    return "\n".join([*head, *rows, ""])


def _count(found: Verification) -> str:
    met = sum(each.met for each in found.outcomes)
    return f"{met} of {len(found.outcomes)} gates met"


def _cell(text: str) -> str:
    """Text that breaks no table and is no markup, whatever files are called."""
    escaped = "".join(f"\\{sign}" if sign in "\\|`*_[]<>#" else sign for sign in text)
    return " ".join(escaped.split())
