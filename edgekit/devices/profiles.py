"""The computers that edgekit runs on, as data: what they have, and how to know them."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Mapping, Optional

from edgekit.devices import discovery
from edgekit.devices.discovery import read_text


@dataclass(frozen=True)
class Profile:
    """A kind of computer.

    Attributes:
      title: for people.
      bus: how its Edge TPU is connected: "pci", "usb", or None where it has none of its own.
      cores: of its CPU; None where they differ, and the cores allowed count.
      memory_mb: of the smallest version sold; None where they differ.
      host: the one of `edgetpu.profiles.HOSTS` whose latency estimates are nearest; None where none was measured.
      mark: pattern of its device tree's model or compatible entry; "" where it has none.
      note: what to know before using it, or "".
    """

    title: str
    bus: Optional[str]
    cores: Optional[int]
    memory_mb: Optional[int]
    host: Optional[str]
    mark: str
    note: str = ""


#: Name → profile. The first whose mark is found is the one; "pcie" and "cpu" stand for all others.
PROFILES: Mapping[str, Profile] = {
    "devboard": Profile("Coral Dev Board", "pci", 4, 1024, "devboard", r"[Pp]hanbell", "Mendel, Python 3.7"),
    "devboard-mini": Profile("Coral Dev Board Mini", "usb", 4, 2048, None, r"mt8167", "Mendel, Python 3.7"),
    "pi4": Profile("Raspberry Pi 4", None, 4, 1024, "pi4", r"Raspberry Pi (4|Compute Module 4)", "USB 3 is blue"),
    "pi5": Profile("Raspberry Pi 5", None, 4, 1024, "usb3", r"Raspberry Pi (5|Compute Module 5)", "USB 3 is blue"),
    "pcie": Profile("computer with an M.2 or PCIe card", "pci", None, None, "pcie", "", "needs the apex driver"),
    "cpu": Profile("computer", None, None, None, "usb3", ""),
}


def this_profile(root: Optional[Path] = None) -> Profile:
    """The profile of this machine, or of the one whose files lie below a root."""
    root = discovery.ROOT if root is None else root
    names = ("proc/device-tree/model", "proc/device-tree/compatible")
    told = " ".join(read_text(root / name) or "" for name in names)
    known = (profile for profile in PROFILES.values() if profile.mark and re.search(profile.mark, told))
    fallback = "pcie" if any(tpu.bus == "pci" for tpu in discovery.attached(root)) else "cpu"
    return next(known, PROFILES[fallback])
