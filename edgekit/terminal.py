"""Text for a terminal: what would steer it is spelled out, long lines hang together, commands can be pasted."""

import re
import shlex
import shutil
import sys
import textwrap
from typing import Iterable, Match, Optional, TextIO, Tuple

#: Columns of the titles before facts.
_TITLE = 14

#: Facts that are bad news.
_BAD = ("Not met", "Alarm", "Low agreement")

#: Facts that are prose, and how much of it is shown unless asked for.
_PROSE, PROSE_LINES = ("Expect", "Note"), 3

# Control characters but newline and tab, those of Unicode's second set among them, and the marks that reverse text:
# a file's name or a label may hold them, and a terminal would obey.
_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    """The text with every character that steers a terminal written as its escape: `\\x1b[2J` clears no screen."""
    return _STEERING.sub(_escape, text)


def _escape(match: Match[str]) -> str:
    return match.group().encode("unicode_escape").decode("ascii")


def hanging(text: str, *, title: str, width: int, indent: Optional[int] = None, most: Optional[int] = None) -> str:
    """A title and its text, whose further lines stand below its first one.

    A command (a text that begins with `edgekit `) stays in one line, so that it can be pasted.

    Args:
      text: one paragraph.
      title: what stands before it, spaces included.
      width: columns of the terminal.
      indent: spaces before further lines; None: as wide as the title.
      most: lines that are shown; of more, the last one says how to see all.
    """
    before = " " * (len(title) if indent is None else indent)
    if width - len(before) < 20 or text.startswith("edgekit "):
        return title + text
    lines = textwrap.wrap(
        title + text,
        width,
        subsequent_indent=before,
        break_long_words=False,
        break_on_hyphens=False,
        max_lines=most,
        placeholder=" … (-v shows all)",
    )
    return "\n".join(lines) if lines else title


def wrapped(line: str, *, width: int, most: Optional[int] = None) -> str:
    """A line as a paragraph whose further lines are indented a little more. A table's row stays as it is."""
    text = line.lstrip(" ")
    begin = len(line) - len(text)
    if "  " in text:  # columns
        return line
    return hanging(text, title=" " * begin, width=width, indent=begin + 2, most=most)


def terminal_width(stream: Optional[TextIO]) -> int:
    """Columns of a terminal; without end for what is none, so that a pipe gets each line whole."""
    return shutil.get_terminal_size().columns if stream is not None and stream.isatty() else sys.maxsize


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


def echo_facts(facts: Iterable[Tuple[str, str]], *, verbose: bool = False) -> None:
    """Prints rows of a title and a text; on a terminal what is too long for a line goes on below its beginning.

    Of prose there three lines are shown, all of it where `verbose`.
    """
    width = terminal_width(sys.stdout)
    for title, text in facts:
        most = PROSE_LINES if title in _PROSE and not verbose else None
        row = hanging(printable(text), title=f"{title:<{_TITLE}}", width=width, most=most)
        echo(row[_TITLE:], title=row[:_TITLE], colour="red" if title in _BAD else "cyan")


def echo_lines(lines: Iterable[str]) -> None:
    """Prints lines of a report; on a terminal the long ones are wrapped, tables' rows excepted."""
    width = terminal_width(sys.stdout)
    for paragraph in lines:
        for line in paragraph.split("\n"):
            echo(wrapped(printable(line), width=width))
