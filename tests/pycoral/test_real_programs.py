"""Programs of the kinds that users write, unchanged, each in a process of its own."""

import shutil
import subprocess
import sys

import pytest

from tests.pycoral.test_programs import PROGRAMS, plainly, run, said_by_edgekit
from tests.support.pairs import write_pair, write_segments

DEVICES = pytest.mark.parametrize("device", ["", "emulated"])


def answer(program, *arguments, device="", **options):
    done = run(PROGRAMS / program, *arguments, EDGEKIT_DEVICE=device, **options)
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stderr.splitlines() if not line.startswith("edgekit: ")] == []
    return done.stdout.splitlines()


@DEVICES
def test_a_script_that_asks_which_runtime_is_installed(tmp_path, device):
    compiled = answer("pi_detect.py", write_pair(tmp_path), device=device)
    assert compiled == answer("pi_detect.py", tmp_path / "net.tflite") and compiled[0].startswith("False [")


def test_the_modules_are_whole():
    assert answer("whole_modules.py") == ["whole"]


@DEVICES
def test_the_interpreter_is_a_class(tmp_path, device):
    assert answer("wrapper.py", write_pair(tmp_path), device=device) == ["2 Timed True", "no such option"]


@DEVICES
def test_a_program_for_todays_runtime(tmp_path, device):
    path = write_pair(tmp_path)
    assert answer("today.py", path, device=device) == answer("runtime.py", path) != []


@DEVICES
def test_a_program_for_tensorflows_interpreter(tmp_path, device):
    pytest.importorskip("tensorflow")
    done = run(PROGRAMS / "tensorflow_lite.py", write_pair(tmp_path), EDGEKIT_DEVICE=device)
    assert done.stdout.splitlines() == answer("runtime.py", tmp_path / "net.tflite"), done.stderr
    assert len(said_by_edgekit(done)) == 1


@DEVICES
def test_pycorals_functions_run_while_views_are_held(tmp_path, device):
    numbers, refused = answer("held_views.py", write_pair(tmp_path), device=device)
    assert numbers.startswith("[[") and numbers != "[[0, 0, 0]]" and refused == "True"


@DEVICES
def test_a_model_that_is_not_allocated_does_not_run(tmp_path, device):
    said = answer("unallocated.py", write_pair(tmp_path), device=device)
    assert said == 4 * ["Invoke called on model that is not ready."]


def test_emulated_edge_tpus_are_listed_and_opened_by_name(tmp_path):
    refused = 3 * ["Failed to load delegate"]
    assert answer("devices.py", write_pair(tmp_path), device="emulated") == ["4 True", "True True", *refused]


def test_a_wrong_device_variable_is_told_wherever_devices_are_asked_for(tmp_path):
    done = run(PROGRAMS / "devices.py", write_pair(tmp_path), EDGEKIT_DEVICE="emulatd")
    assert done.stderr.splitlines()[-1].startswith("ValueError: EDGEKIT_DEVICE: There is no device 'emulatd'")


@DEVICES
def test_a_program_may_end_while_its_pipeline_is_at_work(tmp_path, device):
    paths = write_segments(tmp_path)
    write_pair(tmp_path)
    for _ in range(3):
        assert answer("abandoned_pipeline.py", *paths, device=device) == ["['soft']"]


@DEVICES
def test_interpreters_in_threads(tmp_path, device):
    (said,) = answer("threads.py", write_pair(tmp_path), device=device)
    assert said.startswith("True [")


@pytest.mark.parametrize("launched_in", ["its folder", "elsewhere"])
def test_modules_beside_a_program_are_the_programs_not_the_librarys(tmp_path, launched_in):
    folder = tmp_path / "program"
    folder.mkdir()
    shutil.copy(str(PROGRAMS / "own_modules.py"), str(folder))
    for name in ("tflite", "flatbuffers", "click", "numpy", "PIL", "ai_edge_litert", "edgekit", "queue", "tempfile"):
        (folder / f"{name}.py").write_text(f"MINE = 'my {name}'\n")
    (folder / "edgekit.py").unlink()
    cwd = folder if launched_in == "its folder" else tmp_path
    done = run(folder / "own_modules.py", write_pair(tmp_path), cwd=cwd)
    assert done.stdout.splitlines() == ["my tflite my flatbuffers my click", "(1, 1)"], done.stderr


def test_a_package_beside_a_program_is_the_programs_too(tmp_path):
    (tmp_path / "tflite").mkdir()
    (tmp_path / "tflite/__init__.py").write_text("MINE = 'my package'\n")
    code = "import tflite; from pycoral.utils.edgetpu import make_interpreter as make; make('net_edgetpu.tflite')"
    write_pair(tmp_path)
    done = run("-c", f"{code}; print(tflite.MINE)", cwd=tmp_path)
    assert done.stdout == "my package\n", done.stderr


# A delegate that takes nothing, in C, as a plugin of the runtime.
PLUGIN = """
#include <stdint.h>
#include <stdlib.h>
struct delegate { void* data; int (*prepare)(void*, void*); void* functions[3]; int64_t flags; void* opaque; };
static int prepare(void* context, void* delegate) { return 0; }
void* tflite_plugin_create_delegate(char** keys, char** values, size_t count, void (*report)(const char*)) {
  struct delegate* made = calloc(1, sizeof(struct delegate));
  made->prepare = prepare;
  return made;
}
void tflite_plugin_destroy_delegate(void* delegate) { free(delegate); }
"""


@DEVICES
def test_other_delegates_are_kept(tmp_path, device):
    compiler = shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("no C compiler (cc) on this machine, or not Linux")
    (tmp_path / "plugin.c").write_text(PLUGIN)
    library = tmp_path / "libplugin.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(library), str(tmp_path / "plugin.c")], check=True)
    assert answer("other_delegate.py", write_pair(tmp_path), library, device=device) == ["True", "True"]


def test_a_programs_tests_run_under_pytest(tmp_path):
    shutil.copy(str(PROGRAMS / "own_tests.py"), str(tmp_path / "test_own.py"))
    done = run("-m", "pytest", "-q", "test_own.py", cwd=tmp_path)
    assert done.returncode == 0 and "3 passed" in done.stdout, done.stdout + done.stderr


def test_a_module_runs_as_under_plain_python(tmp_path):
    (tmp_path / "package").mkdir()
    (tmp_path / "package/__init__.py").write_text("")
    (tmp_path / "package/__main__.py").write_text(
        "import sys\nprint(sys.argv, __name__, __package__, __file__, sys.path[0])\nsys.exit(4)\n"
    )
    ours, theirs = (launch("-m", "package", "-x", cwd=tmp_path) for launch in (run, plainly))
    assert (ours.returncode, ours.stdout) == (theirs.returncode, theirs.stdout) and ours.returncode == 4
    missing = run("-m", "no_such_module", cwd=tmp_path)
    assert missing.returncode == 1 and missing.stderr == plainly("-m", "no_such_module", cwd=tmp_path).stderr


def test_a_command_runs_as_under_plain_python(tmp_path):
    code = "import sys; print(sys.argv, __name__, sys.path[0] == '')\ndef f(): 1 / 0\nf()"
    ours, theirs = (launch("-c", code, "a", "-b", cwd=tmp_path) for launch in (run, plainly))
    assert (ours.returncode, ours.stdout, ours.stderr) == (theirs.returncode, theirs.stdout, theirs.stderr)
    assert run("-c", "import pycoral; print(pycoral.__version__)").stdout == "2.0.0\n"
    assert run("-c").returncode == run("-m").returncode == 2
