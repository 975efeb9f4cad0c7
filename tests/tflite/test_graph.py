import numpy as np
import pytest

from edgekit.preprocess import InputSpec
from edgekit.tflite.graph import QuantParams, Tensor
from edgekit.tflite.model import Model
from edgekit.tflite.reader import read_graph
from edgekit.tflite.scores import centred, score_tensor
from tests.support.build import GraphBuilder


def tensor(shape, signature=None, constant_bytes=0):
    return Tensor(0, "x", shape, signature or shape, "float32", None, 0, constant_bytes)


def chain(*opcodes):
    """Ops one after the other on one tensor, each named by its place."""
    graph = GraphBuilder()
    x = graph.input((1, 4), name="input")
    for number, opcode in enumerate(opcodes):
        x = graph.op(opcode, [x], (1, 4), name=str(number))
    return read_graph(graph.finish([x]))


def test_ops_are_counted_most_frequent_first_then_by_name():
    found = chain("TANH", "RELU", "LOGISTIC", "RELU", "CUSTOM:mine").op_counts()
    assert list(found.items()) == [("RELU", 2), ("LOGISTIC", 1), ("TANH", 1), ("mine", 1)]


@pytest.mark.parametrize(("shape", "elements"), [((), 1), ((3,), 3), ((2, 3, 4), 24), ((-1, 5), 5), ((0, 5), 5)])
def test_elements_count_unknown_sizes_as_one(shape, elements):
    assert tensor(shape).elements == elements


def test_absurd_sizes_do_not_wrap_around():
    assert tensor((2**31 - 1,) * 3).elements == (2**31 - 1) ** 3


def test_a_tensors_kinds():
    assert tensor((1, 4), (-1, 4)).is_dynamic and not tensor((1, 4)).is_dynamic
    assert tensor((1, 4), constant_bytes=1).is_constant and not tensor((1, 4)).is_constant
    assert QuantParams((1.0, 2.0), (0, 0)).per_channel and not QuantParams((1.0,), (0,)).per_channel


def test_ops_know_their_tensors_and_tensors_their_ops():
    graph = GraphBuilder()
    x, w = graph.input((1, 4)), graph.constant(np.ones((2, 4), np.float32))
    y = graph.op("FULLY_CONNECTED", [x, w, -1], (1, 2), options={})
    z = graph.op("TANH", [y], (1, 2))
    end = graph.op("ADD", [y, z], (1, 2), options={})
    read = read_graph(graph.finish([end]))
    assert [t.index for t in read.op_inputs(read.ops[0])] == [x, w]
    assert [t.index for t in read.op_outputs(read.ops[0])] == [y]
    assert read.producer(y) is read.ops[0] and read.producer(x) is None and read.producer(w) is None
    assert [op.opcode for op in read.consumers(y)] == ["TANH", "ADD"] and read.consumers(end) == ()


@pytest.mark.parametrize(
    ("opcodes", "name"),
    [
        (("TANH", "SOFTMAX"), "0"),
        (("TANH", "LOGISTIC"), "0"),
        (("TANH", "SOFTMAX", "QUANTIZE"), "0"),
        (("TANH", "DEQUANTIZE"), "0"),
        (("SOFTMAX", "TANH"), "1"),
        (("SOFTMAX",), "input"),
    ],
)
def test_classes_are_decided_by_what_the_last_softmax_reads(opcodes, name):
    assert score_tensor(chain(*opcodes)).name == name


def test_what_is_printed_of_a_graph_holds_none_of_its_bytes():
    graph = chain("TANH")
    assert "TFL3" not in repr(graph) and len(repr(graph)) < 1500
    assert "tensors" not in repr(Model(graph, InputSpec(8, 8)))


def test_scores_are_centred_over_the_classes():
    found = centred(np.array([[1.0, 2.0, 6.0], [0.0, 0.0, 0.0]]))
    assert found.tolist() == [[-2.0, -1.0, 3.0], [0.0, 0.0, 0.0]]
    assert centred(np.array([1.0, 3.0])).tolist() == [-1.0, 1.0]
    assert centred(np.array([[5.0]])).tolist() == [[5.0]]
