"""Opening an Edge TPU: libedgetpu loaded as a delegate, its failures put into words."""

import ctypes
from typing import Dict, Optional

from edgekit.devices import discovery
from edgekit.devices.interpreter import interpreter_package
from edgekit.devices.library import VARIABLE, chosen_library, damage, library_name, library_path, misnamed
from edgekit.errors import DeviceError

_DOCTOR = "Run `edgekit doctor` for the reason."


def load_edgetpu(options: Optional[Dict[str, str]] = None) -> object:
    """Opens an Edge TPU: a delegate to be given to `open_interpreter`.

    Args:
      options: as libedgetpu takes them, such as {"device": "usb:0"}.

    Raises:
      DeviceError: the library is missing, does not load, or finds no device.
    """
    library = library_name()
    try:
        # First by hand: the interpreter's own loader leaves half an object behind whose end is noisy.
        ctypes.CDLL(library)
        return interpreter_package().load_delegate(library, options or {})
    except OSError as error:
        raise _not_loaded(library, str(error)) from error
    except (ValueError, RuntimeError, AttributeError) as error:
        reason = str(error).strip().splitlines()
        told = f" It says: {reason[1][:200]}" if len(reason) > 1 else ""
        raise DeviceError(f"{library} opened no Edge TPU.{told}", _DOCTOR) from error


def check_file() -> None:
    """Raises DeviceError where the library's file is not there as it was named, or is damaged: loading it may crash."""
    library = library_name()
    wrong = misnamed(library)
    if wrong:
        raise DeviceError(f"{VARIABLE} is wrong: {wrong}.", f"Set {VARIABLE} to the path of libedgetpu, or unset it.")
    path = library_path(discovery.ROOT, library)
    damaged = damage(path) if path else ""
    if damaged:
        raise DeviceError(f"{path} cannot be loaded: {damaged}.", "Install or copy libedgetpu again.")


def _not_loaded(library: str, reason: str) -> DeviceError:
    missing = "cannot open shared object" in reason and library in reason
    if missing and chosen_library():
        return DeviceError(
            f"{VARIABLE} is wrong: the loader finds no {library}.", "Set it to the path of libedgetpu, or unset it."
        )
    if missing:
        return DeviceError(f"{library} is not installed.", "Run `edgekit doctor` for how to get it.")
    return DeviceError(f"{library} does not load: {reason[:200]}.", _DOCTOR)
