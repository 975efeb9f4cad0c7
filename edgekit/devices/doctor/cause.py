"""What a cause is: a function of a machine's facts that answers with the evidence where the cause is there, else None.

Its docstring is what users read (`edgekit.documented`): what is wrong, and what to do. `edgekit doctor` runs all of
them; docs/doctor.md is written from them.
"""

from enum import Enum

from edgekit.devices.doctor.machine import Machine
from edgekit.documented import Check, Registry


class Effect(Enum):
    """What a cause does."""

    STOPS = "the Edge TPU does not work"
    LESSENS = "the Edge TPU works, but slower or less safely than it could"


#: A cause, and the causes of one module.
Cause = Check[Machine, str, Effect]
Causes = Registry[Machine, str, Effect]
