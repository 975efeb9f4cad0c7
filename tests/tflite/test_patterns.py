import numpy as np
import pytest

from edgekit.tflite import read_graph
from edgekit.tflite.patterns import affine_step, computed_by, excitations, first_conv, is_sigmoid, score_head, swishes
from edgekit.tflite.scores import score_tensor
from tests.support.build import GraphBuilder
from tests.support.gated_net import Net

CLASSES = 6


class Tail(GraphBuilder):
    """A layer of weights, "logits" (1, 6), and steps behind it."""

    def __init__(self):
        super().__init__()
        x = self.input((1, 4))
        weights = self.constant(np.eye(CLASSES, 4, dtype=np.float32), name="weights")
        self.end = self.op("FULLY_CONNECTED", [x, weights, -1], (1, CLASSES), options={}, name="logits")
        self.shape, self.steps = (1, CLASSES), 0

    def step(self, opcode):
        self.steps += 1
        inputs, dtype, quant, options = [self.end], "float32", None, None
        if opcode in ("RESHAPE", "EXPAND_DIMS"):
            self.shape = (1, *self.shape) if opcode == "EXPAND_DIMS" else (1, 1, 1, CLASSES)
            value = np.array(0 if opcode == "EXPAND_DIMS" else self.shape, np.int32)
            inputs.append(self.constant(value, name=f"sizes{self.steps}"))
            options = {}
        if opcode == "ROWS":
            opcode, self.shape, options = "RESHAPE", (1, 3, 2), {}
            inputs.append(self.constant(np.array(self.shape, np.int32), name=f"sizes{self.steps}"))
        if opcode == "SQUEEZE":
            self.shape, options = (CLASSES,), {}
        if opcode == "SOFTMAX":
            options = {"beta": 1.0}
        if opcode == "QUANTIZE":
            dtype, quant, options = "int8", (1 / 256, -128), {}
        if opcode == "DEQUANTIZE":
            options = {}
        self.end = self.op(opcode, inputs, self.shape, dtype, quant=quant, options=options, name=f"step{self.steps}")
        return self


def tail(steps):
    net = Tail()
    for opcode in steps.split():
        net.step(opcode)
    return read_graph(net.finish([net.end]))


@pytest.mark.parametrize(
    ("steps", "normalizer"),
    [
        ("", ""),
        ("SOFTMAX", "SOFTMAX"),
        ("RESHAPE SOFTMAX", "SOFTMAX"),
        ("SOFTMAX RESHAPE", "SOFTMAX"),
        ("SOFTMAX RESHAPE SQUEEZE EXPAND_DIMS", "SOFTMAX"),
        ("RESHAPE SOFTMAX SQUEEZE", "SOFTMAX"),
        ("LOGISTIC RESHAPE", "LOGISTIC"),
        ("EXPAND_DIMS LOGISTIC SQUEEZE", "LOGISTIC"),
        ("SOFTMAX QUANTIZE RESHAPE DEQUANTIZE", "SOFTMAX"),
        ("RESHAPE SQUEEZE", ""),
    ],
)
def test_the_same_function_has_the_same_scores_however_it_is_written(steps, normalizer):
    graph = tail(steps)
    assert score_tensor(graph).name == "logits"
    assert score_head(graph).normalizer == normalizer


@pytest.mark.parametrize(("steps", "name"), [("TANH", "step1"), ("SOFTMAX TANH RESHAPE", "step2"), ("RELU", "step1")])
def test_scores_are_sought_no_further_than_what_keeps_their_order(steps, name):
    assert (score_tensor(tail(steps)).name, score_head(tail(steps)).normalizer) == (name, "")


def test_a_softmax_of_rows_is_not_looked_through():
    """Which of all numbers is the largest depends on their rows."""
    graph = tail("ROWS SOFTMAX RESHAPE")
    assert score_tensor(graph).name == "step2" and score_head(graph).normalizer == "SOFTMAX"


def test_an_op_is_found_behind_those_that_hand_its_values_on():
    graph = tail("TANH RESHAPE SQUEEZE")
    assert computed_by(graph, graph.outputs[0]).opcode == "TANH"
    assert computed_by(graph, graph.inputs[0]) is None


@pytest.mark.parametrize("parts", [False, True], ids=["a mean", "a mean of means"])
def test_swishes_and_gates_of_a_block(parts):
    graph = read_graph(Net(parts=parts).content)
    found = list(swishes(graph))
    assert [graph.tensors[swish.x].name for swish in found] == ["x"]
    assert is_sigmoid(graph, found[0].sigmoid.outputs[0]) and not is_sigmoid(graph, found[0].x)
    (block,) = excitations(graph)
    assert graph.tensors[block.whole].shape[-1] == graph.tensors[block.gate].elements


def head(opcode, value, *, first=True, activation=0, reader="TANH"):
    graph = GraphBuilder()
    x = graph.input((1, 4, 4, 3))
    constant = graph.constant(np.array(value, np.float32))
    inputs = [x, constant] if first else [constant, x]
    options = {} if opcode == "MAXIMUM" else {"fusedActivationFunction": activation}
    y = graph.op(opcode, inputs, (1, 4, 4, 3), options=options)
    return read_graph(graph.finish([graph.op(reader, [y], (1, 4, 4, 3))]))


@pytest.mark.parametrize(
    ("opcode", "value", "first", "gain", "offset"),
    [
        ("MUL", 0.5, True, 0.5, 0),
        ("MUL", [1, 2, 3], False, [1, 2, 3], 0),
        ("ADD", [1, 2, 3], False, 1, [1, 2, 3]),
        ("SUB", 4, True, 1, -4),
        ("SUB", 4, False, -1, 4),
        ("DIV", 4, True, 0.25, 0),
    ],
)
def test_affine_steps_are_what_they_compute(opcode, value, first, gain, offset):
    graph = head(opcode, value, first=first)
    found = affine_step(graph, graph.inputs[0]).per_channel(3)
    np.testing.assert_allclose(found, [np.broadcast_to(gain, 3), np.broadcast_to(offset, 3)])


@pytest.mark.parametrize(
    "graph",
    [head("DIV", 4, first=False), head("DIV", 0), head("MUL", 1, activation=1), head("MAXIMUM", 1)],
    ids=["1/x", "x/0", "relu", "maximum"],
)
def test_other_steps_are_not_affine(graph):
    assert affine_step(graph, graph.inputs[0]) is None


def test_a_step_that_differs_from_place_to_place_has_no_value_per_channel():
    graph = head("SUB", np.ones((4, 4, 3)))
    assert affine_step(graph, graph.inputs[0]).per_channel(3) is None


@pytest.mark.parametrize(("channels", "found"), [(3, True), (1, False)])
def test_the_first_convolution_is_that_of_all_channels(channels, found):
    graph = GraphBuilder()
    x = graph.input((1, 4, 4, 3))
    weights = graph.constant(np.ones((3, 1, 1, channels), np.float32))
    bias = graph.constant(np.zeros(3, np.float32), name="bias")
    options = {"padding": 0, "strideW": 1, "strideH": 1}
    y = graph.op("CONV_2D", [x, weights, bias], (1, 4, 4, 3), options=options)
    read = read_graph(graph.finish([y]))
    assert (first_conv(read, x, 3) is not None) is found
