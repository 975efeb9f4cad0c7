import numpy as np

from edgekit.tflite.reader import read_graph
from edgekit.tflite.summary import quantization
from tests.support.build import GraphBuilder, colour_classifier


def test_a_fully_quantized_graph():
    state = quantization(read_graph(colour_classifier("int8")))
    assert (state.kind, state.dtype, state.float_ops, state.casts) == ("full", "int8", (), ())


def test_a_float_graph():
    state = quantization(read_graph(colour_classifier("float32")))
    assert (state.kind, state.dtype, state.float_ops) == ("none", "", (0, 1))


def _with_float_ends(middle):
    graph = GraphBuilder()
    x = graph.input((1, 4))
    q = graph.op("QUANTIZE", [x], (1, 4), "int8", quant=(0.1, 0))
    y = graph.op("LOGISTIC", [q], (1, 4), "int8", quant=(1 / 256, -128))
    y = graph.op("DEQUANTIZE", [y], (1, 4))
    if middle:
        y = graph.op("TANH", [y], (1, 4))
    return read_graph(graph.finish([y]))


def test_float_ends_do_not_make_the_inside_float():
    state = quantization(_with_float_ends(middle=False))
    assert (state.kind, state.dtype, state.float_ops, state.casts) == ("full", "int8", (), (0, 2))


def test_requantizing_is_no_cast():
    graph = GraphBuilder()
    x = graph.input((1, 4), "uint8", quant=(0.1, 0))
    y = graph.op("QUANTIZE", [x], (1, 4), "int8", quant=(0.1, -128))
    state = quantization(read_graph(graph.finish([y])))
    assert (state.kind, state.dtype, state.float_ops, state.casts) == ("full", "int8", (), ())


def test_the_type_of_most_values_counts():
    graph = GraphBuilder()
    x = graph.input((1, 4), "int8", quant=(0.1, 0))
    y = graph.op("LOGISTIC", [x], (1, 4), "int8", quant=(1 / 256, -128))
    y = graph.op("TANH", [y], (1, 4), "int8", quant=(1 / 128, 0))
    z = graph.op("QUANTIZE", [y], (1, 4), "uint8", quant=(1 / 128, 128))
    assert quantization(read_graph(graph.finish([z]))).dtype == "int8"


def test_one_float_op_makes_it_partial_and_is_named():
    state = quantization(_with_float_ends(middle=True))
    assert (state.kind, state.float_ops) == ("partial", (3,))


def test_dynamic_range_is_weights_only():
    graph = GraphBuilder()
    x, w = graph.input((1, 4)), graph.constant(np.ones((2, 4), np.int8), quant=(0.1, 0))
    state = quantization(read_graph(graph.finish([graph.op("FULLY_CONNECTED", [x, w, -1], (1, 2), options={})])))
    assert (state.kind, state.float_ops) == ("weights", (0,))


def test_float16_weights_are_weights_only():
    graph = GraphBuilder()
    x, half = graph.input((1, 4)), graph.constant(np.ones((2, 4), np.float16))
    w = graph.op("DEQUANTIZE", [half], (2, 4))
    state = quantization(read_graph(graph.finish([graph.op("FULLY_CONNECTED", [x, w, -1], (1, 2), options={})])))
    assert (state.kind, state.float_ops) == ("weights", (1,))


def test_float_values_with_a_scale_and_integers_without_one_are_not_quantized():
    graph = GraphBuilder()
    x = graph.input((1, 4), quant=(0.1, 0))
    y = graph.op("TANH", [x], (1, 4), quant=(0.1, 0))
    places = graph.op("ARG_MAX", [y, graph.constant(np.array(1, np.int32))], (1,), "int64", options={})
    state = quantization(read_graph(graph.finish([places])))
    assert (state.kind, state.dtype) == ("none", "")


def test_a_float_constant_is_no_quantized_weight():
    graph = GraphBuilder()
    x, w = graph.input((1, 4)), graph.constant(np.ones((2, 4), np.float32))
    state = quantization(read_graph(graph.finish([graph.op("FULLY_CONNECTED", [x, w, -1], (1, 2), options={})])))
    assert (state.kind, state.float_ops) == ("none", (0,))


def test_an_activation_with_a_scale_is_no_quantized_weight():
    graph = GraphBuilder()
    x = graph.input((1, 4), quant=(0.1, 0))
    assert quantization(read_graph(graph.finish([graph.op("TANH", [x], (1, 4))]))).kind == "none"
