"""The command itself: help, lazy loading, and errors before any command runs."""

import io
import json
import logging
import re
import subprocess
import sys

import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from edgekit import __version__
from edgekit.cli import COMMANDS, SUMMARIES, LazyGroup, main
from edgekit.cli.common import echo_json, progress_bar
from edgekit.reports.text import percent

HEAVY = ("tensorflow", "keras", "tf_keras", "litert_quantizer", "ai_edge_litert", "torch", "matplotlib")


def run(*arguments):
    return CliRunner().invoke(main, list(arguments))


def loaded_after(statement):
    """The heavy packages that a fresh interpreter has loaded after a statement."""
    code = f"import sys\n{statement}\nprint([name for name in {HEAVY!r} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()[-1]


def test_help_names_every_command():
    for option in ("--help", "-h"):
        result = run(option)
        assert result.exit_code == 0
        assert all(re.search(rf"^  {name} ", result.stdout, re.MULTILINE) for name in COMMANDS)


def test_every_command_has_its_summary_and_its_own_help():
    assert COMMANDS.keys() == SUMMARIES.keys()
    for name in COMMANDS:
        parts = getattr(LazyGroup(name="edgekit").get_command(None, name), "commands", {})
        for arguments in [[name, part] for part in parts] or [[name]]:
            result = run(*arguments, "--help")
            assert (result.exit_code, result.stderr) == (0, "")
            assert all(option in result.stdout for option in ("--json", "--verbose")), arguments


def test_help_of_the_command_says_what_its_summary_says():
    for name, summary in SUMMARIES.items():
        first = LazyGroup(name="edgekit").get_command(None, name).help.splitlines()[0]
        assert first.split()[0] == summary.split()[0]


def test_version():
    assert run("--version").stdout == f"edgekit, version {__version__}\n"


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], *([name, "--help"] for name in sorted(COMMANDS))])
def test_help_loads_nothing_heavy(arguments):
    assert loaded_after(f"from edgekit.cli import main; main({arguments!r}, standalone_mode=False)") == "[]"


def test_importing_edgekit_loads_nothing_heavy():
    assert loaded_after("import edgekit, edgekit.converters, edgekit.calibration, edgekit.evaluation") == "[]"


def test_edgekit_runs_as_a_module():
    result = subprocess.run([sys.executable, "-m", "edgekit", "--version"], capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stdout) == (0, f"edgekit, version {__version__}\n")


def test_an_unknown_command_names_those_there_are():
    result = run("covert", "m.h5")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "There is no command 'covert'." in result.stderr
    assert all(name in result.stderr for name in COMMANDS)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["covert", "--json"], "There is no command 'covert'"),
        (["convert", "--json"], "Missing argument 'MODEL'"),
        (["classify", "m.tflite", "--json"], "Missing argument 'IMAGES...'"),
        (["classify", "m.tflite", "a.jpg", "-k", "0", "--json"], "'-k'"),
        (["inspect", "--json", "a", "b"], "unexpected extra argument"),
        (["zoo", "--jsn", "--json"], "No such option"),
    ],
)
def test_wrong_command_lines_are_json_for_machines(arguments, text):
    result = run(*arguments)
    assert (result.exit_code, result.stderr) == (2, "")
    error = json.loads(result.stdout)
    assert list(error) == ["error", "message", "hint"]
    assert error["error"] == "UsageError"
    assert text in error["message"]


def test_wrong_command_lines_are_text_for_people():
    result = run("convert")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Missing argument 'MODEL'" in result.stderr


def test_a_reader_that_goes_away_ends_it_quietly():
    code = "from edgekit.cli import main; main(['zoo', '--json'])"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 141  # not 1, which says that a demand is not met


def test_json_has_no_nan(capsys):
    echo_json({"a": [float("nan"), 1.5], "b": (float("inf"), {"c": -float("inf")}), "d": "grün"})
    out = capsys.readouterr().out
    assert "grün" in out
    assert json.loads(out, parse_constant=pytest.fail) == {"a": [None, 1.5], "b": [None, {"c": None}], "d": "grün"}


def test_percent():
    assert [percent(value) for value in (0, 0.98349, 1)] == ["0.0 %", "98.3 %", "100.0 %"]


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("stream", [Terminal, io.StringIO])
@pytest.mark.parametrize(("as_json", "verbose"), [(False, False), (False, True), (True, False), (True, True)])
def test_remarks_of_the_library_stand_above_the_bar(stream, as_json, verbose):
    screen, logger = stream(), logging.getLogger("edgekit.converters")
    with progress_bar(screen, as_json=as_json, verbose=verbose) as progress:
        progress("Working", 1, 2)
        logger.info("Nine [units] of it.")
        logger.debug("a detail")
    logger.warning("later")
    shown = screen.getvalue()
    assert ("Nine [units] of it." in re.sub("\x1b\\[[0-9;]*m", "", shown)) is not as_json
    assert "a detail" not in shown and "later" not in shown
    assert ("Working" in shown) is ((verbose or stream is Terminal) and not as_json)


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        (["comp"], {"compare", "compile"}),
        (["convert", "m.h5", "--io", ""], {"auto", "uint8", "int8", "float"}),
        (["convert", "m.h5", "--ranges", "perc"], {"percentile"}),
        (["convert", "m.h5", "--corrections", "split-swish,ro"], {"split-swish,rounding"}),
        (["convert", "m.h5", "--interpolation", "b"], {"bilinear", "bicubic"}),
        (["classify", "m.tflite", "--device", "usb"], {"usb", "usb:0", "usb:1"}),
        (["doctor", "--device", "em"], {"emulated"}),
        (["serve", "m.tflite", "--preprocess", "i"], {"imagenet"}),
    ],
)
def test_a_shell_completes_commands_and_the_names_that_options_take(words, completed):
    complete = ShellComplete(main, {}, "edgekit", "_EDGEKIT_COMPLETE")
    assert {item.value for item in complete.get_completions(words[:-1], words[-1])} == completed


def test_the_version_by_its_short_option():
    assert run("-V").stdout == run("--version").stdout
