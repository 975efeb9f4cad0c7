"""`diagnose`: which of the known causes keep an Edge TPU from working, and what to do about each."""

from dataclasses import dataclass
from typing import Tuple

from edgekit.devices.doctor.causebook import all_causes
from edgekit.devices.doctor.machine import Machine


@dataclass(frozen=True)
class Finding:
    """A cause that is there.

    Attributes:
      cause: its stable name, such as "no-library".
      what: what is wrong.
      evidence: where that was seen.
      fix: what to do.
    """

    cause: str
    what: str
    evidence: str
    fix: str


def diagnose(machine: Machine) -> Tuple[Finding, ...]:
    """Everything that is wrong with a machine, in the order in which things have to work."""
    found = ((cause, cause.check(machine)) for cause in all_causes())
    return tuple(Finding(cause.name, cause.what, evidence, cause.fix) for cause, evidence in found if evidence)


_HEAD = """# Why an Edge TPU does not work

Written by `python -m edgekit.devices.doctor.doctor` from the functions in
`edgekit/devices/doctor/causes.py`; a test keeps it true.

`edgekit doctor` tells which of these it is. With a compiled model (`edgekit doctor MODEL`) it runs that too, in a
child process; `--device` says which device is meant. It exits with 0 where all is well, 1 where it found something
and 2 where the question was wrong.
"""


def page() -> str:
    """docs/doctor.md."""
    rows = [f"| `{c.name}` | {_cell(c.what)} | {_cell(c.fix)} |" for c in all_causes()]
    return "\n".join([_HEAD, "| Cause | What is wrong | What to do |", "| --- | --- | --- |", *rows])


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    print(page())
