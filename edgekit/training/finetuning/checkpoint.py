"""The state of a training on disk: numbers by name, as a whole or not at all."""

import zipfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import numpy as np

from edgekit.files import write_bytes


def save_state(path: Path, state: Mapping[str, np.ndarray]) -> None:
    """Writes to a temporary file and renames it: a kill at any time leaves the state before, or this one."""
    content = BytesIO()
    np.savez(content, **state)  # type: ignore[arg-type]  # no state is called as one of its options
    write_bytes(path, content.getvalue())


def load_state(path: Path) -> dict[str, np.ndarray] | None:
    """What was saved last; None where there is nothing, or nothing whole."""
    try:
        with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as file:
            return dict(file)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return None
