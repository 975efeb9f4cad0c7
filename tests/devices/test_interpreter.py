import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from edgekit.devices import interpreter as interpreter_module
from edgekit.devices.interpreter import allowed_cores, open_interpreter
from edgekit.devices.opening import open_model
from edgekit.errors import DeviceError, ModelFormatError, OutOfMemoryError, UnsupportedModelError, UsageError
from tests.support.build import GraphBuilder, colour_classifier
from tests.support.one_op import activation, one_op

# What stands in for machines where the packages are missing or broken: a finder placed before all
# others, in a process of its own.
_WITHOUT = """
import importlib.abc, sys
class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.split('.')[0] in {names!r}:
            raise {error}(f'No module named {{name!r}}' if {error} is ModuleNotFoundError else 'GLIBC_2.99 not found')
sys.meta_path.insert(0, Finder())
from edgekit.devices.interpreter import open_interpreter
from edgekit.errors import DeviceError
try:
    open_interpreter(b'')
except DeviceError as error:
    print(error.message, error.hint)
"""


def _message(error):
    names = {"ai_edge_litert", "tflite_runtime", "tensorflow"}
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT.format(names=names, error=error)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_without_any_interpreter_the_packages_to_install_are_named():
    message = _message("ModuleNotFoundError")
    assert "No TFLite interpreter is installed" in message
    assert "pip install ai-edge-litert" in message and "pip install tflite-runtime" in message


def test_an_interpreter_that_does_not_load_is_told_apart():
    message = _message("ImportError")
    for package in ("ai_edge_litert", "tflite_runtime", "tensorflow"):
        assert f" {package} is installed but does not load: GLIBC_2.99 not found." in message


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="only Linux limits a process to some cores")
def test_the_allowed_cores_are_counted():
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert allowed_cores() == 1
    finally:
        os.sched_setaffinity(0, before)
    assert allowed_cores() == len(before)


def test_opens_what_it_can_run():
    opened = open_model(colour_classifier("uint8"), device="cpu")
    assert opened.device == "cpu" and opened.reason == "it was requested"
    assert opened.interpreter.get_input_details()[0]["index"] == opened.graph.inputs[0]


def test_an_unsound_graph_never_reaches_the_interpreter():
    graph = GraphBuilder()
    x = graph.input((1, 4), "int8", quant=(0.1, 0))
    broken = graph.finish([graph.op("CONCATENATION", [x, -1], (1, 8), "int8", quant=(0.1, 0), options={"axis": 1})])
    with pytest.raises(ModelFormatError, match="lacks its input"):
        open_model(broken)


def test_nonsense_is_refused_by_the_interpreter_itself():
    with pytest.raises(ModelFormatError):
        open_interpreter(b"nonsense" * 100)


def test_an_error_is_raised_for_an_accelerator_that_is_not_there():
    graph = GraphBuilder()
    x = graph.input((1, 4), "uint8")
    with pytest.raises(DeviceError, match="Edge TPU"):
        open_model(graph.finish([graph.op("CUSTOM:edgetpu-custom-op", [x], (1, 4), "uint8")]))


def test_more_threads_than_any_machine_has_are_as_many_as_there_are():
    assert open_interpreter(colour_classifier(), threads=99_999_999_999) is not None


def test_no_thread_runs_no_model():
    assert open_interpreter(colour_classifier(), threads=1) is not None
    for threads in (0, -1):
        with pytest.raises(UsageError, match=f"{threads} threads cannot run"):
            open_interpreter(colour_classifier(), threads=threads)


def test_an_interpreter_that_is_too_old_names_what_it_lacks():
    with pytest.raises(DeviceError, match="it lacks SOFTMAX version 99") as caught:
        open_interpreter(one_op("SOFTMAX", activation(1, 4), options={}, version=99))
    assert "--upgrade" in caught.value.hint


def test_operators_that_no_interpreter_brings_are_named():
    with pytest.raises(UnsupportedModelError, match="uses the custom operator Mine, which"):
        open_interpreter(one_op("CUSTOM:Mine", activation(1, 4)))
    with pytest.raises(UnsupportedModelError, match="TensorFlow's own operators"):
        open_interpreter(one_op("CUSTOM:FlexErf", activation(1, 4)))


@pytest.fixture
def opened_with(monkeypatch):
    """What `open_interpreter` gives the package's interpreter, which may fail, on a machine of 4 cores."""

    def opened_with(failure=None, **options):
        given = {}

        def make(**arguments):
            given.update(arguments)
            if failure is not None:
                raise failure
            return SimpleNamespace(allocate_tensors=lambda: None)

        monkeypatch.setattr(interpreter_module, "interpreter_package", lambda: SimpleNamespace(Interpreter=make))
        monkeypatch.setattr(interpreter_module, "allowed_cores", lambda: 4)
        open_interpreter(b"content", **options)
        return given

    return opened_with


@pytest.mark.parametrize(("threads", "used"), [(None, 4), (1, 1), (3, 3), (4, 4), (5, 4)])
def test_as_many_threads_as_asked_for_and_no_more_than_cores(opened_with, threads, used):
    assert opened_with(threads=threads) == {"model_content": b"content", "num_threads": used}


def test_delegates_are_handed_on(opened_with):
    delegate = object()
    assert opened_with(delegates=(delegate,))["experimental_delegates"] == [delegate]


@pytest.mark.parametrize(
    ("failure", "limit", "error"),
    [
        (MemoryError(), None, OutOfMemoryError),
        (RuntimeError("std::bad_alloc"), None, OutOfMemoryError),
        (RuntimeError(" \n"), None, OutOfMemoryError),  # so the interpreter ends when an allocation fails
        (RuntimeError("failed to create XNNPACK runtime"), 1 << 30, OutOfMemoryError),
        (RuntimeError("failed to create XNNPACK runtime"), None, ModelFormatError),
        (RuntimeError("odd dimensions"), 1 << 30, ModelFormatError),
    ],
)
def test_want_of_memory_is_told_from_a_damaged_model(opened_with, monkeypatch, failure, limit, error):
    monkeypatch.setattr(interpreter_module, "limit", lambda: limit)
    with pytest.raises(error, match=r"The model"):
        opened_with(failure)


@pytest.mark.parametrize(
    ("words", "told"), [("First line.\nSecond", "First line"), ("x" * 201, "x" * 200), ("  \n odd ", "odd")]
)
def test_of_the_interpreters_words_the_first_line_is_told(opened_with, words, told):
    with pytest.raises(ModelFormatError) as caught:
        opened_with(ValueError(words))
    assert caught.value.message == f"The model is refused by the interpreter: {told}."


def test_without_a_list_of_allowed_cores_the_machines_count(monkeypatch):
    """As on macOS and Windows."""
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    for cores, counted in ((3, 3), (None, 1)):
        monkeypatch.setattr(os, "cpu_count", lambda cores=cores: cores)
        assert allowed_cores() == counted
