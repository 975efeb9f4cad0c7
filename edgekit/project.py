"""`edgekit.toml`: what a project asks of its model, and the options that its commands are usually given.

It may come from strangers, with the folder it lies in: it names what is read, and never what is run or overwritten.
"""

import os
import sys
from importlib import import_module
from typing import Dict, Mapping, Union

from edgekit.errors import MissingDependencyError, UsageError
from edgekit.files import read_bytes

#: Where commands look for their usual options: in the folder that they are called in.
PROJECT_FILE = "edgekit.toml"

#: Commands whose options it may hold, each in a table of the command's name.
COMMANDS = ("convert", "train", "evaluate")

#: The table of gates, for `edgekit verify`.
VERIFY = "verify"

#: What is said on the command line alone: what lets code run, connects somewhere, or writes files.
NEVER = ("trust", "scheduler", "output", "csv", "junit", "report", "save-ranges", "save")

_MOST_BYTES = 1 << 20

#: Tables by name: option or gate → value.
Project = Dict[str, Dict[str, object]]


def read_project(path: Union[str, "os.PathLike[str]"]) -> Project:
    """The tables of a project's file.

    Raises:
      UsageError: it is missing or no TOML, or holds what edgekit does not know.
      MissingDependencyError: this Python is older than 3.11, and tomli is not installed.
    """
    name = os.fspath(path)
    try:
        document: Mapping[str, object] = _toml().loads(read_bytes(name, _MOST_BYTES).decode("utf-8"))  # type: ignore[attr-defined]
    except OSError as error:
        raise UsageError(f"{name} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:  # both of its own errors are kinds of ValueError
        raise UsageError(f"{name} is no TOML: {' '.join(str(error).split())[:200]}.") from error
    known = (*COMMANDS, VERIFY)
    for table, values in document.items():
        if table not in known or not isinstance(values, dict):
            raise UsageError(f"{name} holds {table!r}, which means nothing.", f"Tables: {', '.join(known)}.")
        for key in values:
            if "\0" in str(values[key]):
                raise UsageError(f"{name} holds a character in {table}.{key} that no file and no class has (NUL).")
            if table in COMMANDS and key.replace("_", "-") in NEVER:
                raise UsageError(
                    f"{name} holds {key!r} for {table}, which only the command line may say.",
                    "A file that comes with a folder must not decide what runs or is overwritten.",
                )
    return {table: dict(values) for table, values in document.items() if isinstance(values, dict)}


def _toml() -> object:
    try:
        return import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    except ImportError:
        raise MissingDependencyError("Reading edgekit.toml needs tomli.", "Install it: pip install tomli") from None
