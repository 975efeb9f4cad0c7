"""Rewrites for the sake of precedents: the same function, and no doubt left."""

import numpy as np
import pytest

from edgekit.converters.quantization.corrections import Wanted, adjustments, parse_corrections, rewrites
from edgekit.converters.quantization.search.effort import EFFORTS
from edgekit.converters.quantization.transforms.with_precedent import small_means, spread_gates
from edgekit.edgetpu.placement.doubts import largest_mean, largest_pooling, without_doubt
from edgekit.edgetpu.placement.mapping import map_ops
from edgekit.tflite import read_graph
from tests.support.build import GraphBuilder
from tests.support.one_op import activation, one_op


def run_model(graph, *values):
    interpreter = pytest.importorskip("ai_edge_litert.interpreter").Interpreter(model_content=graph.content)
    interpreter.allocate_tensors()
    for detail, value in zip(interpreter.get_input_details(), values):
        interpreter.set_tensor(detail["index"], value)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def mean_net(height, width, channels, pooled=0):
    g = GraphBuilder()
    x = g.input((1, height, width, channels), "float32")
    last = x
    if pooled:
        options = {"padding": 1, "strideW": pooled, "strideH": pooled, "filterWidth": pooled, "filterHeight": pooled}
        last = g.op(
            "AVERAGE_POOL_2D", [x], (1, height // pooled, width // pooled, channels), "float32", options=options
        )
    axes = g.constant(np.array([1, 2], np.int32))
    return g.finish([g.op("MEAN", [last, axes], (1, channels), "float32", options={"keepDims": False})])


def gate_net(height, width, channels):
    g = GraphBuilder()
    whole, gate = g.input((1, height, width, channels), "float32"), g.input((1, 1, 1, channels), "float32")
    gate = g.op("LOGISTIC", [gate], (1, 1, 1, channels), "float32")
    return g.finish([g.op("MUL", [whole, gate], (1, height, width, channels), "float32", options={})])


def kinds(graph):
    return [op.opcode for op in graph.ops]


@pytest.mark.parametrize(
    ("size", "pooled"), [((112, 112, 32), 0), ((75, 75, 144), 0), ((150, 96, 40), 2), ((15, 9, 600), 0)]
)
def test_a_mean_in_steps_is_the_same_mean(size, pooled):
    before = read_graph(mean_net(*size, pooled=pooled))
    after = small_means(before, None)
    assert (
        after.changes == 1
        and kinds(after.graph)[-1] == "MEAN"
        and set(kinds(after.graph)[:-1]) == {"DEPTHWISE_CONV_2D"}
    )
    last = after.graph.op_inputs(after.graph.ops[-1])[0]
    assert last.elements <= largest_mean()
    image = np.random.default_rng(0).normal(size=(1, *size)).astype(np.float32) + 3
    np.testing.assert_allclose(run_model(after.graph, image), image.mean(axis=(1, 2)), rtol=2e-5)


@pytest.mark.parametrize("size", [(7, 7, 1280), (8, 8, 16)])
def test_a_mean_as_large_as_one_that_was_seen_stays(size):
    assert size[0] * size[1] * size[2] <= largest_mean()
    assert small_means(read_graph(mean_net(*size)), None).changes == 0
    assert small_means(read_graph(mean_net(7, 7, 1281)), None).changes == 1


def test_parts_that_were_seen_pooled_stay():
    assert largest_pooling() == 64 * 64 * 32
    assert "AVERAGE_POOL_2D" in kinds(small_means(read_graph(mean_net(64, 64, 32, pooled=2)), None).graph)


@pytest.mark.parametrize("size", [(7, 7, 24), (15, 9, 8), (112, 112, 4)])
def test_a_gate_that_is_spread_gives_the_same_numbers(size):
    before = read_graph(gate_net(*size))
    after = spread_gates(before, None)
    assert after.changes == 1 and set(kinds(after.graph)) == {"LOGISTIC", "RESIZE_NEAREST_NEIGHBOR", "MUL"}
    random = np.random.default_rng(0)
    values = [random.normal(size=shape).astype(np.float32) for shape in ((1, *size), (1, 1, 1, size[2]))]
    np.testing.assert_array_equal(run_model(after.graph, *values), run_model(before, *values))


@pytest.mark.parametrize(
    ("size", "sides"), [((7, 5, 8), [(2, 2), (4, 4), (7, 5)]), ((2, 9, 8), [(2, 2), (2, 4), (2, 8), (2, 9)])]
)
def test_a_gate_grows_by_factors_of_2_at_most(size, sides):
    """Which the compiler maps; by none more than needed, since each is an op."""
    after = spread_gates(read_graph(gate_net(*size)), None).graph
    resized = [after.op_outputs(op)[0] for op in after.ops if op.opcode == "RESIZE_NEAREST_NEIGHBOR"]
    assert [tensor.shape for tensor in resized] == [(1, *side, 8) for side in sides]


def test_images_and_numbers_that_are_no_gate_are_left():
    g = GraphBuilder()
    image, other = (g.input((1, 1, 1, 8), "float32") for _ in range(2))
    whole = g.input((1, 4, 4, 8), "float32")
    fixed = g.constant(np.ones((1, 1, 1, 8), np.float32))
    products = [(image, other, (1, 1, 1, 8)), (whole, fixed, (1, 4, 4, 8)), (whole, whole, (1, 4, 4, 8))]
    graph = read_graph(g.finish([g.op("MUL", [a, b], shape, "float32", options={}) for a, b, shape in products]))
    assert spread_gates(graph, None).graph is graph


def test_each_step_of_a_mean_halves_the_image_and_none_is_taken_too_many():
    after = small_means(read_graph(mean_net(112, 75, 32)), None).graph
    *steps, _ = after.ops
    assert [after.op_outputs(op)[0].shape for op in steps] == [(1, 56, 38, 32), (1, 28, 19, 32)]
    assert 56 * 38 * 32 > largest_mean() >= 28 * 19 * 32
    assert {op.option("stride_h") for op in steps} == {op.option("stride_w") for op in steps} == {2}


def test_a_mean_of_a_line_of_pixels_stays():
    """Nothing is left to halve on one side."""
    assert small_means(read_graph(mean_net(1, 3000, 32)), None).changes == 0


def pooled_mean(size, filters, strides):
    g = GraphBuilder()
    x = g.input((1, *size), "float32")
    shape = tuple((side - part) // step + 1 for side, part, step in zip(size, filters, strides))
    options = {
        "padding": 1,
        "filterHeight": filters[0],
        "filterWidth": filters[1],
        "strideH": strides[0],
        "strideW": strides[1],
    }
    parts = g.op("AVERAGE_POOL_2D", [x], (1, *shape, size[2]), "float32", options=options)
    axes = g.constant(np.array([1, 2], np.int32))
    return read_graph(g.finish([g.op("MEAN", [parts, axes], (1, size[2]), "float32", options={"keepDims": False})]))


@pytest.mark.parametrize(
    ("size", "filters", "strides"),
    [
        ((150, 97, 40), (2, 2), (2, 2)),
        ((151, 96, 40), (2, 2), (2, 2)),
        ((150, 96, 40), (3, 3), (2, 2)),
        ((150, 96, 40), (2, 3), (2, 2)),
    ],
)
def test_means_over_parts_that_overlap_or_leave_pixels_out_are_not_joined(size, filters, strides):
    """The mean of these is not the mean of all pixels."""
    graph = pooled_mean(size, filters, strides)
    after = small_means(graph, None).graph
    assert kinds(after)[0] == "AVERAGE_POOL_2D"
    image = np.random.default_rng(0).normal(size=(1, *size)).astype(np.float32) + 3
    np.testing.assert_allclose(run_model(after, image), run_model(graph, image), rtol=2e-5)


def test_means_over_equal_parts_of_another_shape_are_joined():
    assert "AVERAGE_POOL_2D" not in kinds(small_means(pooled_mean((150, 96, 40), (2, 3), (2, 3)), None).graph)


def test_a_model_without_gates_and_large_means_stays_as_it_is():
    graph = read_graph(mean_net(8, 8, 4))
    assert spread_gates(graph, None).graph is graph and small_means(graph, None).graph is graph


def test_they_are_made_only_where_they_are_named():
    assert [each.name for each in rewrites(Wanted(auto=True))] == ["split-swish"]
    assert [each.name for each in rewrites(Wanted(("small-means", "spread-gates")))] == ["small-means", "spread-gates"]


def test_no_effort_makes_them_unasked():
    for effort in EFFORTS.values():
        named = parse_corrections(effort.corrections)
        assert [each.name for each in rewrites(named)] == ["split-swish"]


def test_what_is_advised_is_made_beside_what_is_usual():
    whole, gate = activation(1, 8, 8, 4), activation(1, 1, 1, 4)
    advised = without_doubt(map_ops(read_graph(one_op("MUL", whole, gate, options={}))))
    wanted = parse_corrections(advised)
    assert [each.name for each in rewrites(wanted)] == ["split-swish", "spread-gates"]
    assert [each.name for each in adjustments(wanted)] == ["rounding"] and wanted.head
    assert without_doubt(map_ops(read_graph(one_op("MUL", whole, whole, options={})))) == ""
