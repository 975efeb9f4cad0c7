"""Numbers of bytes, read and written as the compiler prints them."""

import re

_UNITS = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}


def size_bytes(text: str) -> int:
    """A printed size such as "4.24MiB" in bytes. Raises ValueError for anything else."""
    match = re.match(r"^(\d{1,12}(?:\.\d{1,12})?)(B|KiB|MiB|GiB)$", text)
    if not match:
        raise ValueError(f"not a size: {text!r}")
    return round(float(match.group(1)) * _UNITS[match.group(2)])


def size_text(size: int) -> str:
    """A number of bytes as the compiler prints it: two decimals of the largest unit that fits."""
    unit = max((u for u in _UNITS if _UNITS[u] <= max(1, size)), key=lambda u: _UNITS[u])
    return f"{size / _UNITS[unit]:.2f}{unit}"
