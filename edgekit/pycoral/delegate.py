"""The Edge TPU's delegate, or what stands in for it where no Edge TPU is attached."""

import os
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Dict, List, Mapping, Optional, Union

from edgekit.devices.delegate import load_edgetpu
from edgekit.devices.discovery import attached
from edgekit.devices.emulator.emulated import EmulatedEdgeTpu
from edgekit.devices.interpreter import interpreter_package
from edgekit.devices.library import library_name
from edgekit.devices.request import Request, parse_device
from edgekit.devices.trial import check_library
from edgekit.errors import EdgekitError, UsageError
from edgekit.terminal import printable

#: Environment variable that takes the place of the devices a program asks for: "cpu" or "emulated".
VARIABLE = "EDGEKIT_DEVICE"

#: How many emulated Edge TPUs there are: enough for the longest of the pipelines that Coral publishes.
EMULATED = 4


@dataclass(frozen=True)
class StandIn:
    """What is loaded in place of the Edge TPU's delegate.

    Attributes:
      reason: why the Edge TPU is not used.
      emulated: the emulated Edge TPU that computes compiled models, or None for the CPU twin.
    """

    reason: str
    emulated: Optional[EmulatedEdgeTpu] = None


def load_delegate(library: Union[str, Path], options: Optional[Mapping[str, object]] = None) -> object:
    """Loads a delegate; for the Edge TPU's library, where no Edge TPU is attached, a stand-in.

    Raises:
      ValueError: "Failed to load delegate from ...": there is an Edge TPU that cannot be opened, or the
        device asked for has no such name.
    """
    library = str(library)
    if "edgetpu" not in os.path.basename(library).lower() and library != library_name():
        other: object = interpreter_package().load_delegate(library, options)
        return other
    try:
        return _edgetpu(library, {str(key): str(value) for key, value in (options or {}).items()})
    except EdgekitError as error:
        raise ValueError(f"Failed to load delegate from {library}\n{error}") from None


def is_emulated() -> bool:
    """Whether emulated Edge TPUs take the place of real ones. Raises ValueError where EDGEKIT_DEVICE is no device."""
    try:
        replacement = _replacement()
    except EdgekitError as error:
        raise ValueError(f"{VARIABLE}: {error}") from None
    return replacement is not None and replacement.kind == "emulated"


def edge_tpus() -> List[Dict[str, str]]:
    """The Edge TPUs that a program may ask for: for each its `type`, "usb" or "pci", and its `path` in the system."""
    if is_emulated():
        return [{"type": "usb", "path": f"emulated:{number}"} for number in range(EMULATED)]
    return [
        {"type": tpu.bus, "path": tpu.node or "" if tpu.bus == "pci" else f"/sys/bus/usb/devices/{tpu.address}"}
        for tpu in attached()
    ]


@lru_cache(maxsize=None)
def say_once(text: str) -> None:
    """Writes a line to standard error, unless it was written before."""
    print(printable(f"edgekit: {text}"), file=sys.stderr)


def _replacement() -> Optional[Request]:
    text = os.environ.get(VARIABLE)
    return parse_device(text) if text else None


def _edgetpu(library: str, options: Dict[str, str]) -> object:
    asked = parse_device(options.get("device") or "edgetpu")
    request = _replacement() or asked
    if request.kind == "emulated":
        if asked.number is not None and asked.number >= EMULATED:
            raise UsageError(f"There is no device {asked.text!r}.", f"{EMULATED} Edge TPUs are emulated, from :0 on.")
        reason = "an emulated Edge TPU was requested; no hardware is involved"
        return StandIn(reason, EmulatedEdgeTpu(host=request.host))
    if request.kind == "cpu":
        return StandIn("the CPU was asked for")
    if not attached():
        return StandIn("no Edge TPU is attached")
    options = {**options, **request.options}
    if os.path.dirname(library) and library != library_name():  # a program that brings a library of its own
        own: object = interpreter_package().load_delegate(library, options)
        return own
    check_library(options.get("device", ""), None)
    return load_edgetpu(options)
