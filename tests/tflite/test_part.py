import numpy as np
import pytest

from edgekit.devices.interpreter import open_interpreter
from edgekit.errors import ModelError
from edgekit.tflite.checks import check_graph
from edgekit.tflite.part import extract, ops_between
from edgekit.tflite.reader import read_graph
from tests.support.build import GraphBuilder
from tests.support.pairs import images, twin


def _named(graph):
    return {tensor.name: tensor.index for tensor in graph.tensors}


def _run(content, tensor, value, output):
    interpreter = open_interpreter(content)
    interpreter.set_tensor(tensor, value)
    interpreter.invoke()
    return interpreter.get_tensor(output)


def test_two_parts_one_after_the_other_are_the_whole():
    graph = read_graph(twin())
    at = _named(graph)
    image = images(1)[0]
    first = extract(graph, [at["image"]], [at["squashed"]])
    second = extract(graph, [at["squashed"]], [at["soft"]])
    assert [op.opcode for op in first.ops] == ["MAX_POOL_2D", "LOGISTIC"]
    assert [op.opcode for op in second.ops] == ["MEAN", "SOFTMAX"]
    check_graph(first), check_graph(second)
    between = _run(first.content, at["image"], image, at["squashed"])
    whole = _run(graph.content, at["image"], image, at["soft"])
    np.testing.assert_array_equal(_run(second.content, at["squashed"], between, at["soft"]), whole)


def test_weights_of_other_parts_are_left_out():
    graph = GraphBuilder()
    x = graph.input((1, 256))
    w, v = (graph.constant(np.eye(256, dtype=np.float32) * factor) for factor in (2, 3))
    y = graph.op("FULLY_CONNECTED", [x, w, -1], (1, 256), options={})
    z = graph.op("FULLY_CONNECTED", [y, v, -1], (1, 256), options={})
    whole = read_graph(graph.finish([z]))
    part = extract(whole, [y], [z]).content
    assert 256 * 1024 < len(part) < 1.1 * 256 * 1024
    value = np.arange(256, dtype=np.float32)[np.newaxis]
    np.testing.assert_array_equal(_run(part, y, value, z), 3 * value)


def test_the_same_part_gives_the_same_bytes():
    graph = read_graph(twin())
    first, second = (extract(graph, graph.inputs, graph.outputs) for _ in range(2))
    assert first.content == second.content


def test_a_side_branch_is_not_taken_along():
    graph = GraphBuilder()
    x = graph.input((1, 4))
    y, side = (graph.op(opcode, [x], (1, 4)) for opcode in ("RELU", "TANH"))
    whole = read_graph(graph.finish([y, side]))
    assert [op.opcode for op in ops_between(whole, [x], [y])] == ["RELU"]


def test_inputs_that_do_not_suffice_are_named():
    graph = read_graph(twin())
    with pytest.raises(ModelError, match=r"also needs tensor 0 .*image"):
        extract(graph, [], graph.outputs)
    with pytest.raises(ModelError, match="is a constant"):
        extract(graph, [_named(graph)["axes"]], graph.outputs)
