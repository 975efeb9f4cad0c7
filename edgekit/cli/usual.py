"""The usual options of a project: those in `edgekit.toml`, which hold where the command line says nothing."""

import os
from typing import Dict, Iterator

import click
from click.core import ParameterSource

from edgekit.errors import UsageError
from edgekit.project import COMMANDS, PROJECT_FILE, read_project


def usual_options(name: str, command: click.Command) -> Dict[str, object]:
    """Parameter → value, from the project's file in this folder; {} where there is none.

    Raises:
      UsageError: the file is no TOML, or names an option that the command does not have.
    """
    if name not in COMMANDS or not os.path.exists(PROJECT_FILE):
        return {}
    known = {option[2:]: each for each in command.params for option in each.opts if option.startswith("--")}
    values: Dict[str, object] = {}
    for key, value in read_project(PROJECT_FILE).get(name, {}).items():
        parameter = known.get(key.replace("_", "-"))
        if parameter is None or parameter.name is None:
            raise UsageError(
                f"{PROJECT_FILE} holds {key!r} for {name}, which is no option of it.", f"See: edgekit {name} -h"
            )
        if isinstance(value, bool) != bool(getattr(parameter, "is_flag", False)) or isinstance(value, (list, dict)):
            raise UsageError(f"{PROJECT_FILE} holds {value!r} for --{key} of {name}, which is no value for it.")
        values[parameter.name] = value
    return values


def origins(context: click.Context) -> Iterator[str]:
    """A line for each place that options came from, but for the defaults."""
    for source, title in ((ParameterSource.DEFAULT_MAP, PROJECT_FILE), (ParameterSource.COMMANDLINE, "command line")):
        given = [
            max(each.opts, key=len) + ("" if each.is_flag else f" {context.params.get(each.name or '')}")
            for each in context.command.params
            if isinstance(each, click.Option) and each.name and context.get_parameter_source(each.name) == source
        ]
        if given:
            yield f"From {title}: {', '.join(given)}"
