"""Which device a caller asks for, in a few letters."""

import re
from dataclasses import dataclass
from typing import Dict, Optional

from edgekit.errors import UsageError

_GRAMMAR = re.compile(
    r"(?P<kind>auto|cpu|edgetpu)|(?P<bus>usb|pci)?(:(?P<number>[0-9]{1,3}))?|emulated(:(?P<host>[a-z0-9]+))?"
)


@dataclass(frozen=True)
class Request:
    """A device string, taken apart.

    | device        | means                                                                 | falls back |
    | ------------- | --------------------------------------------------------------------- | ---------- |
    | `auto`        | the Edge TPU for a compiled model where one is attached, else the CPU | yes        |
    | `cpu`         | the CPU; for a compiled model its CPU twin                            | no         |
    | `edgetpu`     | any Edge TPU                                                          | no         |
    | `usb`, `pci`  | any Edge TPU on that bus                                              | no         |
    | `usb:1`       | the second one on USB                                                 | no         |
    | `pci:0`       | the first one on PCIe                                                 | no         |
    | `:0`          | the first one on any bus                                              | no         |
    | `emulated`    | the emulated Edge TPU                                                 | no         |
    | `emulated:usb3` | the same, with the latency estimated for that host                  | no         |

    Attributes:
      text: as asked for.
      kind: "auto", "cpu", "edgetpu" or "emulated".
      bus: "usb" or "pci", or None for any.
      number: which one, from 0, or None for any.
      host: one of `edgetpu.profiles.HOSTS` whose latency to imitate, or None.
    """

    text: str
    kind: str
    bus: Optional[str] = None
    number: Optional[int] = None
    host: Optional[str] = None

    @property
    def options(self) -> Dict[str, str]:
        """What the Edge TPU's delegate has to be told."""
        return {"device": self.text} if self.kind == "edgetpu" and self.text != "edgetpu" else {}


def parse_device(text: str) -> Request:
    """Takes a device string apart.

    Raises:
      UsageError: it follows none of the forms of `Request`.
    """
    found = _GRAMMAR.fullmatch(text)
    if not found or not text:
        raise UsageError(
            f"There is no device {text!r}.", "Devices: auto, cpu, edgetpu, usb, usb:1, pci, pci:0, :0, emulated."
        )
    if found["kind"]:
        return Request(text, found["kind"])
    if text.startswith("emulated"):
        return Request(text, "emulated", host=found["host"])
    return Request(text, "edgetpu", found["bus"], int(found["number"]) if found["number"] else None)
