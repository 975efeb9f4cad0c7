"""Run in a process of its own, since descriptors belong to the whole process."""

import subprocess
import sys

import pytest

BODY = """
import os, sys
from edgekit.errors import ConversionError, DataError
from edgekit.quiet import tensorflow_quiet
print("before")
with tensorflow_quiet({verbose}) as user:
    os.write(2, b"noise from C++\\n")
    os.write(1, b"more noise\\n")
    print("noise from Python", file=sys.stderr)
    print("to the user", file=user)
    {fails}
print("after")
"""
NOISE = ("noise from C++", "more noise", "noise from Python")


def run(verbose=False, fails="pass"):
    code = BODY.format(verbose=verbose, fails=fails)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)


def test_nothing_but_the_program_itself_is_heard():
    result = run()
    assert (result.returncode, result.stdout, result.stderr) == (0, "before\nafter\n", "to the user\n")


def test_everything_is_heard_with_verbose():
    result = run(verbose=True)
    assert all(noise in result.stdout + result.stderr for noise in NOISE)


@pytest.mark.parametrize("error", ["ConversionError('x') from ValueError()", "ZeroDivisionError"])
def test_everything_is_heard_after_a_tool_failed(error):
    result = run(fails=f"raise {error}")
    assert all(noise in result.stderr for noise in NOISE)
    assert result.stdout == "before\n"


@pytest.mark.parametrize("error", ["DataError('x') from ValueError()", "ConversionError('x')", "KeyboardInterrupt"])
def test_a_refusal_and_an_interruption_explain_themselves(error):
    result = run(fails=f"raise {error}")
    assert not any(noise in result.stderr for noise in NOISE)
    assert error.split("(")[0] in result.stderr  # the uncaught exception, on the restored descriptor


def test_descriptors_do_not_leak():
    code = """
import os
from edgekit.quiet import tensorflow_quiet
count = len(os.listdir("/dev/fd"))
for _ in range(3):
    with tensorflow_quiet():
        pass
assert len(os.listdir("/dev/fd")) == count
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60).returncode == 0
