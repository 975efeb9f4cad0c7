import numpy as np
import pytest

from edgekit.calibration import Ranges, choose_ranges, observe
from edgekit.converters.quantization.backend import quantize_int8
from edgekit.converters.quantization.minimum_range import widened
from edgekit.devices.interpreter import open_interpreter
from edgekit.tflite import read_graph
from tests.support.build import GraphBuilder, model_of
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
    ranges = choose_ranges(observe(model_of(content, SPEC), SAMPLES))
    interpreter = open_interpreter(quantize_int8(read_graph(content), ranges, SPEC).content)
    interpreter.invoke()


@pytest.mark.parametrize("dead", ["first", "second", "sum", "product"])
@pytest.mark.parametrize("width", [0.0, 1e-30, 1e-11, 1e-8])
def test_one_dead_tensor_among_others_runs(dead, width):
    content = residual(1.0)
    bounds = {**choose_ranges(observe(model_of(content, SPEC), SAMPLES)).bounds, dead: (0.0, width)}
    interpreter = open_interpreter(quantize_int8(read_graph(content), Ranges(bounds, "minmax", 1, ""), SPEC).content)
    interpreter.invoke()


def test_ranges_of_living_tensors_stay():
    content = residual(0.5)
    bounds = choose_ranges(observe(model_of(content, SPEC), SAMPLES)).bounds
    assert widened(read_graph(content), bounds) == bounds


def least_width(graph, bounds, name):
    """The width from which on a tensor's range stays as it is, found by halving."""
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        given = {**bounds, name: (0.0, middle)}
        low, high = (low, middle) if widened(graph, given)[name] == given[name] else (middle, high)
    assert widened(graph, {**bounds, name: (0.0, low / 2)})[name] == (0.0, pytest.approx(high))
    return high


BOUNDS = {"image": (0.0, 1.0), "first": (-1.0, 2.0), "second": (-0.5, 0.5), "sum": (-2.0, 3.0), "product": (-4.0, 4.0)}


def test_the_least_range_is_a_128th_of_the_accumulators():
    """Of convolutions: steps of the input times the largest weight's; of sums and products: those of the inputs."""
    graph = read_graph(residual(2.0))
    assert least_width(graph, BOUNDS, "first") == pytest.approx(1.0 * 2.0 / 127 / 128)
    assert least_width(graph, BOUNDS, "second") == pytest.approx(3.0 * 2.0 / 127 / 128)
    assert least_width(graph, BOUNDS, "sum") == pytest.approx(3.0 / 128)
    assert least_width(graph, BOUNDS, "product") == pytest.approx(5.0 * 1.0 / 255 / 128)


def test_a_range_beside_zero_is_as_wide_as_from_zero():
    graph = read_graph(residual(2.0))
    for bounds in ((0.9, 0.9), (-0.9, -0.9), (0.5, 0.9)):
        assert widened(graph, {**BOUNDS, "sum": bounds})["sum"] == bounds
    assert widened(graph, {**BOUNDS, "sum": (0.0, 0.0)})["sum"] == (0.0, 3.0 / 128)
    nothing = dict.fromkeys(BOUNDS, (0.0, 0.0))
    assert widened(graph, nothing)["sum"][1] > 0


def test_what_hands_values_on_keeps_their_range():
    g = GraphBuilder()
    x = g.input((1, 4), name="x")
    y = g.op("TANH", [x], (1, 4), name="y")
    z = g.op("RESHAPE", [y, g.constant(np.array([2, 2], np.int32))], (2, 2), name="z")
    bounds = {"x": (-1.0, 1.0), "y": (0.0, 0.0), "z": (0.0, 0.0)}
    found = widened(read_graph(g.finish([z])), bounds)
    assert (found["y"], found["z"]) == ((0.0, 1.0), (0.0, 1.0))
