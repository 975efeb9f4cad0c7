import subprocess
import sys

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from edgekit.devices.interpreter import open_interpreter
from edgekit.errors import ModelFormatError
from edgekit.tflite.checks import _problems as all_problems
from edgekit.tflite.checks import check_graph
from edgekit.tflite.op_bounds import INPUT_COUNTS, OPTIONS, bound_problems
from edgekit.tflite.reader import read_graph
from tests.support.build import GraphBuilder
from tests.support.every_op import IMAGE, every_op
from tests.support.sparse import sparse_classifier

SIZES = sorted({option for options in OPTIONS.values() for option in options})


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


@pytest.mark.parametrize("scale", [-0.1, 0.0, 1e-40, 4.3e7, float("nan"), float("inf")])
def test_scales_that_cannot_be(scale):
    graph = GraphBuilder()
    x = graph.input((1, 4), "int8", quant=(scale, 0))
    _refused(graph, [_softmax(graph, x, dtype="int8")], "has the scale")


def test_weights_of_dead_channels_pass():
    graph = GraphBuilder()
    x = graph.input((1, 4), "int8", quant=(0.1, 0))
    w = graph.constant(np.zeros((2, 4), np.int8), quant=([1e-15, 0.0], [0, 0], 0))
    _passes(graph, [graph.op("FULLY_CONNECTED", [x, w, -1], (1, 2), "int8", quant=(0.1, 0), options={})])


@pytest.mark.parametrize(
    ("opcode", "given", "output", "sound"),
    [
        ("ADD", 0.1, 2.0e-7, True),
        ("ADD", 0.1, 1.9e-7, False),
        ("ADD", 1e-35, 1e-35, True),
        ("ADD", 1e-30, 1e-37, False),
        ("SQUARED_DIFFERENCE", 0.1, 2.5e-6, True),
        ("SQUARED_DIFFERENCE", 0.1, 2.4e-6, False),
        ("SUB", 0.1, 1e-20, True),
    ],
)
def test_the_scale_of_a_sum_is_not_far_below_its_inputs(opcode, given, output, sound):
    graph = GraphBuilder()
    x, y = (graph.input((1, 4), "int8", quant=(given, 0), name=name) for name in "xy")
    outputs = [graph.op(opcode, [x, y], (1, 4), "int8", quant=(output, 0), options={})]
    _passes(graph, outputs) if sound else _refused(graph, outputs, "for inputs of scale")
    run = "import sys; from ai_edge_litert.interpreter import Interpreter; "
    run += "made = Interpreter(model_content=sys.stdin.buffer.read()); made.allocate_tensors(); made.invoke()"
    ended = subprocess.run([sys.executable, "-c", run], input=graph.finish(outputs), capture_output=True)
    assert sound is (ended.returncode == 0)  # an interpreter's own word


@pytest.mark.parametrize(
    ("quant", "reason"),
    [
        (([0.1, 0.1], [0, 0], 0), ""),
        (([0.1, 0.1], [0], 0), ""),
        (([0.1] * 4, [0] * 4, 1), ""),
        (([0.1], [0], 7), ""),
        (([0.1, 0.1, 0.1], [0] * 3, 0), r"has 3 scales along axis 0 of \[2, 4\]"),
        (([0.1, 0.1], [0, 0], 1), r"has 2 scales along axis 1 of \[2, 4\]"),
        (([0.1, 0.1], [0, 0], 2), "has 2 scales along axis 2"),
        (([0.1, 0.1], [0, 0], -1), "has 2 scales along axis -1"),
        (([0.1, 0.1], [0, 0, 0], 0), "has 3 zero points for 2 scales"),
        (([0.1], [0, 0], 0), "has 2 zero points for 1 scales"),
    ],
)
def test_weights_have_one_scale_or_one_for_each_index_along_their_axis(quant, reason):
    graph = GraphBuilder()
    x = graph.input((1, 4), "int8", quant=(0.1, 0))
    w = graph.constant(np.zeros((2, 4), np.int8), quant=quant)
    outputs = [graph.op("FULLY_CONNECTED", [x, w, -1], (1, 2), "int8", quant=(0.1, 0), options={})]
    _refused(graph, outputs, reason) if reason else _passes(graph, outputs)


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


@pytest.mark.parametrize("name", every_op())
def test_a_sound_graph_of_any_op_passes_and_runs(name):
    content = every_op()[name]
    check_graph(read_graph(content))
    interpreter = open_interpreter(content)
    interpreter.set_tensor(0, np.ones(IMAGE, np.float32))
    interpreter.invoke()


def _changed(name, change):
    """A sound model whose main graph has been changed by a function of (model, graph)."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(every_op()[name], 0))
    change(model, model.subgraphs[0])
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


@pytest.mark.parametrize(
    ("name", "option", "value", "reason"),
    [
        ("MAX_POOL_2D", "filterHeight", -(1 << 31), "has the filter_height -2147483648"),
        ("AVERAGE_POOL_2D", "strideW", 0, "has the stride_w 0"),
        ("L2_POOL_2D", "filterWidth", 1 << 30, "has the filter_width"),
        ("CONV_2D", "dilationWFactor", 0, "has the dilation_w_factor 0"),
        ("DEPTHWISE_CONV_2D", "strideH", -1, "has the stride_h -1"),
        ("TRANSPOSE_CONV", "strideH", 0, "has the stride_h 0"),
        ("LOCAL_RESPONSE_NORMALIZATION", "radius", -2, "has the radius -2"),
        ("SPACE_TO_DEPTH", "blockSize", 0, "has the block_size 0"),
        ("DEPTH_TO_SPACE", "blockSize", -2, "has the block_size -2"),
        ("SPLIT", "numSplits", 1, "has 2 outputs and claims 1"),
        ("SPLIT", "numSplits", 1000000000, "has 2 outputs and claims 1000000000"),
        ("SPLIT_V", "numSplits", 3, "has 2 outputs and claims 3"),
        ("UNPACK", "num", 0, "has 4 outputs and claims 0"),
    ],
)
def test_options_that_kernels_take_on_trust(name, option, value, reason):
    def change(_model, graph):
        options = [op.builtinOptions for op in graph.operators if hasattr(op.builtinOptions, option)][-1]
        setattr(options, option, value)

    with pytest.raises(ModelFormatError, match=reason):
        check_graph(read_graph(_changed(name, change)))


def test_options_left_out_altogether():
    def change(_model, graph):
        graph.operators[1].builtinOptions, graph.operators[1].builtinOptionsType = None, 0

    with pytest.raises(ModelFormatError, match="has the stride_w 0"):
        check_graph(read_graph(_changed("MAX_POOL_2D", change)))


@pytest.mark.parametrize("name", sorted(set(INPUT_COUNTS) & set(every_op())))
def test_inputs_missing_at_the_end(name):
    def change(model, graph):
        code = getattr(schema.BuiltinOperator, name)
        op = [op for op in graph.operators if model.operatorCodes[op.opcodeIndex].builtinCode == code][-1]
        op.inputs = op.inputs[: INPUT_COUNTS[name] - 1]

    with pytest.raises(
        ModelFormatError, match=f"reads {INPUT_COUNTS[name] - 1} tensors and needs {INPUT_COUNTS[name]}"
    ):
        check_graph(read_graph(_changed(name, change)))


def test_a_detection_post_process_where_another_op_was():
    def change(model, _graph):
        model.operatorCodes[1].builtinCode = schema.BuiltinOperator.CUSTOM
        model.operatorCodes[1].customCode = "TFLite_Detection_PostProcess"

    with pytest.raises(ModelFormatError, match="reads 1 tensors and writes 1"):
        check_graph(read_graph(_changed("RELU", change)))


@pytest.mark.parametrize("name", ["FILL", "BROADCAST_TO", "SCATTER_ND"])
def test_a_constant_that_asks_for_more_memory_than_any_machine_has(name):
    def change(model, graph):
        op = graph.operators[1]  # behind the convolution
        place = {"FILL": 0, "BROADCAST_TO": 1, "SCATTER_ND": 2}[name]
        huge = np.array([1 << 30, 8, 8, 4], np.int32)
        model.buffers[graph.tensors[op.inputs[place]].buffer].data = huge.view(np.uint8)

    with pytest.raises(ModelFormatError, match="makes a tensor of 274877906944 elements"):
        check_graph(read_graph(_changed(name, change)))


def test_the_files_name_is_in_the_message():
    graph = GraphBuilder()
    content = graph.finish([_softmax(graph, graph.input((1, -4)))])
    with pytest.raises(ModelFormatError, match=r"net\.tflite is damaged"):
        check_graph(read_graph(content), "net.tflite")


#: An option's name in the schema's classes.
CAMEL = {name: name.split("_")[0] + "".join(part.title() for part in name.split("_")[1:]) for name in SIZES}


@pytest.mark.parametrize(("name", "option"), [(op, option) for op, options in OPTIONS.items() for option in options])
@pytest.mark.parametrize(("value", "sound"), [(1, True), (65536, True), (65537, False), (-1, False), (0, None)])
def test_options_are_sizes_of_at_most_65536(name, option, value, sound):
    def change(_model, graph):
        op = [op for op in graph.operators if hasattr(op.builtinOptions, CAMEL[option])][-1]
        setattr(op.builtinOptions, CAMEL[option], value)

    graph = read_graph(_changed(name, change))
    if sound or (sound is None and option == "radius"):  # a radius of 0 is the element alone
        check_graph(graph)
    else:
        with pytest.raises(ModelFormatError, match=f"has the {option} {value}"):
            check_graph(graph)


def _optional(opcode):
    """How many of the inputs that every_op() gives an op may be missing at the end: a bias."""
    return 1 if opcode in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED") else 0


@pytest.mark.parametrize("name", sorted(set(INPUT_COUNTS) & set(every_op()) - {"BATCH_TO_SPACE_ND"}))
def test_all_inputs_but_a_bias_are_needed(name):
    graph = read_graph(every_op()[name])
    given = [len(op.inputs) for op in graph.ops if op.opcode == name][-1]
    bias = min(_optional(name), given - 2)
    assert INPUT_COUNTS[name] == given - bias


@pytest.mark.parametrize(
    ("scale", "constant", "sound"),
    [
        (1.2e-38, False, True),  # a real model of Coral's has activations of 1.4e-35
        (1.1e-38, False, False),  # denormal
        (1e6, False, True),
        (1.01e6, False, False),
        (1.2e-38, True, True),
        (1.1e-38, True, False),  # denormal
        (1e6, True, True),
        (1.01e6, True, False),
    ],
)
def test_scales_on_both_sides_of_their_bounds(scale, constant, sound):
    graph = GraphBuilder()
    x = graph.input((1, 4), "int8", quant=(0.1 if constant else scale, 0))
    w = graph.constant(np.zeros((2, 4), np.int8), quant=(scale if constant else 0.1, 0))
    y = graph.op("FULLY_CONNECTED", [x, w, -1], (1, 2), "int8", quant=(0.1, 0), options={})
    _passes(graph, [y]) if sound else _refused(graph, [y], "has the scale")


@pytest.mark.parametrize(("shape", "sound"), [((1, 1 << 14, 1 << 14), True), ((1, (1 << 28) + 1), False)])
def test_tensors_of_up_to_268_million_elements_pass(shape, sound):
    graph = GraphBuilder()
    y = _softmax(graph, graph.input(shape), shape)
    _passes(graph, [y]) if sound else _refused(graph, [y], "claims the size")


@pytest.mark.parametrize("size", [-1, 1])
def test_sizes_are_not_negative(size):
    graph = GraphBuilder()
    y = _softmax(graph, graph.input((1, size)), (1, size))
    _passes(graph, [y]) if size > 0 else _refused(graph, [y], "has the shape")


@pytest.mark.parametrize(
    ("opcode", "left_out", "sound"),
    [
        *[(op, 2, True) for op in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV", "SVDF")],
        *[(op, 1, False) for op in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV", "SVDF")],
        ("UNIDIRECTIONAL_SEQUENCE_LSTM", 1, True),
        ("UNIDIRECTIONAL_SEQUENCE_RNN", 1, True),
        ("LSTM", 0, True),
        ("STABLEHLO_ADD", 0, True),
        ("SOFTMAX", 0, False),
    ],
)
def test_which_inputs_may_be_left_out(opcode, left_out, sound):
    graph = GraphBuilder()
    inputs = [graph.input((1, 4), name=f"x{n}") for n in range(3)]
    inputs[left_out] = -1
    missing = [problem for problem in problems(graph, [graph.op(opcode, inputs, (1, 4))]) if "lacks" in problem]
    assert missing == ([] if sound else [f"op 0 ({opcode}) lacks its input {left_out}"])


def problems(graph, outputs):
    return list(all_problems(read_graph(graph.finish(outputs))))


def test_variables_and_tensors_without_elements_need_no_op():
    graph = GraphBuilder()
    graph.input((1, 4))
    state, nothing = graph.tensor((1, 4)), graph.tensor((0,))
    graph.graph.tensors[state].isVariable = True
    y = graph.op("CUSTOM:Mine", [state, nothing], (1, 4))
    _passes(graph, [y])


def test_a_cast_may_change_the_type_and_a_quantized_op_needs_both_scales():
    graph = GraphBuilder()
    x = graph.input((1, 4), "int8", quant=(0.1, 0))
    _passes(graph, [graph.op("DEQUANTIZE", [x], (1, 4), options={})])
    graph = GraphBuilder()
    x = graph.input((1, 4), "int8")
    _refused(graph, [graph.op("ADD", [x, x], (1, 4), "int8", quant=(0.1, 0), options={})], "without a scale")


@pytest.mark.parametrize(("opcode", "mixed"), [("TRANSPOSE", True), ("CONV_2D", True), ("SOFTMAX", False)])
def test_ops_that_keep_the_type_of_their_data(opcode, mixed):
    graph = GraphBuilder()
    x = graph.input((1, 4), "uint8", quant=(0.1, 0))
    found = problems(graph, [graph.op(opcode, [x, graph.constant(np.zeros(2, np.int32))], (1, 4))])
    assert any("mixes the types float32, uint8" in problem for problem in found) is mixed


@pytest.mark.parametrize(("most", "found"), [(24, []), (23, ["makes a tensor of 24 elements"])])
def test_a_shape_in_a_constant_is_held_to_the_limit(most, found):
    graph = GraphBuilder()
    shape = graph.constant(np.array([2, 3, 4], np.int32))
    y = graph.op("FILL", [shape, graph.constant(np.float32(1))], (2, 3, 4), options={})
    read = read_graph(graph.finish([y]))
    assert list(bound_problems(read, read.ops[0], most)) == found


@pytest.mark.parametrize(("tensors", "made", "sound"), [(3, 4, True), (2, 4, False), (3, 3, False)])
def test_detections_are_of_three_tensors_and_make_four(tensors, made, sound):
    graph = GraphBuilder()
    inputs = [graph.input((1, 4), name=f"x{n}") for n in range(tensors)]
    outputs = [graph.tensor((1, 4)) for _ in range(made)]
    graph.raw_op("CUSTOM:TFLite_Detection_PostProcess", inputs, outputs)
    found = problems(graph, outputs)
    assert found == ([] if sound else [f"op 0 (CUSTOM) {found[0].split(') ')[1]}"])
    assert all(f"reads {tensors} tensors and writes {made}" in problem for problem in found)


def test_ops_without_a_bound_may_read_nothing():
    graph = GraphBuilder()
    read = read_graph(graph.finish([graph.op("VAR_HANDLE", [], (1,), "int32")]))
    assert list(bound_problems(read, read.ops[0], 1)) == []


def test_sparse_weights_of_a_dense_layer_pass_and_others_do_not():
    """A kernel that knows nothing of sparse tensors reads beyond the end of what is stored."""
    check_graph(read_graph(sparse_classifier()))
    graph = GraphBuilder()
    other = graph.constant(np.ones(2, np.float32))
    graph.graph.tensors[other].shape = [1, 4]
    graph.graph.tensors[other].sparsity = schema.SparsityParametersT()
    x = graph.op("ADD", [graph.input((1, 4)), other], (1, 4), options={})
    _refused(graph, [_softmax(graph, x)], "stored sparse")
