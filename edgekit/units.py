"""Quantities as users write them."""

import re
from typing import Optional

from edgekit.errors import UsageError
from edgekit.sizes import size_bytes

_MILLISECONDS = {"": 1.0, "ms": 1.0, "s": 1000.0, "us": 0.001, "µs": 0.001}


def milliseconds(option: str, text: Optional[str]) -> Optional[float]:
    """«8ms», «8 ms», «8» and «0.008s» are 8.0; None stays None.

    Raises UsageError, which names the option, where it is no time.
    """
    if text is None:
        return None
    match = re.fullmatch(r"\s*([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*(|ms|s|us|µs)\s*", text)
    if match is None:
        raise UsageError(f"{option} {text} is not a time.", "Write for instance 8ms or 0.5s.")
    return float(match.group(1)) * _MILLISECONDS[match.group(2)]


def memory(option: str, text: Optional[str]) -> Optional[int]:
    """«7.5MiB», «7.5 MiB» and «7.5MB», which means the same here, are 7864320; None stays None.

    Raises UsageError, which names the option, where it is no size.
    """
    if text is None:
        return None
    try:
        return size_bytes(re.sub(r"([KMG])B$", r"\1iB", text.replace(" ", "")))
    except ValueError:
        raise UsageError(f"{option} {text} is not a size.", "Write for instance 7.5MiB or 800KiB.") from None


def fraction(option: str, text: Optional[str]) -> Optional[float]:
    """What a user wrote as a part of one: «1%», «1 %» and «0.01» are 0.01; None stays None.

    Raises UsageError, which names the option, where it is none.
    """
    if text is None:
        return None
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(%?)\s*", text)
    value = float(match.group(1)) / (100 if match.group(2) else 1) if match else -1.0
    if not 0 <= value <= 1:
        raise UsageError(f"{option} {text} is not a part of 1.", "Write for instance 1% or 0.01.")
    return value
