"""The table of facts about ops, held against the kernels that they are facts of."""

import numpy as np
import pytest

from edgekit.devices.interpreter import open_interpreter
from edgekit.tflite import read_graph
from edgekit.tflite.ops import bias_of, computes_in_float, facts, facts_of, is_compiled, is_quantized, weights_of
from tests.support.build import GraphBuilder, colour_classifier
from tests.support.pairs import compiled

SHAPE = (1, 2, 4, 4)
PADS = np.array([[0, 0], [1, 1], [1, 1], [0, 0]], np.int32)
BLOCK, CROPS = np.array([2, 2], np.int32), np.zeros((2, 2), np.int32)
POOL = {"padding": 1, "strideW": 2, "strideH": 2, "filterWidth": 2, "filterHeight": 2}

#: op → (further inputs, shape of the output, options)
MOVING = {
    "RESHAPE": ([np.array([1, 32], np.int32)], (1, 32), {"newShape": [1, 32]}),
    "SQUEEZE": ([], SHAPE[1:], {"squeezeDims": [0]}),
    "EXPAND_DIMS": ([np.array(1, np.int32)], (1, 1, 2, 4, 4), {}),
    "PAD": ([PADS], (1, 4, 6, 4), {}),
    "PADV2": ([PADS, np.float32(7)], (1, 4, 6, 4), {}),
    "MIRROR_PAD": ([PADS], (1, 4, 6, 4), {"mode": 0}),
    "TRANSPOSE": ([np.array([0, 2, 1, 3], np.int32)], (1, 4, 2, 4), {}),
    "SPACE_TO_DEPTH": ([], (1, 1, 2, 16), {"blockSize": 2}),
    "DEPTH_TO_SPACE": ([], (1, 4, 8, 1), {"blockSize": 2}),
    "SPACE_TO_BATCH_ND": ([BLOCK, CROPS], (4, 1, 2, 4), {}),
    "TILE": ([np.array([1, 2, 1, 1], np.int32)], (1, 4, 4, 4), {}),
    "MAX_POOL_2D": ([], (1, 1, 2, 4), POOL),
    "STRIDED_SLICE": (
        [np.zeros(4, np.int32), np.array(SHAPE, np.int32), np.array([1, 1, 2, 1], np.int32)],
        (1, 2, 2, 4),
        {},
    ),
    "RELU": ([], SHAPE, None),
    "TANH": ([], SHAPE, None),
}


@pytest.mark.parametrize("opcode", MOVING)
def test_ops_hand_values_on_as_the_table_says(opcode):
    others, shape, options = MOVING[opcode]
    graph = GraphBuilder()
    x = graph.input(SHAPE)
    constants = [graph.constant(np.asarray(other), name=f"c{n}") for n, other in enumerate(others)]
    y = graph.op(opcode, [x, *constants], shape, options=options)
    interpreter = open_interpreter(graph.finish([y]))
    values = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    interpreter.set_tensor(x, values)
    interpreter.invoke()
    found, known = interpreter.get_tensor(y), facts_of(opcode)
    assert known.hands_on == (set(values.ravel()) <= set(found.ravel()))
    assert known.same_elements == (found.ravel().tolist() == values.ravel().tolist())


@pytest.mark.parametrize(
    ("opcode", "scale", "zero"),
    [(o, *facts_of(o).fixed_output) for o in ("SOFTMAX", "LOGISTIC", "TANH", "L2_NORMALIZATION", "LOG_SOFTMAX")],
)
def test_fixed_output_quantizations_are_those_that_kernels_take(opcode, scale, zero):
    """Kernels refuse any other, or compute as if it were this one."""
    graph = GraphBuilder()
    x = graph.input((1, 8), "int8", quant=(0.1, 0))
    options = {"SOFTMAX": {"beta": 1.0}, "L2_NORMALIZATION": {}, "LOG_SOFTMAX": {}}.get(opcode)
    y = graph.op(opcode, [x], (1, 8), "int8", quant=(scale, zero), options=options)
    interpreter = open_interpreter(graph.finish([y]))
    steps = np.arange(-40, 40, 10, dtype=np.int8)[np.newaxis]
    interpreter.set_tensor(x, steps)
    interpreter.invoke()
    real, found = steps * 0.1, (interpreter.get_tensor(y).astype(float) - zero) * scale
    soft = np.exp(real) / np.exp(real).sum()
    expected = {
        "SOFTMAX": soft,
        "LOG_SOFTMAX": np.log(soft),
        "LOGISTIC": 1 / (1 + np.exp(-real)),
        "TANH": np.tanh(real),
        "L2_NORMALIZATION": real / np.linalg.norm(real),
    }[opcode]
    np.testing.assert_allclose(found, expected, atol=1.5 * scale)


def test_max_pooling_refuses_an_output_on_another_scale():
    assert facts_of("MAX_POOL_2D").same_scale
    graph = GraphBuilder()
    x = graph.input(SHAPE, "int8", quant=(0.1, 0))
    y = graph.op("MAX_POOL_2D", [x], (1, 1, 2, 4), "int8", quant=(0.2, 0), options=POOL)
    with pytest.raises(Exception, match=r"scale|prepare"):
        open_interpreter(graph.finish([y]))


def test_an_op_without_a_row_has_no_properties():
    assert facts_of("CUSTOM") == facts_of("WHILE") and facts_of("WHILE").data == 0
    assert not any((facts_of("WHILE").hands_on, facts_of("WHILE").same_scale, facts_of("WHILE").elementwise))


def test_weights_and_biases_are_found_where_the_op_has_them():
    graph = GraphBuilder()
    x = graph.input((1, 4))
    weights = graph.constant(np.ones((3, 4), np.float32), name="weights")
    bias = graph.constant(np.ones(3, np.float32), name="bias")
    y = graph.op("FULLY_CONNECTED", [x, weights, bias], (1, 3), options={})
    z = graph.op("FULLY_CONNECTED", [x, weights, -1], (1, 3), options={})
    w = graph.op("RELU", [y], (1, 3))
    read = read_graph(graph.finish([z, w]))
    assert [t.name if t else None for op in read.ops for t in (weights_of(read, op), bias_of(read, op))] == [
        *("weights", "bias", "weights", None, None, None)
    ]


def test_how_things_are_quantized():
    floats, ints = (read_graph(colour_classifier(dtype)) for dtype in ("float32", "int8"))
    assert all(computes_in_float(floats, op) for op in floats.ops)
    assert not any(computes_in_float(ints, op) for op in ints.ops)
    assert is_quantized(ints.tensors[ints.outputs[0]]) and not is_quantized(floats.tensors[floats.outputs[0]])


def test_casts_compute_nothing():
    graph = GraphBuilder()
    x = graph.input((1, 4), "int8", quant=(0.1, 0))
    y = graph.op("DEQUANTIZE", [x], (1, 4))
    read = read_graph(graph.finish([y]))
    assert not computes_in_float(read, read.ops[0]) and facts(read.ops[0]).casts


def test_a_compiled_model_is_known_by_its_op():
    assert is_compiled(read_graph(compiled())) and not is_compiled(read_graph(colour_classifier("int8")))


#: TensorFlow Lite's 8-bit quantization specification, row by row: the fixed quantization of int8 outputs.
SPECIFIED = {
    "L2_NORMALIZATION": (1 / 128, 0),
    "LOGISTIC": (1 / 256, -128),
    "LOG_SOFTMAX": (16 / 256, 127),
    "SOFTMAX": (1 / 256, -128),
    "TANH": (1 / 128, 0),
}
#: Likewise: «restriction: input and outputs must all have same scale and zero point».
ONE_SCALE = (
    "AVERAGE_POOL_2D MAX_POOL_2D GATHER RESHAPE RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR SPLIT SQUEEZE SLICE "
    "STRIDED_SLICE TRANSPOSE SPACE_TO_DEPTH DEPTH_TO_SPACE PAD PADV2 TILE EXPAND_DIMS UNPACK"
).split()
OWN_SCALE = "ADD SUB MUL CONV_2D DEPTHWISE_CONV_2D FULLY_CONNECTED MEAN SUM SOFTMAX LOGISTIC TANH QUANTIZE".split()


def test_fixed_outputs_are_those_of_the_quantization_specification():
    assert {op: facts_of(op).fixed_output for op in (*SPECIFIED, "CONV_2D")} == {**SPECIFIED, "CONV_2D": None}


@pytest.mark.parametrize(("opcodes", "same"), [(ONE_SCALE, True), (OWN_SCALE, False)])
def test_one_scale_for_data_and_output_where_the_specification_says_so(opcodes, same):
    assert {op: facts_of(op).same_scale for op in opcodes} == dict.fromkeys(opcodes, same)


@pytest.mark.parametrize(
    ("opcode", "places"),
    [
        ("CONV_2D", (0, 1, 2)),
        ("DEPTHWISE_CONV_2D", (0, 1, 2)),
        ("FULLY_CONNECTED", (0, 1, 2)),
        ("TRANSPOSE_CONV", (2, 1, 3)),  # its first input is the size of the output
        ("SPLIT", (1, None, None)),  # its first input is the axis
        ("SPLIT_V", (0, None, None)),
        ("ADD", (0, None, None)),
    ],
)
def test_where_data_weights_and_bias_are_among_the_inputs(opcode, places):
    known = facts_of(opcode)
    assert (known.data, known.weights, known.bias) == places


@pytest.mark.parametrize(
    ("fact", "opcodes"),
    [
        ("averages", "AVERAGE_POOL_2D MEAN SUM"),
        ("casts", "QUANTIZE DEQUANTIZE"),
        ("elementwise", "ADD DIV HARD_SWISH LOGISTIC MAXIMUM MINIMUM MUL RELU RELU6 SUB TANH"),
        ("same_elements", "RESHAPE SQUEEZE EXPAND_DIMS QUANTIZE DEQUANTIZE"),
    ],
)
def test_ops_have_a_property_or_have_it_not(fact, opcodes):
    all_ops = {*ONE_SCALE, *OWN_SCALE, *SPECIFIED, *MOVING, *opcodes.split(), "BROADCAST_TO", "BATCH_TO_SPACE_ND"}
    assert {op for op in all_ops if getattr(facts_of(op), fact)} == set(opcodes.split())


@pytest.mark.parametrize(
    ("dtype", "quantized"),
    [("int4", True), ("int8", True), ("uint8", True), ("int16", True), ("int32", False), ("float32", False)],
)
def test_int32_with_a_scale_is_a_bias_and_no_quantized_value(dtype, quantized):
    graph = GraphBuilder()
    with_scale = graph.input((1, 4), dtype, quant=(0.5, 0))
    without = graph.input((1, 4), dtype, name="without")
    read = read_graph(graph.finish([with_scale, without]))
    assert [is_quantized(tensor) for tensor in read.tensors] == [quantized, False]


def test_a_left_out_weight_is_none():
    graph = GraphBuilder()
    y = graph.op("FULLY_CONNECTED", [graph.input((1, 4)), -1], (1, 3), options={})
    read = read_graph(graph.finish([y]))
    assert weights_of(read, read.ops[0]) is None and bias_of(read, read.ops[0]) is None


def test_float_constants_alone_make_no_float_op():
    graph = GraphBuilder()
    x, pads = graph.input((1, 4), "int8", quant=(0.1, 0)), graph.constant(np.float32(0))
    y = graph.op("PADV2", [x, pads], (1, 4), "int8", quant=(0.1, 0), options={})
    read = read_graph(graph.finish([y]))
    assert not computes_in_float(read, read.ops[0])
