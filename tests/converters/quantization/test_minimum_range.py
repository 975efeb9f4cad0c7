import numpy as np
import pytest

from edgekit.calibration import Ranges, choose_ranges, observe
from edgekit.converters.quantization.backend import quantize_int8
from edgekit.converters.quantization.minimum_range import widened
from edgekit.devices.interpreter import open_interpreter
from edgekit.tflite import read_graph
from tests.support.build import GraphBuilder
from tests.support.gated_net import CONV, SAMPLES, SPEC

NONE = {"fusedActivationFunction": 0}


def residual(scale):
    """Two convolutions whose weights are of this size, the second one added to the first one's output, then gated."""
    g = GraphBuilder()
    x = g.input((1, 8, 8, 3), name="image")
    for name in ("first", "second"):
        weights = g.constant((scale * np.ones((3, 1, 1, 3))).astype(np.float32))
        bias = g.constant(np.zeros(3, np.float32))
        y = g.op("CONV_2D", [x, weights, bias], (1, 8, 8, 3), options={**CONV, **NONE}, name=name)
        x = y if name == "first" else g.op("ADD", [y, x], (1, 8, 8, 3), options=NONE, name="sum")
    product = g.op("MUL", [x, y], (1, 8, 8, 3), options=NONE, name="product")
    g.model.signatureDefs = []
    return g.finish([product])


@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e-6, 1e-12, 1e-25, 0.0])
def test_models_that_compute_next_to_nothing_run(scale):
    content = residual(scale)
    ranges = choose_ranges(observe(content, SAMPLES, SPEC))
    interpreter = open_interpreter(quantize_int8(content, ranges, SPEC))
    interpreter.invoke()


@pytest.mark.parametrize("dead", ["first", "second", "sum", "product"])
@pytest.mark.parametrize("width", [0.0, 1e-30, 1e-11, 1e-8])
def test_one_dead_tensor_among_others_runs(dead, width):
    content = residual(1.0)
    bounds = {**choose_ranges(observe(content, SAMPLES, SPEC)).bounds, dead: (0.0, width)}
    interpreter = open_interpreter(quantize_int8(content, Ranges(bounds, "minmax", 1, ""), SPEC))
    interpreter.invoke()


def test_ranges_of_living_tensors_stay():
    content = residual(0.5)
    bounds = choose_ranges(observe(content, SAMPLES, SPEC)).bounds
    assert widened(read_graph(content), bounds) == bounds


def test_what_hands_values_on_keeps_their_range():
    g = GraphBuilder()
    x = g.input((1, 4), name="x")
    y = g.op("TANH", [x], (1, 4), name="y")
    z = g.op("RESHAPE", [y, g.constant(np.array([2, 2], np.int32))], (2, 2), name="z")
    bounds = {"x": (-1.0, 1.0), "y": (0.0, 0.0), "z": (0.0, 0.0)}
    found = widened(read_graph(g.finish([z])), bounds)
    assert (found["y"], found["z"]) == ((0.0, 1.0), (0.0, 1.0))
