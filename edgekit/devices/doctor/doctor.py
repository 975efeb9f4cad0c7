"""`diagnose`: which of the known causes keep an Edge TPU from working, and what to do about each."""

from dataclasses import dataclass
from typing import Tuple

from edgekit.devices.doctor import device_causes, library_causes, model_causes
from edgekit.devices.doctor.cause import Cause
from edgekit.devices.doctor.machine import Machine

#: Every cause, in the order in which things have to work.
ALL_CAUSES: Tuple[Cause, ...] = (*library_causes.CAUSES, *device_causes.CAUSES, *model_causes.CAUSES)


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
    found = ((cause, cause.run(machine)) for cause in ALL_CAUSES)
    return tuple(
        Finding(stable_name(cause), cause.what, evidence, cause.remedy) for cause, evidence in found if evidence
    )


def stable_name(cause: Cause) -> str:
    """Stable name for machines, such as `no-library`."""
    return cause.name.replace("_", "-")
