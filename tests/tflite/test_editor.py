"""Models changed through the editor, run by an interpreter: what comes out is what the change says."""

import numpy as np
import pytest

from edgekit.devices.interpreter import open_interpreter
from edgekit.errors import ModelFormatError
from edgekit.tflite import QuantParams, constant, read_graph, tree
from edgekit.tflite.checks import check_graph
from edgekit.tflite.editor import Editor
from tests.support.build import GraphBuilder, colour_classifier

X = np.float32([[1.0, -2.0, 3.0, -4.0]])


def chain():
    """x → a = x + 1 → y = relu(a) → z = tanh(y); "ones" is shared by the ADD and a MUL beside it, w = x * 1."""
    graph = GraphBuilder()
    x = graph.input((1, 4), name="x")
    ones = graph.constant(np.ones((1, 4), np.float32), name="ones")
    a = graph.op("ADD", [x, ones], (1, 4), options={}, name="a")
    y = graph.op("RELU", [a], (1, 4), name="y")
    z = graph.op("TANH", [y], (1, 4), name="z")
    w = graph.op("MUL", [x, ones], (1, 4), options={}, name="w")
    return read_graph(graph.finish([z, w]))


def at(graph, name):
    return next(tensor.index for tensor in graph.tensors if tensor.name == name)


def run(graph, x=X):
    check_graph(graph)
    interpreter = open_interpreter(graph.content)
    interpreter.set_tensor(graph.inputs[0], x)
    interpreter.invoke()
    return [interpreter.get_tensor(index) for index in graph.outputs]


def test_a_model_that_is_not_changed_stays_the_same():
    for graph in (chain(), read_graph(colour_classifier("uint8"))):
        again = Editor(graph).finish()
        assert again == read_graph(Editor(again).content()) and (again.tensors, again.ops) == (graph.tensors, graph.ops)


def test_other_values_of_a_constant_reach_all_its_readers():
    graph = chain()
    editor = Editor(graph)
    editor.set_constant(at(graph, "ones"), editor.constant(at(graph, "ones")) * 3)
    z, w = run(editor.finish())
    np.testing.assert_allclose(z, np.tanh(np.maximum(X + 3, 0)), rtol=1e-6)
    np.testing.assert_array_equal(w, 3 * X)


def test_a_constant_of_its_own_reaches_one_reader_only():
    graph = chain()
    editor = Editor(graph)
    editor.set_constant_input(graph.ops[0], 1, "twos", np.full((1, 4), 2, np.float32))
    z, w = run(editor.finish())
    np.testing.assert_allclose(z, np.tanh(np.maximum(X + 2, 0)), rtol=1e-6)
    np.testing.assert_array_equal(w, X)


@pytest.mark.parametrize("value", [np.ones((1, 5), np.float32), np.ones((1, 4), np.int32)], ids=["size", "dtype"])
def test_a_constant_keeps_its_size_and_dtype(value):
    graph = chain()
    with pytest.raises(ValueError, match="for the constant float32"):
        Editor(graph).set_constant(at(graph, "ones"), value)


def test_what_is_computed_is_no_constant():
    graph = chain()
    with pytest.raises(ModelFormatError, match="holds no constant"):
        Editor(graph).constant(at(graph, "a"))


def test_an_op_is_put_behind_another():
    graph = chain()
    editor, a = Editor(graph), at(graph, "a")
    doubled = editor.add_tensor("doubled", (1, 4))
    editor.redirect(a, doubled)
    new = editor.insert_after(graph.ops[0], "ADD", [a, a], [doubled])
    assert editor.producer(doubled) == new and editor.consumers(a) == (new,)
    changed = editor.finish()
    assert [op.opcode for op in changed.ops] == ["ADD", "ADD", "RELU", "TANH", "MUL"]
    np.testing.assert_allclose(run(changed)[0], np.tanh(np.maximum(2 * (X + 1), 0)), rtol=1e-6)


@pytest.mark.parametrize(
    ("opcode", "options"),
    [
        ("ADD", {"fused_activation_function": "RELU6"}),
        ("MUL", {"fused_activation_function": "RELU"}),
        ("SOFTMAX", {"beta": 2.0}),
        ("MEAN", {"keep_dims": True}),
        ("CONV_2D", {"padding": "VALID", "stride_w": 2, "stride_h": 3}),
        ("MAX_POOL_2D", {"padding": "SAME", "filter_width": 2, "filter_height": 3, "stride_w": 1, "stride_h": 1}),
        ("L2_NORMALIZATION", {}),
        ("RESHAPE", {"new_shape": (1, 2, 2)}),
        ("MAXIMUM", {}),
    ],
)
def test_options_are_spelled_as_the_graph_spells_them(opcode, options):
    graph = chain()
    editor = Editor(graph)
    editor.insert_after(graph.ops[-1], opcode, [0, 0, 0], [editor.add_tensor("new", (1, 4))], options)
    op = editor.finish().ops[-1]
    assert op.opcode == opcode and {name: op.option(name) for name in options} == options


def test_a_second_op_of_the_same_kind_does_the_same_on_its_own():
    graph = chain()
    editor, tanh = Editor(graph), graph.ops[2]
    twin = editor.duplicate(tanh, editor.add_copy(tanh.outputs[0], "twin"))
    editor.set_input(twin, 0, at(graph, "a"))
    editor.set_outputs([*editor.outputs, *twin.outputs])
    changed = editor.finish()
    assert changed.tensors[twin.outputs[0]].name == "twin" and editor.current(tanh) == tanh
    z, _, twin_value = run(changed)
    np.testing.assert_allclose(z, np.tanh(np.maximum(X + 1, 0)), rtol=1e-6)
    np.testing.assert_allclose(twin_value, np.tanh(X + 1), rtol=1e-6)


def test_ops_are_taken_out_and_their_readers_led_around_them():
    graph = chain()
    editor = Editor(graph)
    editor.remove([graph.ops[1]])
    editor.redirect(at(graph, "y"), at(graph, "a"))
    assert editor.producer(at(graph, "y")) is None
    np.testing.assert_allclose(run(editor.finish())[0], np.tanh(X + 1), rtol=1e-6)


def test_what_nothing_uses_goes_with_its_constants():
    graph = chain()
    editor = Editor(graph)
    editor.remove(graph.ops[:3])
    editor.set_outputs([at(graph, "w")])
    editor.drop_unused()
    renumbered = [tensor.index for tensor in editor.tensors]
    changed = editor.finish()
    assert {tensor.name for tensor in changed.tensors} == {"x", "ones", "w"} and renumbered == [0, 1, 2]
    np.testing.assert_array_equal(run(changed)[0], X)
    editor = Editor(changed)
    editor.remove(changed.ops)
    editor.set_outputs([])
    editor.drop_unused()
    assert len(editor.content()) < len(changed.content)


def test_shapes_and_names_and_steps():
    graph = chain()
    editor = Editor(graph)
    for tensor in graph.tensors:
        editor.set_shape(tensor.index, (1, 4))
    editor.rename(at(graph, "a"), "sum")
    editor.set_quant(at(graph, "y"), QuantParams((0.5,), (3,)))
    changed = editor.finish()
    assert changed.tensors == editor.tensors
    assert changed.tensors[at(graph, "a")].name == "sum"
    assert changed.tensors[at(graph, "y")].quant == QuantParams((0.5,), (3,))


def test_the_graph_as_it_is_now_is_the_one_that_is_written():
    graph = chain()
    editor = Editor(graph)
    quant = QuantParams((0.25,) * 4, (0,) * 4, axis=1)
    weights = editor.add_constant("weights", np.arange(8, dtype=np.int8).reshape(2, 4), quant)
    editor.insert_after(None, "FULLY_CONNECTED", [0, weights, -1], [editor.add_tensor("first", (1, 2))])
    now, written = editor.as_graph(), editor.finish()
    assert now.ops[1:] == written.ops[1:] and now.ops[0].inputs == written.ops[0].inputs
    assert (now.inputs, now.outputs) == (written.inputs, written.outputs)
    named = [(t.name, t.shape, t.dtype, t.quant, t.constant_bytes) for t in now.tensors]
    assert named == [(t.name, t.shape, t.dtype, t.quant, t.constant_bytes) for t in written.tensors]
    np.testing.assert_array_equal(constant(written, written.tensors[weights]), editor.constant(weights))


def test_several_steps_share_one_editor():
    graph = chain()
    editor = Editor(graph)
    editor.set_constant_input(graph.ops[0], 1, "twos", np.full((1, 4), 2, np.float32))
    (second,) = (index for index in editor.current(graph.ops[0]).inputs if index not in graph.ops[0].inputs)
    editor.set_constant(second, editor.constant(second) + 5)
    editor.set_versions([1] * 4)
    np.testing.assert_allclose(run(editor.finish())[0], np.tanh(np.maximum(X + 7, 0)), rtol=1e-6)


def test_the_same_changes_give_the_same_bytes():
    def changed():
        graph = chain()
        editor = Editor(graph)
        editor.set_constant_input(graph.ops[0], 1, "twos", np.full((1, 4), 2, np.float32))
        editor.drop_unused()
        return editor.content()

    assert changed() == changed()


def test_tensors_that_share_the_first_buffer_stay_computed():
    """`edgetpu_compiler` writes data of no bytes there, and nothing else; metadata then move the buffer."""
    from ai_edge_litert.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model_from_bytearray(bytearray(relu_alone()))
    model.buffers[0].data = np.zeros(0, np.uint8)
    for tensor in model.subgraphs[0].tensors:
        tensor.buffer = 0
    shared = read_graph(tree.pack(model))
    editor = Editor(shared)
    editor.set_metadata("note", b"hello")
    for graph in (shared, editor.finish()):
        assert np.array_equal(run(graph)[0], np.maximum(X, 0))


def test_a_graph_in_the_making_has_no_file_and_its_new_tensors_hold_nothing():
    editor = Editor(chain())
    editor.add_tensor("more", (1, 4))
    made = editor.as_graph()
    assert (made.size, made.content) == (0, b"")
    new = made.tensors[-1]
    assert (new.is_variable, new.is_sparse, new.is_constant, new.is_dynamic, new.quant) == (False,) * 4 + (None,)


def relu_alone():
    graph = GraphBuilder()
    return graph.finish([graph.op("RELU", [graph.input((1, 4))], (1, 4))])
