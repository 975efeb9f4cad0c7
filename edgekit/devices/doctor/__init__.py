"""Why an Edge TPU does not work, and what to do.

machine: the facts, read from the machine's files. cause: what a cause is. library_causes, device_causes, model_causes:
one small function for each. doctor: `diagnose`, which asks them all. page: docs/doctor.md.
"""

from edgekit.devices.doctor.doctor import Finding, diagnose
from edgekit.devices.doctor.machine import Machine, examine

__all__ = ["Finding", "Machine", "diagnose", "examine"]
