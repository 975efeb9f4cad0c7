"""Writes docs/cli.md from the commands themselves; `--check` only tells whether it is up to date."""

import sys
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
            with click.Context(
                command, info_name=name, parent=parent, max_content_width=100, terminal_width=100
            ) as context:
                parts.append(f"## edgekit {name}\n\n```\n{command.get_help(context)}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    if "--check" not in sys.argv:
        PAGE.write_text(render(), encoding="utf-8")
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != render():
        sys.exit("docs/cli.md is out of date: run python scripts/docs.py")
