import numpy as np
import pytest

from edgekit.tflite import read_graph
from edgekit.tflite.patterns import (
    affine_step,
    cast_to_bytes,
    computed_by,
    excitations,
    first_conv,
    is_sigmoid,
    same_size,
    score_head,
    swishes,
)
from edgekit.tflite.scores import centred, score_tensor
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


@pytest.mark.parametrize(
    ("size", "signature", "opcode", "dtype", "found"),
    [
        (4, None, "RESIZE_BILINEAR", "float32", True),
        (4, None, "RESIZE_NEAREST_NEIGHBOR", "float32", True),
        (5, None, "RESIZE_BILINEAR", "float32", False),
        (4, (1, -1, -1, 3), "RESIZE_BILINEAR", "float32", False),
        (4, None, "RESIZE_BILINEAR", "int8", False),
        (4, None, "MAX_POOL_2D", "float32", False),
    ],
)
def test_resizing_to_the_size_that_an_image_has(size, signature, opcode, dtype, found):
    graph = GraphBuilder()
    x = graph.input((1, 4, 4, 3), signature=signature)
    y = graph.op(opcode, [x, graph.constant(np.array([size, size], np.int32))], (1, size, size, 3), dtype, options={})
    read = read_graph(graph.finish([graph.op("TANH", [y], (1, size, size, 3))]))
    assert (same_size(read, x) is not None) is found


@pytest.mark.parametrize(
    ("opcodes", "dtypes", "found"),
    [
        (("CAST", "CAST"), ("float32", "uint8", "float32"), True),
        (("CAST", "CAST"), ("float32", "int8", "float32"), False),
        (("CAST", "CAST"), ("int32", "uint8", "float32"), False),
        (("CAST", "CAST"), ("float32", "uint8", "float16"), False),
        (("CAST", "TANH"), ("float32", "uint8", "float32"), False),
        (("TANH", "CAST"), ("float32", "uint8", "float32"), False),
    ],
)
def test_casts_to_bytes_and_back(opcodes, dtypes, found):
    graph = GraphBuilder()
    x = y = graph.input((1, 4), dtypes[0])
    for opcode, dtype in zip(opcodes, dtypes[1:]):
        y = graph.op(opcode, [y], (1, 4), dtype, options={} if opcode == "CAST" else None)
    read = read_graph(graph.finish([graph.op("ABS", [y], (1, 4), dtypes[2], options={})]))
    assert [op.opcode for op in cast_to_bytes(read, x)] == (["CAST", "CAST"] if found else [])


def test_casts_whose_bytes_are_read_by_others_or_that_end_the_graph_stay():
    graph = GraphBuilder()
    x = graph.input((1, 4))
    there = graph.op("CAST", [x], (1, 4), "uint8", options={})
    back = graph.op("CAST", [there], (1, 4), options={})
    assert cast_to_bytes(read_graph(graph.finish([back])), x) == ()
    other = graph.op("CAST", [there], (1, 4), "int32", options={})
    end = graph.op("TANH", [back], (1, 4))
    assert cast_to_bytes(read_graph(graph.finish([end, other])), x) == ()


def test_an_affine_step_reads_one_value_and_a_float_constant_alone():
    graph = GraphBuilder()
    x, other = graph.input((1, 4)), graph.input((1, 4), name="other")
    y = graph.op("ADD", [x, other], (1, 4), options={})
    assert affine_step(read_graph(graph.finish([graph.op("TANH", [y], (1, 4))])), x) is None
    graph = head("ADD", 1)
    assert affine_step(graph, graph.outputs[0]) is None  # which nothing reads


@pytest.mark.parametrize(
    ("gate", "whole", "pool", "found"),
    [
        ((1, 1, 1, 4), (1, 4, 4, 4), "MEAN", True),
        ((1, 4), (1, 4, 4, 4), "MEAN", True),
        ((1, 1, 1, 4), (1, 1, 1, 4), "MEAN", False),  # nothing is squeezed
        ((1, 1, 1, 1), (1, 4, 4, 4), "MEAN", False),  # one number for all channels
        ((1, 4), (1, 16, 4), "MEAN", False),  # no image
        ((1, 1, 1, 4), (1, 4, 4, 4), "REDUCE_MAX", False),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_an_excitation_multiplies_channels_by_what_their_means_say(gate, whole, pool, found, first):
    graph = GraphBuilder()
    x = graph.op("TANH", [graph.input(whole)], whole)
    axes = graph.constant(np.array([1, 2], np.int32))
    g = graph.op("LOGISTIC", [graph.op(pool, [x, axes], gate, options={})], gate)
    product = graph.op("MUL", [g, x] if first else [x, g], whole, options={})
    blocks = list(excitations(read_graph(graph.finish([product]))))
    assert [(block.whole, block.gate) for block in blocks] == ([(x, g)] if found else [])


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize(
    ("readers", "dtype", "found"), [(1, np.float32, True), (2, np.float32, False), (1, np.int8, False)]
)
def test_the_first_convolution_reads_the_image_alone_with_float_weights(padded, readers, dtype, found):
    graph = GraphBuilder()
    x = source = graph.input((1, 4, 4, 3))
    if padded:
        source = graph.op("PAD", [x, graph.constant(np.zeros((4, 2), np.int32))], (1, 4, 4, 3), options={})
    weights = graph.constant(np.ones((3, 1, 1, 3), dtype))
    options = {"padding": 0, "strideW": 1, "strideH": 1}
    ends = [graph.op("CONV_2D", [source, weights, -1], (1, 4, 4, 3), options=options) for _ in range(readers)]
    op = first_conv(read_graph(graph.finish(ends)), x, 3)
    assert (op.opcode if op else None) == ("CONV_2D" if found else None)


def test_scores_may_be_sought_from_any_tensor():
    graph = tail("SOFTMAX TANH RESHAPE")
    softmax = next(op for op in graph.ops if op.opcode == "SOFTMAX")
    found = score_head(graph, softmax.outputs[0])
    assert (graph.tensors[found.scores].name, found.normalizer) == ("logits", "SOFTMAX")


@pytest.mark.parametrize("shape", [(1, 6), (1, 1, 6), (6,)])
def test_scores_are_centred_over_their_classes(shape):
    scores = np.array([1, 2, 3, 4, 5, 9], np.float32).reshape(shape)
    np.testing.assert_allclose(centred(scores).ravel(), [-3, -2, -1, 0, 1, 5])
    np.testing.assert_array_equal(centred(np.array([[3.0]])), [[3.0]])
    np.testing.assert_allclose(centred(np.array([[3.0, 5.0], [0.0, 8.0]])), [[-1, 1], [-4, 4]])


def test_the_first_output_is_the_classifier():
    net = Tail().step("SOFTMAX")
    other = net.op("TANH", [net.end], (1, CLASSES))
    graph = read_graph(net.finish([net.end, other]))
    assert (score_head(graph).normalizer, score_tensor(graph).name) == ("SOFTMAX", "logits")
