"""Writes docs/cli.md from the commands themselves; `--check` only tells whether it is up to date."""

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from edgekit.cli import main

PAGE = Path(__file__).parents[1] / "docs" / "cli.md"

_HEAD = """# Commands

Written by `python scripts/docs.py` from the commands themselves. `edgekit -h` lists them, `edgekit COMMAND -h` (or
`--help`) tells a command's options, `edgekit -V` (or `--version`) the version.

A shell completes commands, options and the names that options take after

| shell | in | |
|---|---|---|
| bash | `~/.bashrc` | `eval "$(_EDGEKIT_COMPLETE=bash_source edgekit)"` |
| zsh | `~/.zshrc` | `eval "$(_EDGEKIT_COMPLETE=zsh_source edgekit)"` |
| fish | `~/.config/fish/completions/edgekit.fish` | `_EDGEKIT_COMPLETE=fish_source edgekit \| source` |
"""


def render() -> str:
    """The help of every command, as one Markdown page."""
    parts = [_HEAD]
    with click.Context(main, info_name="edgekit", max_content_width=100, terminal_width=100) as parent:
        for name in main.list_commands(parent):
            command = main.get_command(parent, name)
            assert command is not None
            parts += _sections(command, parent, name)
    return "\n".join(parts)


def _sections(command: click.Command, parent: click.Context, name: str) -> Iterator[str]:
    """A command's help, then that of its sub-commands."""
    with click.Context(command, info_name=name, parent=parent, max_content_width=100, terminal_width=100) as context:
        yield f"## {context.command_path}\n\n```\n{command.get_help(context)}\n```\n"
        for sub in command.list_commands(context) if isinstance(command, click.Group) else ():
            found = command.get_command(context, sub)
            assert found is not None
            yield from _sections(found, context, sub)


if __name__ == "__main__":
    if "--check" not in sys.argv:
        PAGE.write_text(render(), encoding="utf-8")
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != render():
        sys.exit("docs/cli.md is out of date: run python scripts/docs.py")
