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
    with zipfile.ZipFile(content, "w") as file:
        for name, value in state.items():
            with file.open(f"{name}.npy", "w") as part:
                np.lib.format.write_array(part, np.asarray(value), allow_pickle=False)
    write_bytes(path, content.getvalue())


def load_state(path: Path) -> dict[str, np.ndarray] | None:
    """What was saved last; None where there is nothing, or nothing whole."""
    try:
        with open(path, "rb") as stream, zipfile.ZipFile(stream) as file:
            return {name[: -len(".npy")]: _array(file, name) for name in file.namelist()}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return None


def _array(file: zipfile.ZipFile, name: str) -> np.ndarray:
    with file.open(name) as part:
        return np.lib.format.read_array(part, allow_pickle=False)
