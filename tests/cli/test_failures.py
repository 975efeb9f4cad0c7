"""Failures that are not edgekit's own errors: each has words and an exit code, and none is a traceback."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import click
import pytest
from click.testing import CliRunner

from edgekit.cli import main
from edgekit.devices.interpreter import open_interpreter
from edgekit.errors import ModelFormatError, OutOfMemoryError
from tests.support.build import colour_model

ROOT = Path(__file__).resolve().parents[2]


def shell(line, **environment):
    done = subprocess.run(
        ["sh", "-c", f'set -- "{sys.executable}" -m edgekit; {line}'],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        env={**os.environ, **environment},
    )
    assert "Traceback" not in done.stderr + done.stdout and "Exception ignored" not in done.stderr
    return done


@pytest.fixture
def failing(monkeypatch):
    """A function that makes `edgekit devices` fail with an exception, and returns the result."""

    def run(error, *options):
        def fail(*args, **kwargs):
            raise error

        monkeypatch.setattr("edgekit.cli.devices.attached", fail)
        return CliRunner().invoke(main, ["devices", *options])

    return run


def test_an_unexpected_error_is_one_line_with_a_code_of_its_own_and_a_file_with_the_traceback(
    failing, tmp_path, monkeypatch
):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    result = failing(KeyError("no such thing\nsecond line"))
    (kept,) = tmp_path.glob("edgekit-error-*.txt")
    assert result.exit_code == 70
    first, second = result.stderr.splitlines()
    assert first.startswith("Error: Something unexpected went wrong: KeyError: ")
    assert str(kept) in second
    assert "Traceback (most recent call last)" in kept.read_text() and "in fail" in kept.read_text()


def test_an_unexpected_error_is_json_for_machines(failing, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    result = failing(ValueError("odd"), "--json")
    assert result.exit_code == 70
    assert json.loads(result.stdout)["error"] == "UnexpectedError"


def test_an_unexpected_error_is_told_although_its_traceback_cannot_be_kept(failing, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", "/nonexistent")
    result = failing(ValueError("odd"))
    assert (result.exit_code, result.stderr) == (70, "Error: Something unexpected went wrong: ValueError: odd\n")


def _caused(error, cause):
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("can't start new thread"),
        ImportError("libx.so: failed to map segment from shared object", name="numpy"),
        OSError("libLiteRt.so: cannot allocate memory in static TLS block"),
        OSError(12, "Cannot allocate memory"),
        RuntimeError("std::bad_alloc"),
        SystemError("<function _find_and_load> returned NULL without setting an exception"),
        _caused(ImportError("\n\nIMPORTANT: PLEASE READ THIS"), ImportError("x.so: failed to map segment")),
    ],
)
def test_too_little_memory_has_words(failing, error):
    result = failing(error)
    assert (result.exit_code, result.stderr.splitlines()[0]) == (2, "Error: There is not enough memory for this.")


def test_under_a_limit_a_file_that_did_not_fit_is_not_called_damaged(failing, monkeypatch):
    error = _caused(ModelFormatError("m.keras fails on an image: std::bad_alloc"), RuntimeError("std::bad_alloc"))
    assert "fails on an image" in failing(error).stderr
    monkeypatch.setattr("edgekit.memory.limit", lambda: 2 << 30)
    assert failing(error).stderr.startswith("Error: There is not enough memory for this. Here 2.1 GB")


def test_an_interpreter_that_does_not_find_room_is_not_a_damaged_file(monkeypatch):
    def refuse(*args, **kwargs):
        raise RuntimeError("")

    monkeypatch.setattr("edgekit.devices.interpreter.interpreter_package", lambda: SimpleNamespace(Interpreter=refuse))
    with pytest.raises(OutOfMemoryError):
        open_interpreter(colour_model())


def test_a_package_that_does_not_load_is_not_called_missing(failing):
    result = failing(ImportError("libx.so: undefined symbol: y", name="numpy"))
    assert result.exit_code == 2
    assert "numpy cannot be loaded: libx.so: undefined symbol: y" in result.stderr


def test_an_interruption_is_130(monkeypatch, capsys):
    def interrupt():
        raise KeyboardInterrupt

    monkeypatch.setattr("edgekit.cli.devices.attached", interrupt)
    with pytest.raises(SystemExit) as ended:
        main(["devices"])
    assert (ended.value.code, capsys.readouterr().err) == (130, "Interrupted; nothing was written.\n")


def test_edgekits_own_errors_keep_their_code(failing):
    result = failing(ModelFormatError("It is damaged.", "Copy it again."))
    assert (result.exit_code, result.stderr) == (2, "Error: It is damaged.\nCopy it again.\n")


@pytest.mark.parametrize(
    "line", ["--help", "--version", "zoo", "zoo --json", "zoo --help", "inspect m.tflite", "metadata none"]
)
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs Linux")
def test_an_answer_that_cannot_be_printed_is_told(line):
    done = shell(f'"$@" {line} >/dev/full')
    assert done.returncode == 2
    if line not in ("inspect m.tflite", "metadata none"):
        assert done.stderr == "Error: The answer could not be printed: No space left on device.\n"


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-", "2>/dev/full"])
def test_closed_streams_change_neither_the_work_nor_its_exit_code(closed, tmp_path):
    (tmp_path / "m.tflite").write_bytes(colour_model())
    assert shell(f'"$@" inspect {tmp_path}/m.tflite {closed}').returncode == 0
    assert shell(f'"$@" inspect {tmp_path}/none.tflite {closed}').returncode == 2
    assert shell(f'"$@" --help {closed}').returncode == 0


@pytest.mark.parametrize("options", ["", "--json"])
@pytest.mark.parametrize("closed", [">/dev/full 2>/dev/full", ">&- 2>&-"])
@pytest.mark.parametrize("line", ["metadata none", "inspect", "inspect none.tflite", "--none", "none"])
def test_an_error_that_cannot_be_printed_keeps_its_exit_code(line, closed, options):
    assert shell(f'"$@" {line} {options} {closed}').returncode == 2


def test_escapes_in_names_and_labels_reach_no_terminal(tmp_path):
    evil = "\x1b]0;owned\x07\x9b2J"
    (tmp_path / f"{evil}.tflite").write_bytes(colour_model(labels=(evil, "green", "blue")))
    for arguments in (
        ["inspect", f"{evil}.tflite"],
        ["classify", f"{evil}.tflite", f"{evil}.png"],
        ["inspect", f"none{evil}"],
        ["classify", f"{evil}.tflite", str(ROOT / "docs" / "images"), "--device", evil],
        [f"no{evil}"],
        ["inspect", f"--{evil}"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "edgekit", *arguments],
            capture_output=True, cwd=tmp_path, timeout=60, env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        shown = (done.stdout + done.stderr).decode()
        assert not set(shown) & {"\x1b", "\x07", "\x9b"}, arguments


def test_clicks_own_errors_are_still_clicks(failing):
    result = failing(click.UsageError("wrong"))
    assert result.exit_code == 2 and "wrong" in result.stderr
