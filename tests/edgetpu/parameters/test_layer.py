"""What a layer gives to a compiled file, against the kernels' own arithmetic and by hand."""

import numpy as np
import pytest

from edgekit.devices.interpreter import open_interpreter
from edgekit.edgetpu.parameters.layer import has_biases, has_multipliers, layer_parameters
from edgekit.tflite.reader import read_graph
from tests.support.build import GraphBuilder

RNG = np.random.default_rng(0)
PLAIN = {"padding": 1, "strideW": 1, "strideH": 1, "dilationWFactor": 1, "dilationHFactor": 1}


def layer_of(opcode, source, weights, target, *, bias=None, quant=(0.25, 0), options=PLAIN, reshaped=(), made=(2.0, 0)):
    """The graph of one layer, of input scale 0.5, and its parameters."""
    g = GraphBuilder()
    inputs = [g.input(source, "int8", quant=(0.5, 0)), g.constant(weights, quant=quant)]
    if bias is not None:
        inputs.append(g.constant(np.array(bias, np.int32)))
    y = g.op(opcode, inputs, target, "int8", quant=made, options=options)
    ends = [g.op("RESHAPE", [y], shape, "int8", quant=made, options={"newShape": list(shape)}) for shape in reshaped]
    graph = read_graph(g.finish(ends or [y]))
    return graph, layer_parameters(graph, graph.ops[0])


def met(source, kernel, options):
    """Which places of a kernel make a difference to a kernel's answers, one channel asking for each; output size."""
    g, places = GraphBuilder(), kernel[0] * kernel[1]
    x = g.input((1, *source, places))
    weights = g.constant(np.eye(places, dtype=np.float32).reshape(1, *kernel, places))
    bias = g.constant(np.zeros(places, np.float32))
    options = {**options, "padding": 0, "depthMultiplier": 1}
    sides = (-(-source[0] // options["strideH"]), -(-source[1] // options["strideW"]))
    y = g.op("DEPTHWISE_CONV_2D", [x, weights, bias], (1, *sides, places), options=options)
    interpreter = open_interpreter(g.finish([y]))
    interpreter.set_tensor(x, np.ones((1, *source, places), np.float32))
    interpreter.invoke()
    return interpreter.get_tensor(y).any(axis=(0, 1, 2)).reshape(kernel), sides


@pytest.mark.parametrize(
    ("source", "kernel", "stride", "dilation"),
    [
        ((1, 1), (3, 3), (1, 1), (1, 1)),
        ((1, 2), (3, 5), (1, 1), (1, 1)),
        ((2, 3), (5, 5), (2, 2), (1, 1)),
        ((2, 2), (3, 3), (2, 1), (1, 1)),
        ((4, 3), (2, 4), (1, 2), (1, 1)),
        ((3, 2), (3, 3), (1, 1), (2, 3)),
        ((7, 7), (3, 3), (2, 2), (1, 1)),
        ((1, 1), (2, 2), (2, 2), (1, 1)),
    ],
)
@pytest.mark.parametrize("opcode", ["CONV_2D", "DEPTHWISE_CONV_2D"])
def test_places_of_a_kernel_that_meet_nothing_but_padding_are_left_out(opcode, source, kernel, stride, dilation):
    options = {**PLAIN, "strideH": stride[0], "strideW": stride[1]}
    options.update(dilationHFactor=dilation[0], dilationWFactor=dilation[1])
    read, sides = met(source, kernel, options)
    weights = RNG.integers(-127, 128, (4, *kernel, 4) if opcode == "CONV_2D" else (1, *kernel, 4)).astype(np.int8)
    options = {**options, "padding": 0, **({"depthMultiplier": 1} if opcode == "DEPTHWISE_CONV_2D" else {})}
    _, found = layer_of(opcode, (1, *source, 4), weights, (1, *sides, 4), options=options)
    by_output = weights if opcode == "CONV_2D" else weights.transpose(3, 1, 2, 0)
    expected = by_output[:, read.any(axis=1)][:, :, read.any(axis=0)]
    np.testing.assert_array_equal(found.weights, (expected.astype(int) + 128).astype(np.uint8))
    assert found.depthwise == (opcode == "DEPTHWISE_CONV_2D") and found.outputs == 4


def test_without_padding_the_whole_kernel_is_stored():
    _, found = layer_of("CONV_2D", (1, 3, 3, 2), np.ones((4, 3, 3, 2), np.int8), (1, 1, 1, 4))
    assert found.weights.shape == (4, 3, 3, 2) and (found.weights == 129).all()


def test_a_depthwise_layer_that_makes_several_channels_of_each_is_an_ordinary_one():
    options = {**PLAIN, "depthMultiplier": 2}
    _, found = layer_of(
        "DEPTHWISE_CONV_2D", (1, 4, 4, 3), np.ones((1, 1, 1, 6), np.int8), (1, 4, 4, 6), options=options
    )
    assert not found.depthwise and found.weights.shape == (6, 1, 1, 1)


@pytest.mark.parametrize(
    ("source", "kernel"),
    [((1, 2, 3, 4), (2, 3, 4)), ((1, 24), (1, 1, 24)), ((2, 2, 3, 4), (2, 3, 4)), ((1, 2, 3, 8), None)],
)
def test_a_dense_layer_over_an_image_is_a_kernel_of_its_size(source, kernel):
    weights = np.arange(-60, 60, dtype=np.int8).reshape(5, 24)
    _, found = layer_of("FULLY_CONNECTED", source, weights, (1, 5), options={})
    np.testing.assert_array_equal(found.weights, (weights.astype(int) + 128).reshape(5, *(kernel or (1, 1, 24))))


@pytest.mark.parametrize(("dtype", "point", "stored"), [("int8", 0, 128), ("int8", -3, 125), ("uint8", 7, 7)])
def test_the_weight_that_stands_for_zero_is_stored_unsigned(dtype, point, stored):
    weights = np.full((4, 8), point, dtype)
    _, found = layer_of("FULLY_CONNECTED", (1, 8), weights, (1, 4), quant=(0.25, point), options={})
    assert found.zero_point == stored and (found.weights == stored).all()


SCALES = (0.1, 0.2, 0.3, 0.4)


@pytest.mark.parametrize(
    ("quant", "multipliers", "per_channel"),
    [
        ((SCALES, (0,) * 4, 0), [0.025, 0.05, 0.075, 0.1], True),
        (((0.1,) * 4, (0,) * 4, 0), None, True),
        ((0.1, 0), None, False),
    ],
)
def test_multipliers_are_the_input_times_the_weights_over_the_output(quant, multipliers, per_channel):
    graph, found = layer_of("FULLY_CONNECTED", (1, 8), np.ones((4, 8), np.int8), (1, 4), quant=quant, options={})
    assert found.per_channel == per_channel
    assert has_multipliers(graph.op_inputs(graph.ops[0])[1]) == (multipliers is not None)
    assert (found.multipliers is None) == (multipliers is None)
    if multipliers:
        assert found.multipliers.dtype == np.float32
        np.testing.assert_allclose(found.multipliers, multipliers, rtol=1e-6)


@pytest.mark.parametrize(("bias", "stored"), [(None, False), ([0, 0, 0, 0], False), ([0, 5, -6, 0], True)])
def test_biases_are_zero_where_there_are_none(bias, stored):
    graph, found = layer_of("FULLY_CONNECTED", (1, 8), np.ones((4, 8), np.int8), (1, 4), bias=bias, options={})
    assert found.biases.tolist() == (bias or [0] * 4) and found.biases.dtype == np.int32
    assert has_biases(graph, graph.ops[0]) is stored


@pytest.mark.parametrize(
    ("reshaped", "row"),
    [((), 12), ([(1, 3, 4)], 4), ([(1, 3, 4), (1, 6, 2)], 2), ([(12,)], 12), ([(1, 4, 3), (4, 3, 1)], 1)],
)
def test_a_row_is_the_shortest_of_what_the_output_is_reshaped_to(reshaped, row):
    weights = np.ones((12, 8), np.int8)
    assert layer_of("FULLY_CONNECTED", (1, 8), weights, (1, 12), options={}, reshaped=reshaped)[1].row == row


def test_rows_that_hold_no_whole_number_of_outputs_do_not_count():
    weights = np.ones((2, 1, 1, 4), np.int8)
    assert layer_of("CONV_2D", (1, 3, 4, 4), weights, (1, 3, 4, 2), reshaped=[(1, 8, 3)])[1].row == 2
    assert layer_of("CONV_2D", (1, 3, 4, 4), weights, (1, 3, 4, 2), reshaped=[(0,)])[1].row == 2


def test_what_is_no_layer_of_8_bits_has_no_parameters():
    weights = np.ones((4, 8), np.int8)
    assert layer_of("FULLY_CONNECTED", (1, 8), weights, (1, 4), options={})[1] is not None
    assert layer_of("FULLY_CONNECTED", (1, 8), weights.astype(np.float32), (1, 4), options={})[1] is None
    assert layer_of("FULLY_CONNECTED", (1, 8), weights, (1, 4), quant=None, options={})[1] is None
    assert layer_of("FULLY_CONNECTED", (1, 8), weights, (1, 4), made=None, options={})[1] is None
    assert layer_of("BATCH_MATMUL", (1, 8), weights, (1, 4), options={})[1] is None
    kernel = np.ones((4, 1, 1, 8), np.int8)
    assert layer_of("TRANSPOSE_CONV", (4,), kernel, (1, 2, 2, 4), bias=[0], options={})[1] is None
    g = GraphBuilder()
    x = g.input((1, 8), "int8", quant=(0.5, 0))
    graph = read_graph(g.finish([g.op("FULLY_CONNECTED", [x], (1, 4), "int8", quant=(0.5, 0), options={})]))
    assert layer_parameters(graph, graph.ops[0]) is None
    g = GraphBuilder()
    x, w = g.input((1, 8), "int8", quant=(0.5, 0)), g.input((4, 8), "int8", quant=(0.5, 0))
    graph = read_graph(g.finish([g.op("FULLY_CONNECTED", [x, w], (1, 4), "int8", quant=(0.5, 0), options={})]))
    assert layer_parameters(graph, graph.ops[0]) is None
