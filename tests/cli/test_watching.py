"""A command whose process dies is told by the one that watches it; signals and exit codes go through."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.build import colour_classifier, colour_model
from tests.support.float_nets import save_images

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="commands are watched on Linux")

# `edgekit devices`, its work replaced by a line of Python.
_PROGRAM = """
import os, resource, signal, sys, time
import edgekit.cli.devices
def fail(*args, **kwargs):
    {}
edgekit.cli.devices.attached = fail
sys.argv = ["edgekit", "devices", *sys.argv[1:]]
edgekit.cli.main(prog_name="edgekit")
"""


def command(line, *options):
    return [sys.executable, "-c", _PROGRAM.format(line), *options]


def run(line, *options, **kwargs):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command(line, *options), capture_output=True, text=True, env=environment, timeout=60, **kwargs
    )


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL])
def test_a_command_that_a_library_ends_leaves_a_line_and_the_code_of_the_unexpected(number):
    done = run(f"os.kill(os.getpid(), {int(number)})")
    assert (done.returncode, done.stdout) == (70, "")
    assert done.stderr.splitlines()[0] == f"Error: A library underneath ended the process ({number.name})."
    assert len(done.stderr.splitlines()) == 2


def test_an_end_by_exit_code_1_is_no_demand_that_was_not_met():
    done = run("os._exit(1)")  # as OpenBLAS does
    assert done.returncode == 70 and "exit code 1" in done.stderr


def test_what_the_system_kills_for_want_of_memory_is_told_so():
    done = run("os.kill(os.getpid(), signal.SIGKILL)")
    assert done.returncode == 2 and "There is not enough memory" in done.stderr and "SIGKILL" in done.stderr


def test_a_death_under_a_limit_of_memory_is_told_with_the_limit():
    limit = "import resource; resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))"
    program = [sys.executable, "-c", f"{limit}\n{_PROGRAM.format('os.abort()')}"]
    done = subprocess.run(program, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 2
    assert "There is not enough memory" in done.stderr and "2.1 GB of address space are allowed" in done.stderr


def test_a_death_is_json_for_machines():
    done = run("os.abort()", "--json")
    assert json.loads(done.stdout)["error"] == "UnexpectedError"


def test_where_nothing_can_be_said_any_more_the_watching_process_says_it():
    done = run("raise SystemError() from type('E', (BaseException,), {'__str__': lambda self: 1 / 0})()")
    assert done.returncode != 1 and "Traceback" not in done.stderr and done.stderr.startswith("Error: ")


@pytest.mark.parametrize("code", [0, 1, 2, 3, 70])
def test_exit_codes_pass(code):
    done = run(f"sys.exit({code})")
    assert (done.returncode, done.stderr) == (code, "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_sent_to_the_command_reaches_its_work_and_ends_both(number):
    process = subprocess.Popen(
        command("print('ready', flush=True); time.sleep(60)"),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    _, said = process.communicate(timeout=30)
    if number == signal.SIGINT:
        assert (process.returncode, said) == (130, "Interrupted; nothing was written.\n")
    else:
        assert (process.returncode, said) == (-number, "")


def test_an_interruption_that_nobody_sent_is_none():
    """OpenBLAS raises SIGINT in its own process where it can start no thread."""
    done = run("signal.raise_signal(signal.SIGINT)")
    assert done.returncode == 70 and "Interrupted" not in done.stderr


def test_who_kills_the_command_kills_its_work():
    with subprocess.Popen(
        command("print(os.getpid(), flush=True); time.sleep(60)"),
        stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:  # fmt: skip
        child = int(process.stdout.readline())
        assert child != process.pid
        process.kill()
    for _ in range(100):
        if not _lives(child):
            return
        time.sleep(0.1)
    raise AssertionError("the work goes on")


def _lives(number):
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


_BLAME = re.compile("Traceback|damaged|cut short|complete|is not installed|ends the process that|nexpected|Interrupted")


@pytest.mark.parametrize("megabytes", [40, 75, 135, 160, 190, 205, 400])
@pytest.mark.parametrize(
    "line", ["classify m.tflite images/red/00.png", "convert float.tflite --preprocess raw --data images --no-verify"]
)
def test_under_a_limit_of_memory_a_command_works_or_says_that_memory_is_short(line, megabytes, tmp_path):
    (tmp_path / "m.tflite").write_bytes(colour_model())
    (tmp_path / "float.tflite").write_bytes(colour_classifier("float32"))
    save_images(tmp_path / "images", each=1)
    done = subprocess.run(
        ["sh", "-c", f'ulimit -v {megabytes}000; exec "$@"', "sh", sys.executable, "-m", "edgekit", *line.split()],
        capture_output=True, text=True, cwd=tmp_path, timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(tmp_path / "cache")},
    )  # fmt: skip
    assert not _BLAME.search(done.stderr), done.stderr
    assert done.returncode == 0 or (done.returncode == 2 and "not enough memory" in done.stderr), done.stderr
