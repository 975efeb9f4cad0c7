"""The schema's tree of a file, changed: read back by the schema and run by an interpreter."""

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from edgekit.errors import ModelError
from edgekit.tflite import read_graph, tree
from edgekit.tflite.editor import Editor
from edgekit.tflite.expose import exposed
from edgekit.tflite.part import extract
from edgekit.tflite.signatures import signatures, signed
from edgekit.tflite.unquantized import float_part
from tests.support.build import GraphBuilder

X = np.array([[-2, -1, 0.5, 3]], np.float32)


def two_ends():
    """Two inputs and two outputs, in an order that is not that of the tensors."""
    graph = GraphBuilder()
    first, second = graph.input((1, 4), name="first"), graph.input((1, 4), name="second")
    y = graph.op("RELU", [first], (1, 4), name="y")
    z = graph.op("TANH", [second], (1, 4), name="z")
    graph.graph.inputs = [second, first]
    return graph.finish([z, y])


def with_second_subgraph(content=None):
    """A file whose other graph reads a constant of its own, and is called by nothing."""
    model = tree.unpack(content or two_ends())
    other, buffer = schema.SubGraphT(), tree.add_buffer(model, np.full(4, 7, np.float32).tobytes())
    tensors = [schema.TensorT() for _ in range(2)]
    for tensor, place in zip(tensors, (buffer, 0)):
        tensor.name, tensor.shape, tensor.type, tensor.buffer = b"other", np.array([1, 4], np.int32), 0, place
    other.tensors, other.inputs, other.outputs = tensors, np.zeros(0, np.int32), np.array([1], np.int32)
    op = schema.OperatorT()
    op.opcodeIndex, op.inputs, op.outputs = 0, np.array([0], np.int32), np.array([1], np.int32)
    other.operators = [op]
    model.subgraphs.append(other)
    return tree.pack(model), buffer


def test_a_signature_names_the_first_input_and_the_first_output():
    content = signed(two_ends())
    graph = read_graph(content)
    assert signatures(content) == {"serving_default": {"scores": graph.outputs[0]}}
    run = Interpreter(model_content=content).get_signature_runner()
    np.testing.assert_allclose(run(image=X)["scores"], np.tanh(X), rtol=1e-5)


def test_a_signature_whose_names_are_no_text_is_read_all_the_same():
    model = tree.unpack(signed(two_ends()))
    model.signatureDefs[0].signatureKey, model.signatureDefs[0].outputs[0].name = b"caf\xe9", b"\xe9"
    ((key, outputs),) = tree.signatures(model).items()
    assert (key, list(outputs)) == ("caf\ufffd", ["\ufffd"])


def test_a_new_signature_takes_the_place_of_others_and_those_of_other_subgraphs_are_not_told():
    model = tree.unpack(signed(with_second_subgraph()[0]))
    elsewhere, nameless = (tree.copied(model.signatureDefs[0]) for _ in range(2))
    elsewhere.subgraphIndex, elsewhere.signatureKey = 1, b"other"
    nameless.signatureKey = None
    model.signatureDefs += [elsewhere, nameless]
    assert list(tree.signatures(model)) == ["serving_default"]
    assert list(signatures(signed(tree.pack(model)))) == ["serving_default"]
    assert len(tree.unpack(signed(tree.pack(model))).signatureDefs) == 1


def test_constants_of_other_subgraphs_stay():
    content, buffer = with_second_subgraph()
    editor = Editor(read_graph(content))
    editor.drop_constants(())
    assert bytes(tree.unpack(editor.content()).buffers[buffer].data) == np.full(4, 7, np.float32).tobytes()
    editor = Editor(read_graph(content))
    editor.remove(editor.ops[1:])
    editor.set_inputs(editor.ops[0].inputs)
    editor.set_outputs(editor.ops[0].outputs)
    editor.drop_unused()
    assert [tensor.name for tensor in editor.finish().tensors] == ["first", "y"]
    assert bytes(tree.unpack(editor.content()).buffers[buffer].data) == np.full(4, 7, np.float32).tobytes()


def test_constants_that_no_kept_tensor_uses_are_emptied():
    graph = GraphBuilder()
    x, one, two = graph.input((1, 4)), *(graph.constant(np.full((1, 4), n, np.float32)) for n in (1, 2))
    read = read_graph(graph.finish([graph.op("ADD", [x, one], (1, 4), options={})]))
    editor = Editor(read)
    editor.drop_constants([one])
    sizes = [tensor.constant_bytes for tensor in editor.finish().tensors]
    assert (sizes[one], sizes[two]) == (16, 0)


@pytest.mark.parametrize("first", [1, 2])
def test_versions_of_ops_in_other_subgraphs_stay(first):
    content, _ = with_second_subgraph()
    model = tree.unpack(content)
    tree.set_versions(model, (first, 5))
    versions = [
        [model.operatorCodes[op.opcodeIndex].version for op in subgraph.operators] for subgraph in model.subgraphs
    ]
    assert versions == [[first, 5], [1]]
    assert len(model.operatorCodes) == 1 + len({first, 1})


def test_ops_of_one_kind_and_version_share_a_code():
    graph = GraphBuilder()
    x = graph.input((1, 4))
    y = graph.op("TANH", [graph.op("RELU", [graph.op("TANH", [x], (1, 4))], (1, 4))], (1, 4))
    model = tree.unpack(graph.finish([y]))
    for op, place in zip(model.subgraphs[0].operators, (0, 1, 0)):
        op.opcodeIndex = place
    tree.set_versions(model, (1, 2, 1))
    assert [op.opcodeIndex for op in model.subgraphs[0].operators] == [0, 1, 0]
    assert [code.version for code in model.operatorCodes] == [1, 2]


def test_a_new_op_shares_the_code_of_its_kind():
    model = tree.new_model()
    kinds = ("RELU", "TANH", "RELU")
    graph = read_graph(two_ends())
    relu, tanh = graph.ops
    ops = {"RELU": relu, "TANH": tanh}
    assert [tree.new_op(model, ops[kind]).opcodeIndex for kind in kinds] == [0, 1, 0]
    assert [code.version for code in model.operatorCodes] == [1, 1]


def test_a_new_model_is_what_the_format_asks_for():
    model = tree.new_model()
    assert (model.version, len(model.subgraphs), len(model.buffers), model.buffers[0].data) == (3, 1, 1, None)


@pytest.mark.parametrize(("opcode", "narrow"), [("TANH", 28), ("GELU", 127)])
def test_packed_op_codes_are_in_the_narrow_field_too_where_they_fit(opcode, narrow):
    graph = GraphBuilder()
    y = graph.op(opcode, [graph.input((1, 4))], (1, 4))
    model = tree.unpack(graph.finish([y]))
    model.operatorCodes[0].deprecatedBuiltinCode = 0
    assert schema.Model.GetRootAs(tree.pack(model), 0).OperatorCodes(0).DeprecatedBuiltinCode() == narrow


def test_metadata_of_one_name_is_kept_once():
    model = tree.unpack(two_ends())
    for record in (b"first", b"second"):
        tree.set_metadata(model, "notes", record)
    tree.set_metadata(model, "more", b"third")
    kept = {(entry.name if isinstance(entry.name, str) else entry.name.decode()): entry for entry in model.metadata}
    assert {name: bytes(model.buffers[entry.buffer].data) for name, entry in kept.items()} == {
        "notes": b"second",
        "more": b"third",
    }
    assert len(model.metadata) == 2


def test_tensors_that_nothing_uses_go_and_the_others_keep_their_order():
    graph = GraphBuilder()
    graph.constant(np.zeros(4, np.float32), name="unused")
    x = graph.input((1, 4), name="x")
    bias = graph.constant(np.ones((1, 4), np.float32), name="one")
    y = graph.op("FULLY_CONNECTED", [x, graph.constant(np.eye(4, dtype=np.float32), name="w"), -1], (1, 4), options={})
    z = graph.op("ADD", [y, bias], (1, 4), options={}, name="z")
    model = tree.unpack(graph.finish([z]))
    places = tree.drop_unused(model)
    assert places == {-1: -1, x: 0, bias: 1, bias + 1: 2, y: 3, z: 4}
    read = read_graph(tree.pack(model))
    assert [tensor.name for tensor in read.tensors] == ["x", "one", "w", "tensor_4", "z"]
    assert (read.inputs, read.outputs, read.ops[0].inputs) == ((0,), (4,), (0, 2, -1))
    assert [model.buffers[place].data is None for place in range(4)] == [True, True, False, False]


def quantized_chain(dtype="int8"):
    """float → int8 → tanh(w·x + b) → float, quantized finely; the graph's tensor 0 is an output of an op."""
    graph = GraphBuilder()
    end = graph.tensor((1, 3), name="end")
    x = graph.input((1, 4), name="x")
    q = graph.op("QUANTIZE", [x], (1, 4), dtype, quant=(1 / 32, 0), options={}, name="q")
    weights = np.array([[64, 0, 0, 0], [0, -32, 0, 0], [0, 0, 64, 32]], np.int8)
    w = graph.constant(weights, quant=([1 / 64, 1 / 32, 1 / 64], [0, 0, 0], 0), name="w")
    bias = graph.constant(np.array([0, 1024, -2048], np.int32), quant=([1 / 2048, 1 / 1024, 1 / 2048], [0] * 3, 0))
    y = graph.op("FULLY_CONNECTED", [q, w, bias], (1, 3), dtype, quant=(1 / 16, 0), options={}, name="y")
    t = graph.op("TANH", [y], (1, 3), dtype, quant=(1 / 128, 0), name="t")
    graph.raw_op("DEQUANTIZE", [t], [end], options={})
    return read_graph(graph.finish([end]))


def _answer(graph, value=X):
    model = Interpreter(model_content=graph.content)
    model.allocate_tensors()
    model.set_tensor(model.get_input_details()[0]["index"], value)
    model.invoke()
    return model.get_tensor(model.get_output_details()[0]["index"])


def test_a_part_in_float_computes_what_the_integers_stand_for():
    graph = quantized_chain()
    part = float_part(graph, graph.inputs, graph.outputs)
    assert [op.opcode for op in part.ops] == ["FULLY_CONNECTED", "TANH"]
    assert {tensor.dtype for tensor in part.tensors} == {"float32"}
    expected = np.tanh([[X[0, 0], -X[0, 1] + 1, X[0, 2] + X[0, 3] / 2 - 1]])
    np.testing.assert_allclose(_answer(part), expected, rtol=1e-5)


def test_an_input_that_is_left_out_is_left_out_in_float_too():
    """Here the last tensor, which -1 would stand for, is quantized."""
    graph = GraphBuilder()
    x = graph.input((1, 2), "int8", quant=(0.5, 0), name="x")
    y = graph.tensor((1, 2), "int8", quant=(0.5, 0), name="y")
    weights = graph.constant(np.array([[2, 0], [0, 4]], np.int8), quant=(0.5, 0), name="w")
    graph.raw_op("FULLY_CONNECTED", [x, weights, -1], [y], options={})
    part = float_part(read_graph(graph.finish([y])), [x], [y])
    assert part.ops[0].inputs[2:] == (-1,)
    np.testing.assert_array_equal(_answer(part, np.array([[3, 5]], np.float32)), [[3, 10]])


def test_a_part_in_float_starts_and_ends_where_it_is_told():
    graph = quantized_chain()
    names = {tensor.name: tensor.index for tensor in graph.tensors}
    part = float_part(graph, [names["y"]], [names["t"]])
    assert [op.opcode for op in part.ops] == ["TANH"] and not part.metadata
    value = np.array([[-1, 0, 2]], np.float32)
    np.testing.assert_allclose(_answer(part, value), np.tanh(value), rtol=1e-5)


def test_float16_weights_stay_with_their_cast():
    graph = GraphBuilder()
    x, half = graph.input((1, 4)), graph.constant(np.eye(4).astype(np.float16) * 2)
    w = graph.op("DEQUANTIZE", [half], (4, 4), options={})
    y = graph.op("FULLY_CONNECTED", [x, w, -1], (1, 4), options={})
    part = float_part(read_graph(graph.finish([y])), [x], [y])
    assert [op.opcode for op in part.ops] == ["DEQUANTIZE", "FULLY_CONNECTED"]
    np.testing.assert_allclose(_answer(part), 2 * X)


def test_float_weights_with_a_scale_are_taken_as_they_are():
    graph = GraphBuilder()
    x, w = graph.input((1, 4)), graph.constant(3 * np.eye(4, dtype=np.float32), quant=(0.5, 0))
    y = graph.op("FULLY_CONNECTED", [x, w, -1], (1, 4), options={})
    np.testing.assert_allclose(_answer(float_part(read_graph(graph.finish([y])), [x], [y])), 3 * X)


def test_the_first_tensor_may_be_an_ops_output_and_a_parts_weights_stay():
    graph = quantized_chain()
    assert graph.outputs == (0,) and graph.op_outputs(graph.ops[-1])[0].name == "end"
    part = extract(graph, graph.inputs, graph.outputs)
    np.testing.assert_allclose(_answer(part), _answer(graph))
    with pytest.raises(ModelError, match="also needs tensor 1 "):
        extract(graph, [], [0])


def test_an_input_that_is_left_out_needs_no_tensor():
    graph = GraphBuilder()
    w = graph.constant(np.eye(4, dtype=np.float32))
    x = graph.input((1, 4))
    y = graph.op("FULLY_CONNECTED", [x, w, -1], (1, 4), options={})
    unused = graph.constant(np.zeros(1000, np.float32))
    read = read_graph(graph.finish([y]))
    part = extract(read, [x], [y])
    assert [part.tensors[index].constant_bytes for index in (w, unused)] == [64, 0]
    assert [tensor.index for tensor in read.op_inputs(read.ops[0])] == [x, w]


def test_exposed_tensors_are_those_of_the_main_subgraph():
    graph = read_graph(with_second_subgraph()[0])
    again = read_graph(exposed(graph, [graph.outputs[1]]).content)
    assert (again.outputs, again.subgraphs) == ((graph.outputs[1],), 2)
    assert list(tree.unpack(again.content).subgraphs[1].outputs) == [1]


def test_a_part_in_float_may_begin_at_the_first_tensor():
    graph = GraphBuilder()
    x = graph.input((1, 4), "int8", quant=(1 / 32, 0))
    assert x == 0
    part = float_part(read_graph(graph.finish([graph.op("TANH", [x], (1, 4), "int8", quant=(1 / 128, 0))])), [x], [1])
    np.testing.assert_allclose(_answer(part), np.tanh(X), rtol=1e-5)
