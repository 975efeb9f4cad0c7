"""Run in a process of its own, since descriptors belong to the whole process."""

import os
import subprocess
import sys

import pytest

from tests.support.tiny_keras import classifier, save

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


def test_everything_is_heard_after_something_unexpected():
    result = run(fails="raise ZeroDivisionError")
    assert all(noise in result.stderr for noise in NOISE)
    assert result.stdout == "before\n"


@pytest.mark.parametrize(
    "error", ["DataError('x') from ValueError()", "ConversionError('x') from ValueError()", "KeyboardInterrupt"]
)
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


OPENING = """
import os, sys
from edgekit.devices.interpreter import open_interpreter
from edgekit.pycoral.interpreter import Interpreter
from tests.support.build import colour_classifier
{first}
os.write(2, b"from C++\\n")
open_interpreter(colour_classifier("float32"))
print("to the user", file=sys.stderr)
"""


@pytest.mark.parametrize(
    "first",
    [
        'open_interpreter(colour_classifier("uint8"))',
        'Interpreter(model_content=colour_classifier("uint8")).allocate_tensors()',
    ],
)
def test_the_interpreter_says_nothing_of_itself_from_python_or_from_pycorals_programs(first):
    done = subprocess.run(
        [sys.executable, "-c", OPENING.format(first=first)], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "from C++\nto the user\n")


def test_what_else_is_said_while_a_model_is_opened_reaches_the_user():
    code = """
import os
from edgekit.quiet import interpreter_quiet
for _ in range(2):
    with interpreter_quiet():
        os.write(2, b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\\nWARNING: mine\\n")
try:
    with interpreter_quiet():
        raise ValueError
except ValueError:
    os.write(2, b"after\\n")
os.close(2)
with interpreter_quiet():
    print("open")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    said = done.stderr.splitlines()
    # The interpreter says its line once in a process: a second one would be somebody else's.
    assert said == [
        "WARNING: mine",
        "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.",
        "WARNING: mine",
        "after",
    ]
    assert done.stdout == "open\n"


USING = """
import os, sys
import edgekit
{use}
print("to the user", file=sys.stderr)
"""
THROUGH_TENSORFLOW = """
from edgekit.converters.sources.keras.loader import load_keras
from edgekit.converters.export.through_tensorflow import export_float
from edgekit.converters.sources.sniff import KERAS_ZIP
from pathlib import Path
source = load_keras(Path({path!r}), KERAS_ZIP, trust=False, size=None)
export_float(source, source.spec)
"""
DIRECT = "edgekit.load_source({path!r})"


@pytest.mark.parametrize("use", [DIRECT, THROUGH_TENSORFLOW], ids=["direct", "through TensorFlow"])
def test_programs_hear_as_little_as_users_of_the_command(use, tmp_path):
    keras = pytest.importorskip("keras")
    path = save(classifier(keras), tmp_path / "m.keras")
    code = USING.format(use=use.format(path=str(path)))
    heard = {key: value for key, value in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, env=heard)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "to the user\n")
