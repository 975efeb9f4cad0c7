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
