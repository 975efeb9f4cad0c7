"""Text for a terminal: what would steer it is spelled out, long lines hang together, commands can be pasted."""

import re
import shlex
import shutil
import sys
import textwrap
from typing import Iterable, Match, Optional, Tuple

#: Columns of the titles before facts.
_TITLE = 14

# Control characters but newline and tab, those of Unicode's second set among them, and the marks that reverse text:
# a file's name or a label may hold them, and a terminal would obey.
_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    """The text with every character that steers a terminal written as its escape: `\\x1b[2J` clears no screen."""
    return _STEERING.sub(_escape, text)


def _escape(match: Match[str]) -> str:
    return match.group().encode("unicode_escape").decode("ascii")


def hanging(text: str, *, title: str, width: int) -> str:
    """A title and its text, whose further lines stand below its first one.

    A command (a text that begins with `edgekit `) stays in one line, so that it can be pasted.
    """
    room = width - len(title)
    if room < 20 or text.startswith("edgekit "):
        return title + text
    lines = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False)
    return title + ("\n" + " " * len(title)).join(lines or [""])


def command(*words: object) -> str:
    """A command line that a shell takes as it stands, whatever is in the names."""
    return " ".join(shlex.quote(str(word)) for word in words)


def echo(
    text: str = "", *, title: str = "", colour: Optional[str] = None, bold: bool = False, err: bool = False
) -> None:
    """Prints text for people: the one way to a terminal, which labels, names and metadata may try to steer.

    Args:
      text: of any origin.
      title: printed before it, in a style.
      colour, bold: that style, as `click.style` knows it.
      err: print on stderr.
    """
    import click

    styled = click.style(printable(title), fg=colour, bold=bold) if title else ""
    click.echo(styled + printable(text), err=err)


def echo_facts(facts: Iterable[Tuple[str, str]]) -> None:
    """Prints rows of a title and a text; on a terminal what is too long for a line goes on below its beginning."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize
    for title, text in facts:
        row = hanging(printable(text), title=f"{title:<{_TITLE}}", width=width)
        echo(row[_TITLE:], title=row[:_TITLE], colour="red" if title in ("Not met", "Alarm") else "cyan")
