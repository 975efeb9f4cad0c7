"""What is made of a model to look inside it, run on an interpreter."""

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from edgekit.errors import ModelError
from edgekit.tflite.expose import disturbed, exposed, severed
from edgekit.tflite.reader import read_graph
from tests.support.build import GraphBuilder

NONE = {"fusedActivationFunction": 0}
X = np.random.default_rng(0).normal(size=(1, 4)).astype(np.float32)


def chain():
    """tanh(x) → its negative → negative + tanh(x) · 3; the sum is the output."""
    graph = GraphBuilder()
    x = graph.input((1, 4), name="x")
    three = graph.constant(np.full((1, 4), 3, np.float32), name="three")
    tanh = graph.op("TANH", [x], (1, 4), name="tanh")
    negative = graph.op("NEG", [tanh], (1, 4), options={}, name="negative")
    scaled = graph.op("MUL", [tanh, three], (1, 4), options=NONE, name="scaled")
    end = graph.op("ADD", [negative, scaled], (1, 4), options=NONE, name="end")
    return read_graph(graph.finish([end]))


def names(graph):
    return {tensor.name: tensor.index for tensor in graph.tensors}


def run(content, *inputs):
    """The outputs for inputs in the order of the model's own list."""
    model = Interpreter(model_content=content)
    model.allocate_tensors()
    for detail, value in zip(model.get_input_details(), inputs, strict=True):
        model.set_tensor(detail["index"], value)
    model.invoke()
    return [model.get_tensor(detail["index"]) for detail in model.get_output_details()]


def test_exposed_tensors_are_outputs_in_this_order():
    graph, index = chain(), names(chain())
    end, negative = run(exposed(graph, [index["end"], index["negative"]]).content, X)
    np.testing.assert_allclose(negative, -np.tanh(X), rtol=1e-5)
    np.testing.assert_allclose(end, 2 * np.tanh(X), rtol=1e-5)


def test_severed_ops_read_what_is_put_in():
    graph, index = chain(), names(chain())
    content = severed(graph, {(1, 0): 0, (3, 0): 1, (3, 1): 2}, [index["negative"], index["end"]]).content
    assert [op.opcode for op in read_graph(content).ops] == ["NEG", "ADD"]
    values = [X, X + 1, X * 2]
    negative, end = run(content, *values)
    np.testing.assert_allclose(negative, -X)
    np.testing.assert_allclose(end, X + 1 + X * 2, rtol=1e-6)


def test_slots_may_share_an_input():
    graph, index = chain(), names(chain())
    content = severed(graph, {(3, 0): 0, (3, 1): 0}, [index["end"]]).content
    np.testing.assert_allclose(run(content, X)[0], 2 * X, rtol=1e-6)


@pytest.mark.parametrize(("shape", "dtype"), [((1, 3), "float32"), ((1, 4), "int32")])
def test_slots_of_different_tensors_share_no_input(shape, dtype):
    graph = GraphBuilder()
    x, y = graph.input((1, 4)), graph.input(shape, dtype)
    one = graph.op("NEG", [x], (1, 4), options={})
    other = graph.op("NEG", [y], shape, dtype, options={})
    with pytest.raises(ModelError, match="share input 0"):
        severed(read_graph(graph.finish([one, other])), {(0, 0): 0, (1, 0): 0}, [one, other])


@pytest.mark.parametrize("tensor", ["tanh", "negative", "scaled", "end"])
def test_what_is_added_to_a_tensor_reaches_all_that_comes_after(tensor):
    graph, index = chain(), names(chain())
    content = disturbed(graph, [index[tensor]], index["end"]).content
    error = np.float32([[0.5, -1, 0, 2]])
    reaches = {"tanh": 2, "negative": 1, "scaled": 1, "end": 1}[tensor]
    np.testing.assert_allclose(run(content, X, error)[0], 2 * np.tanh(X) + reaches * error, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(run(content, X, 0 * error)[0], 2 * np.tanh(X), rtol=1e-5)


def test_several_tensors_take_their_own_error():
    graph, index = chain(), names(chain())
    content = disturbed(graph, [index["end"], index["tanh"]], index["end"]).content
    first, second = np.float32([[1, 2, 3, 4]]), np.float32([[10, 20, 30, 40]])
    np.testing.assert_allclose(run(content, X, first, second)[0], 2 * np.tanh(X) + first + 2 * second, rtol=1e-5)


def test_exposing_touches_nothing_but_the_outputs():
    """Also the file of a graph that was exposed before, and with a label file behind it."""
    graph, index = chain(), names(chain())
    for content in (graph.content, graph.content + b"behind", exposed(graph, [index["tanh"]]).content):
        before = read_graph(content)
        after = exposed(before, [index["scaled"], index["tanh"], index["negative"]])
        assert read_graph(after.content) == after
        assert (after.tensors, after.ops, after.inputs) == (before.tensors, before.ops, before.inputs)
        np.testing.assert_allclose(run(after.content, X)[1], np.tanh(X), rtol=1e-5)


def test_signatures_of_former_outputs_go():
    builder = GraphBuilder()
    x = builder.input((1, 4), name="x")
    y = builder.op("TANH", [x], (1, 4), name="y")
    z = builder.op("NEG", [y], (1, 4), options={}, name="z")
    signature = schema.SignatureDefT()
    signature.signatureKey, signature.inputs, signature.outputs = b"serve", [_named(b"x", x)], [_named(b"z", z)]
    builder.model.signatureDefs = [signature]
    content = builder.finish([z])
    assert Interpreter(model_content=content).get_signature_list()
    shown = exposed(read_graph(content), [y]).content
    assert not Interpreter(model_content=shown).get_signature_list()
    np.testing.assert_allclose(run(shown, X)[0], np.tanh(X), rtol=1e-5)


def _named(name, tensor):
    entry = schema.TensorMapT()
    entry.name, entry.tensorIndex = name, tensor
    return entry


@pytest.mark.parametrize("behind", range(5))
def test_the_new_list_of_outputs_is_aligned_as_flatbuffers_want_it(behind):
    graph = chain()
    longer = read_graph(graph.content + bytes(behind))
    found = exposed(longer, [1, 2, 3]).content
    assert len(found) % 4 == 0 and len(found) - len(longer.content) == -behind % 4 + 16
    assert read_graph(found).outputs == (1, 2, 3)
