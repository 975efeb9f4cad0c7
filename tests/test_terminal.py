"""Text for a terminal: nothing in it may steer the terminal, long rows hang together, commands can be pasted."""

import ast
import shlex
from pathlib import Path

import click
import pytest

from edgekit import terminal
from edgekit.terminal import command, echo, echo_facts, echo_lines, hanging, printable

PACKAGE = Path(terminal.__file__).parent
#: Modules that write for the machine at the other end of a pipe, for a page of the docs, or for nobody's terminal.
NOT_FOR_TERMINALS = ("devices/trial.py", "devices/first_run.py", "devices/doctor/page.py", "pycoral/learn/")
NOT_FOR_TERMINALS += ("edgetpu/placement/supported_ops.py", "edgetpu/outside.py", "targets/phones.py")


@pytest.mark.parametrize(
    "steering", ["\x1b[2J", "\x1b]0;title\x07", "\x9b31m", "a\rb", "\x08", "\x7f", "\u202eabc", "\u2066", "\u2028"]
)
def test_what_would_steer_a_terminal_is_spelled_out(steering):
    shown = printable(f"before {steering} after")
    assert shown.isprintable()
    assert shown.encode("ascii").decode("unicode_escape") == f"before {steering} after"


def test_ordinary_text_of_any_language_stays():
    text = "Löwenzahn, 蒲公英, نرگس, 🌷\n\ttab"
    assert printable(text) == text


def test_titles_and_texts_are_cleaned_and_only_the_title_is_styled(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    echo("label \x1b[2J", title="\x1b]0;x", colour="cyan")
    echo_facts([("Labels", "\x1b[31mred")])
    out = capsys.readouterr().out
    assert "\\x1b[2J" in out and "\\x1b]0;x" in out and "\\x1b[31mred" in out
    assert "\x1b[2J" not in out and "\x1b]" not in out and "\x1b[31m" not in out


def test_a_long_row_goes_on_below_its_beginning_and_a_command_stays_whole():
    text = "names the same class as the float model on 98.8 % of 500 images"
    lines = hanging(text, title="Verdict       ", width=50).splitlines()
    assert len(lines) == 2 and all(len(line) <= 50 for line in lines)
    assert lines[1].startswith(" " * 14 + "98") or lines[1].startswith(" " * 14)
    assert " ".join(line[14:] for line in lines) == text
    long_command = "edgekit classify " + "a/very/long/name" * 5 + " IMAGE"
    assert hanging(long_command, title="Next          ", width=50) == "Next          " + long_command
    assert hanging(text, title="Verdict       ", width=20) == "Verdict       " + text  # no room to hang in


def test_rows_are_wrapped_on_a_terminal_and_whole_in_a_pipe(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    row = ("Verdict", "word " * 20 + "end")
    echo_facts([row])
    assert len(capsys.readouterr().out.splitlines()) == 1
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    echo_facts([row])
    assert len(capsys.readouterr().out.splitlines()) > 3


def test_prose_is_three_lines_on_a_terminal_unless_asked_for(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    prose = "Each sentence of it says one thing. " * 20
    echo_facts([("Note", prose), ("Verdict", prose)])
    note, verdict = click.unstyle(capsys.readouterr().out).rstrip().split("\nVerdict")
    assert len(note.splitlines()) == 3 and note.rstrip().endswith("… (-v shows all)")
    assert len(verdict.splitlines()) > 3
    echo_facts([("Note", prose)], verbose=True)
    assert " ".join(click.unstyle(capsys.readouterr().out).split()).endswith(prose.strip())


def test_paragraphs_of_a_report_hang_and_rows_of_a_table_do_not(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    row = "  conv2d    12 ms    " + "a_long_name/" * 5
    echo_lines([row, "    Remedy: " + "calibrate on more images " * 3])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == row
    assert lines[1].startswith("    Remedy") and all(line.startswith("      ") for line in lines[2:])
    assert len(lines) > 3 and all(len(line) <= 40 for line in lines[1:])


def test_a_command_can_be_pasted_whatever_the_name():
    assert shlex.split(command("edgekit", "convert", Path("my model's.h5"), "--int8")) == [
        *("edgekit", "convert", "my model's.h5", "--int8")
    ]


def calls(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), ast.unparse(node)


def test_nothing_prints_past_the_one_place_that_cleans():
    past = []
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if name == "terminal.py" or name.startswith(NOT_FOR_TERMINALS):
            continue
        for function, call in calls(path):
            writes = function in ("print", "click.echo", "click.secho", "sys.stdout.write", "sys.stderr.write")
            if writes and "printable(" not in call and "json.dumps(" not in call and "json_text(" not in call:
                past.append(f"{name}: {call}")
    assert past == []
