import numpy as np
import pytest

from edgekit.errors import ModelFormatError
from edgekit.tflite.checks import check_graph
from edgekit.tflite.reader import read_graph
from tests.support.build import GraphBuilder


def _refused(graph, outputs, reason):
    with pytest.raises(ModelFormatError, match=reason):
        check_graph(read_graph(graph.finish(outputs)))


def _passes(graph, outputs):
    check_graph(read_graph(graph.finish(outputs)))


def _softmax(graph, x, shape=(1, 4), dtype="float32"):
    return graph.op("SOFTMAX", [x], shape, dtype, options={"beta": 1.0})


def test_a_sound_graph_passes():
    graph = GraphBuilder()
    y = _softmax(graph, graph.input((1, 4)))
    _passes(graph, [y])


def test_an_op_that_reads_what_no_op_computed():
    graph = GraphBuilder()
    graph.input((1, 4))
    _refused(graph, [_softmax(graph, graph.tensor((1, 4)))], "not computed before")


def test_ops_in_the_wrong_order():
    graph = GraphBuilder()
    x, middle = graph.input((1, 4)), graph.tensor((1, 4))
    y = _softmax(graph, middle)
    graph.raw_op("SOFTMAX", [x], [middle], options={"beta": 1.0})
    _refused(graph, [y], "op 0 .SOFTMAX. reads tensor 1")


def test_a_tensor_computed_twice():
    graph = GraphBuilder()
    x = graph.input((1, 4))
    y = _softmax(graph, x)
    graph.raw_op("SOFTMAX", [x], [y], options={"beta": 1.0})
    _refused(graph, [y], "computed before")


def test_an_op_that_writes_a_constant():
    graph = GraphBuilder()
    x, y = graph.input((1, 4)), graph.constant(np.zeros((1, 4), np.float32))
    graph.raw_op("SOFTMAX", [x], [y], options={"beta": 1.0})
    _refused(graph, [y], "which is a constant")


def test_an_input_that_is_a_constant():
    graph = GraphBuilder()
    x = graph.constant(np.zeros((1, 4), np.float32))
    graph.graph.inputs.append(x)
    _refused(graph, [_softmax(graph, x)], "input tensor 0 is a constant")


def test_an_output_that_no_op_computes():
    graph = GraphBuilder()
    _softmax(graph, graph.input((1, 4)))
    _refused(graph, [graph.tensor((1, 4))], "computed by no op")


def test_a_required_input_left_out():
    graph = GraphBuilder()
    x = graph.input((1, 4))
    _refused(graph, [graph.op("CONCATENATION", [x, -1], (1, 8), options={"axis": 1})], "lacks its input 1")


def test_a_bias_left_out_is_allowed():
    graph = GraphBuilder()
    x, w = graph.input((1, 4)), graph.constant(np.zeros((2, 4), np.float32))
    _passes(graph, [graph.op("FULLY_CONNECTED", [x, w, -1], (1, 2), options={})])


def test_a_missing_weight_is_not():
    graph = GraphBuilder()
    x = graph.input((1, 4))
    _refused(graph, [graph.op("FULLY_CONNECTED", [x, -1], (1, 2), options={})], "lacks its input 1")


@pytest.mark.parametrize("scale", [-0.1, 0.0, 1e-40, 4e-24, 4.3e7, float("nan"), float("inf")])
def test_scales_that_cannot_be(scale):
    graph = GraphBuilder()
    x = graph.input((1, 4), "int8", quant=(scale, 0))
    _refused(graph, [_softmax(graph, x, dtype="int8")], "has the scale")


def test_weights_of_dead_channels_pass():
    graph = GraphBuilder()
    x = graph.input((1, 4), "int8", quant=(0.1, 0))
    w = graph.constant(np.zeros((2, 4), np.int8), quant=([1e-15, 0.0], [0, 0], 0))
    _passes(graph, [graph.op("FULLY_CONNECTED", [x, w, -1], (1, 2), "int8", quant=(0.1, 0), options={})])


def test_8_bit_arithmetic_without_a_scale():
    graph = GraphBuilder()
    x = graph.input((1, 4), "int8", quant=(0.1, 0))
    _refused(graph, [graph.op("ADD", [x, x], (1, 4), "int8", options={})], "without a scale")


def test_negative_sizes():
    graph = GraphBuilder()
    _refused(graph, [_softmax(graph, graph.input((1, -4)))], "has the shape")


@pytest.mark.parametrize("opcode", ["ADD", "MUL"])
def test_elementwise_ops_that_mix_types(opcode):
    graph = GraphBuilder()
    x = graph.input((1, 4), "int8", quant=(1.0, 0))
    _refused(graph, [graph.op(opcode, [x, x], (1, 4), "float32", options={})], "mixes the types float32, int8")


def test_reshaping_into_another_number_of_elements():
    graph = GraphBuilder()
    x, shape = graph.input((1, 8)), graph.constant(np.array([1, 4], np.int32))
    _refused(graph, [graph.op("RESHAPE", [x, shape], (1, 4), options={"newShape": [1, 4]})], "8 elements into 4")


def test_reshaping_of_a_size_unknown_until_run_time_passes():
    graph = GraphBuilder()
    x = graph.input((1, 8), signature=(-1, 8))
    shape = graph.constant(np.array([-1, 4], np.int32))
    _passes(graph, [graph.op("RESHAPE", [x, shape], (1, 4), options={"newShape": [-1, 4]})])


def test_a_constant_shorter_than_its_shape():
    graph = GraphBuilder()
    x, w = graph.input((1, 4)), graph.constant(np.zeros((2, 4), np.float32))
    graph.graph.tensors[w].shape = np.array([3, 4], np.int32)
    _refused(graph, [graph.op("FULLY_CONNECTED", [x, w, -1], (1, 3), options={})], "needs 48 bytes")


def test_a_tensor_index_that_does_not_exist():
    graph = GraphBuilder()
    x = graph.input((1, 4))
    _refused(graph, [graph.op("ADD", [x, 99], (1, 4), options={})], "names tensor 99")


def test_a_tensor_larger_than_any_machine():
    graph = GraphBuilder()
    shape = (1, 1 << 20, 1 << 20, 1 << 30)  # whose product is 0 in 64 bits
    _refused(graph, [_softmax(graph, graph.input(shape), shape)], "tensor 0 claims the size")
