"""What is made of a child process that tried the library: its words, and how it ended."""

import json
import subprocess
import sys

import pytest

from edgekit.devices import trial as trial_module
from edgekit.devices.trial import Trial, check_library
from edgekit.errors import DeviceError


def said(*facts):
    """What the child writes, with the library's own words around it."""
    return "".join(f"noise\n{trial_module._MARK}{json.dumps(each)}\nnoise\n" for each in facts).encode()


@pytest.mark.parametrize(("code", "told"), [(0, ""), (1, "exit code 1"), (-1, "signal 1"), (-11, "signal 11")])
def test_how_a_process_ended_is_told_as_posix_counts(code, told):
    assert trial_module._ending(code) == told


@pytest.mark.parametrize(
    ("output", "ending", "expected"),
    [
        (b"", "", Trial("nothing")),
        (b"noise", "signal 6", Trial("nothing", "signal 6", crashed=True)),
        (
            said({"stage": "library", "version": "BuildLabel(COMPILER=6.3.0,DATE=redacted), RuntimeVersion(14)"}),
            "signal 11",
            Trial("library", "signal 11", crashed=True, runtime=14),
        ),
        (
            said({"stage": "library", "version": ""}, {"stage": "device"}, {"error": "no such op"}),
            "",
            Trial("device", "no such op"),
        ),
        (said({"error": "no such op"}), "exit code 1", Trial("nothing", "no such op", crashed=True)),
    ],
)
def test_the_last_stage_reached_counts_and_the_librarys_words_before_its_end(output, ending, expected):
    assert trial_module._verdict(output, ending) == expected


@pytest.mark.parametrize(
    ("stage", "told"),
    [("nothing", "at loading it"), ("library", "at opening a device"), ("device", "at running a model")],
)
def test_a_crash_is_told_by_what_was_being_done(monkeypatch, stage, told):
    monkeypatch.setattr(trial_module, "check_file", lambda: None)
    monkeypatch.setattr(trial_module, "try_library", lambda *_: Trial(stage, "signal 11", crashed=True))
    with pytest.raises(DeviceError, match=rf"crashes {told} \(signal 11\)"):
        check_library("", None)
    monkeypatch.setattr(trial_module, "try_library", lambda *_: Trial(stage, "no device"))
    check_library("", None)  # an error that the library tells itself comes when it is opened


@pytest.mark.parametrize(
    ("words", "told"), [("first\nlast", "last"), ("x" * 301, "x" * 300), ("", "OSError"), ("  odd \n", "odd")]
)
def test_of_the_loaders_words_the_last_line_is_told(monkeypatch, capsys, words, told):
    def fail(_library):
        raise OSError(words)

    monkeypatch.setattr(sys, "argv", ["trial", "lib.so", "", ""])
    monkeypatch.setattr(trial_module.ctypes, "CDLL", fail)
    trial_module.main()
    assert trial_module._verdict(capsys.readouterr().out.encode(), "") == Trial("nothing", told)


@pytest.mark.parametrize(("output", "stage"), [(None, "nothing"), (said({"stage": "device"}), "device")])
def test_of_a_process_that_hangs_the_last_stage_is_known(monkeypatch, output, stage):
    def hang(command, timeout, **_options):
        raise subprocess.TimeoutExpired(command, timeout, output)

    monkeypatch.setattr(trial_module.subprocess, "run", hang)
    found = trial_module._trial.__wrapped__("lib.so", "", None)
    assert (found.stage, found.crashed) == (stage, True) and found.error.startswith("no answer within")
