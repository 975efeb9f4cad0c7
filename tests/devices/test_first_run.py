"""The child process in which a stranger's model runs first: its stages, called here and started as a program."""

import io
import json
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from edgekit.devices import first_run
from edgekit.devices.interpreter import interpreter_package
from tests.support.build import GraphBuilder, colour_classifier


class Recording:
    """An interpreter that keeps what it is given, and fails where it is told to."""

    def __init__(self, dtypes, fails=()):
        self.given, self.invocations, self._dtypes, self._fails = {}, 0, dtypes, fails

    def get_input_details(self):
        return [{"index": n, "dtype": np.dtype(d).type, "shape": (50, 50)} for n, d in enumerate(self._dtypes)]

    def set_tensor(self, index, value):
        self.given[index] = value

    def invoke(self):
        self.invocations += 1
        if self.invocations in self._fails:
            raise RuntimeError(f"run {self.invocations}")


def test_the_first_run_is_on_zeros_and_the_second_on_pixels():
    interpreter = Recording(["float32", "uint8", "O"])
    first_run._invoke(interpreter, 1)
    assert not interpreter.given[0].any() and not interpreter.given[1].any()
    first_run._invoke(interpreter, 256)
    assert (interpreter.given[0].min(), interpreter.given[0].max()) == (0, 255)
    assert (interpreter.given[1].dtype, interpreter.given[1].max()) == (np.uint8, 255)
    assert set(interpreter.given) == {0, 1}  # texts are left empty


@pytest.mark.parametrize("fails", [(), (1,), (2,)])
def test_one_of_two_runs_may_fail(fails):
    interpreter = Recording(["float32"], fails)
    first_run._run(interpreter)
    assert interpreter.invocations == 2 and interpreter.given[0].max() == 255


def test_where_both_fail_the_first_reason_counts():
    with pytest.raises(RuntimeError, match="run 1"):
        first_run._run(Recording(["float32"], (1, 2)))


def stages(content, shape=()):
    package = interpreter_package().__name__
    command = [sys.executable, "-I", first_run.__file__, package, json.dumps(sys.path), json.dumps(list(shape))]
    said = subprocess.run(command, input=content, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout
    lines = said.decode().splitlines()
    return [line[len(first_run.MARK) :] for line in lines if line.startswith(first_run.MARK)]


def test_a_sound_model_goes_through_all_stages():
    assert stages(colour_classifier("uint8")) == ["started", "allocated", "ran"]


def test_what_an_interpreter_refuses_is_said():
    graph = GraphBuilder()
    y = graph.op("CUSTOM:Unknown", [graph.input((1, 4))], (1, 4))
    started, refused = stages(graph.finish([y]))
    assert started == "started" and refused.startswith("refused ") and "Unknown" in json.loads(refused[8:])


def test_a_model_may_be_tried_at_another_size():
    graph = GraphBuilder()
    x = graph.input((1, 4), signature=(-1, 4))
    assert stages(graph.finish([graph.op("TANH", [x], (1, 4))]), (3, 4)) == ["started", "allocated", "ran"]


def test_of_several_inputs_the_first_is_tried_at_another_size():
    graph = GraphBuilder()
    x, fixed = graph.input((1, 4), signature=(-1, 4), name="x"), graph.input((1, 2), name="fixed")
    content = graph.finish([graph.op("TANH", [x], (1, 4)), graph.op("TANH", [fixed], (1, 2))])
    assert stages(content, (3, 4)) == ["started", "allocated", "ran"]


def test_stages_are_marked_on_lines_of_their_own(capsys):
    first_run._say("started")
    assert capsys.readouterr().out == "\nedgekit-first-run: started\n"


def test_memory_is_bounded_beyond_what_the_process_has(monkeypatch):
    resource = pytest.importorskip("resource")
    set_to = {}
    monkeypatch.setattr(resource, "setrlimit", lambda kind, limits: set_to.__setitem__(kind, limits))
    monkeypatch.setattr(resource, "getrlimit", lambda _kind: (4096, resource.RLIM_INFINITY))
    monkeypatch.setattr("builtins.open", lambda name, *_: io.StringIO("7 5 3" if "statm" in name else ""))
    first_run._bound_memory(1000)
    assert set_to[resource.RLIMIT_AS] == (1000 + 7 * resource.getpagesize(), resource.RLIM_INFINITY)
    assert set_to[resource.RLIMIT_CORE] == (0, resource.RLIM_INFINITY)


def test_the_model_and_what_it_needs_get_four_gibibytes_and_twice_its_bytes(monkeypatch, capsys):
    class Refusing:
        def __init__(self, model_content, num_threads):
            raise ValueError(f"{len(model_content)} bytes")

    bounds = []
    monkeypatch.setitem(sys.modules, "stand_in", SimpleNamespace(Interpreter=Refusing))
    monkeypatch.setattr(first_run, "_bound_memory", bounds.append)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(bytes(1000))))
    monkeypatch.setattr(sys, "path", list(sys.path))
    first_run.main(["stand_in", "[]", "[]"])
    assert bounds == [4 * 1024**3 + 2 * 1000]
    assert capsys.readouterr().out.split("\n")[1::2] == [
        "edgekit-first-run: started",
        'edgekit-first-run: refused "1000 bytes"',
    ]
