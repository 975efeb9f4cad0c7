"""The delegate's view of the interpreter's memory, against the interpreter itself."""

import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from edgekit.devices.emulator import native
from edgekit.devices.emulator.emulated import EmulatedEdgeTpu
from edgekit.devices.interpreter import open_interpreter
from edgekit.errors import DeviceError, UnsupportedModelError
from edgekit.tflite.reader import read_graph
from tests.support.build import GraphBuilder
from tests.support.pairs import PIXEL, compiled, twin


def test_an_interpreter_of_an_unknown_release_is_refused(monkeypatch):
    monkeypatch.setattr(native, "KNOWN_RELEASES", {"ai_edge_litert": ("0.1",)})
    with pytest.raises(DeviceError, match="does not know the interpreter ai_edge_litert"):
        EmulatedEdgeTpu().open(read_graph(compiled()), read_graph(twin()))


@pytest.mark.parametrize(
    ("release", "known"),
    [
        ("2.1.0", True),
        ("2.2.3", True),
        ("2.3", True),
        ("2.0.9", False),
        ("2.4.0", False),
        ("12.1.0", False),
        ("?", False),
    ],
)
def test_only_releases_that_were_checked_are_let_pass(monkeypatch, release, known):
    monkeypatch.setattr(native, "import_module", lambda _package: SimpleNamespace(__version__=release))
    for package, passes in (("ai_edge_litert", known), ("another", False)):
        try:
            native.check_interpreter(package)
        except DeviceError as error:
            assert not passes and f"{package} {release}" in error.message
        else:
            assert passes


def test_systems_of_32_bits_are_not_let_pass(monkeypatch):
    native.check_interpreter()
    monkeypatch.setattr(sys, "maxsize", 2**31 - 1)
    with pytest.raises(DeviceError, match="64-bit"):
        native.check_interpreter()


@pytest.mark.parametrize("change", ["scale", "shape", "type", "count", "far more"])
def test_a_layout_that_reads_back_wrong_is_refused(change, monkeypatch):
    """The file says one thing and the interpreter's memory another: as on an interpreter of another layout."""
    graph = read_graph(compiled())
    first = graph.tensors[0]
    changed = {
        "scale": replace(first, quant=replace(first.quant, scale=(0.5,))),
        "shape": replace(first, shape=(1, 8, 8, 4)),
        "type": replace(first, dtype="int8"),
    }.get(change, first)
    tensors = (changed, *graph.tensors[1:]) + ((first,) if change == "count" else ())
    if change == "far more":
        monkeypatch.setattr(native, "_MOST_ADDED", -1)
    delegate = native.NativeDelegate(replace(graph, tensors=tensors), "edgetpu-custom-op", lambda ops: None)
    with pytest.raises(UnsupportedModelError, match="edgetpu-custom-op"):
        open_interpreter(graph.content, delegates=[delegate])
    assert isinstance(delegate.problem, DeviceError) and "memory layout" in delegate.problem.message


def test_tensors_of_every_type_are_known_in_the_interpreters_memory():
    """Each type's number is the interpreter's own: of another, the delegate would refuse the model."""
    graph = GraphBuilder()
    x = graph.input((1, 4), "uint8", quant=PIXEL)
    types = ("float32", "int32", "uint8", "int64", "bool", "int16", "int8", "float16", "float64")
    others = [graph.constant(np.zeros((1, 4), dtype)) for dtype in types]
    others.append(graph.constant(np.zeros((2, 4), np.int8), quant=(np.array([0.5, 0.25]), np.zeros(2), 0)))
    y = graph.op("CUSTOM:edgetpu-custom-op", [x, *others], (1, 4), "uint8", quant=PIXEL)
    content = graph.finish([y])
    plan = native.Plan((x,), (y,), lambda arrays: [array + 1 for array in arrays])
    delegate = native.NativeDelegate(read_graph(content), "edgetpu-custom-op", lambda *_: plan)
    interpreter = open_interpreter(content, delegates=[delegate])
    interpreter.set_tensor(x, np.array([[1, 2, 3, 4]], np.uint8))
    interpreter.invoke()
    assert delegate.problem is None and interpreter.get_tensor(y).tolist() == [[2, 3, 4, 5]]
