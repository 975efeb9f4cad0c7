"""Under which conditions times were measured: processor, governor, load."""

import os
import platform
import re
from dataclasses import dataclass
from typing import Iterator, Optional, Tuple

from edgekit.devices import discovery
from edgekit.devices.discovery import entries, read_text
from edgekit.devices.interpreter import allowed_cores, interpreter_package

#: More runnable programs for each core than this, and the times are not the model's alone.
BUSY = 0.5


@dataclass(frozen=True)
class Conditions:
    """The machine at the time.

    Attributes:
      processor: its name, or that of the board.
      cores: how many of them this process may use.
      system: operating system and architecture.
      python: its version.
      interpreter: the package that runs models.
      governors: what sets the cores' clocks; () where that is not told.
      load: programs that wanted to run, the mean over the minute before; None where it is not told.
    """

    processor: str
    cores: int
    system: str
    python: str
    interpreter: str
    governors: Tuple[str, ...]
    load: Optional[float]

    def notes(self) -> Iterator[str]:
        """What makes the times doubtful."""
        varying = [each for each in self.governors if each != "performance"]
        if varying:
            yield (
                f"The processor's governor is {', '.join(varying)}: its clock follows the work. "
                "With performance, times vary less."
            )
        if self.load is not None and self.load > BUSY * self.cores:
            yield (
                f"The load was {self.load:.1f} on {self.cores} cores before the run: other programs make times longer; "
                "ratios, measured in turns, hold."
            )


def conditions() -> Conditions:
    """This machine now."""
    policies = entries(discovery.ROOT / "sys/devices/system/cpu/cpufreq")
    governors = {read_text(policy / "scaling_governor") for policy in policies}
    return Conditions(
        processor=_processor(),
        cores=allowed_cores(),
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        interpreter=interpreter_package().__name__.split(".")[0],
        governors=tuple(sorted(filter(None, governors))),
        load=round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    )


def _processor() -> str:
    board = read_text(discovery.ROOT / "proc/device-tree/model")
    if board:
        return board.rstrip("\0")
    named = re.search(r"^model name\s*:\s*(.+)$", read_text(discovery.ROOT / "proc/cpuinfo") or "", re.M)
    return named.group(1) if named else platform.processor() or platform.machine()
