import numpy as np
import pytest

from edgekit.edgetpu import CompilerOptions, map_ops
from edgekit.edgetpu.placement.advice import advice
from edgekit.edgetpu.placement.words import reasons, verdict
from edgekit.tflite.reader import read_graph
from tests.support.build import GraphBuilder, colour_classifier
from tests.support.one_op import Q, activation, one_op

X = activation(1, 8, 8, 4)


def chain(*opcodes, outputs=1):
    """A model of ops in a row; its outputs are the last tensors."""
    graph = GraphBuilder()
    tensors = [graph.input(X[0], "int8", quant=Q)]
    for opcode in opcodes:
        tensors.append(graph.op(opcode, [tensors[-1]], X[0], "int8", quant=Q))
    return graph.finish(tensors[-outputs:])


def told(model, **options):
    graph = read_graph(model)
    placement = map_ops(graph, CompilerOptions(**options))
    return verdict(placement), "\n".join(advice(graph, placement))


def test_a_model_that_maps_needs_no_advice():
    assert told(chain("LOGISTIC", "LOGISTIC")) == ("All 2 ops map to the Edge TPU.", "")


def test_the_verdict_names_the_op_that_ends_the_first_part_and_what_to_do():
    said, todo = told(chain("LOGISTIC", "LEAKY_RELU", "LOGISTIC"))
    assert said.startswith("1 of 3 ops map to the Edge TPU. It stops at op 1 LEAKY_RELU: ")
    assert "maximum(x, alpha * x)" in said
    assert "1 op more could run" in todo and "`--all-subgraphs`" in todo
    assert "LEAKY_RELU (op 1): Write it as maximum" in todo


def test_with_all_subgraphs_there_is_nothing_behind_the_end():
    said, todo = told(chain("LOGISTIC", "HARD_SWISH", "LOGISTIC"), all_subgraphs=True)
    assert said.startswith("2 of 3 ops map to the Edge TPU. On the CPU: HARD_SWISH (op 1). Op 1: ")
    assert "--all-subgraphs" not in todo and "minimalistic" in todo


def test_ops_with_the_same_remedy_are_told_together():
    _, todo = told(chain("LOGISTIC", *["HARD_SWISH"] * 6))
    assert "HARD_SWISH (op 1, 2, 3, 4, … 6 in all): Train with" in todo


def test_nothing_maps():
    assert told(chain("HARD_SWISH"))[0].startswith("Nothing maps to the Edge TPU. Op 0 HARD_SWISH: ")


def test_a_float_model_is_to_be_quantized_first():
    said, todo = told(colour_classifier("float32"))
    assert said.startswith("Nothing maps") and "float32" in said
    assert todo == (
        "The model computes in float, and the Edge TPU in 8 bits only: convert it with `edgekit convert --int8`."
    )


def test_float_ends():
    graph = GraphBuilder()
    x = graph.input(X[0], "float32")
    y = graph.op("QUANTIZE", [x], X[0], "int8", quant=Q)
    y = graph.op("LOGISTIC", [y], X[0], "int8", quant=Q)
    y = graph.op("DEQUANTIZE", [y], X[0], "float32")
    said, todo = told(graph.finish([y]))
    assert "On the CPU: QUANTIZE (op 0), DEQUANTIZE (op 2)." in said
    assert todo.startswith("Its inputs and outputs are float") and "--io uint8" in todo
    assert len(todo.splitlines()) == 1, "the casts need no advice of their own"


def test_float_outputs_of_another_op_than_a_cast_are_no_matter_of_conversion():
    graph = GraphBuilder()
    x = graph.input(X[0], "int8", quant=Q)
    y = graph.op("LOGISTIC", [x], X[0], "int8", quant=Q)
    said, todo = told(graph.finish([graph.op("CUSTOM:Decoder", [y], (1, 8))]))
    assert "Its outputs are float" not in todo and "convert --int8" not in said + todo
    assert "A custom operation runs on the CPU: keep it as the last step" in said


def test_a_cast_inside_the_model_is_not_told_to_feed_8_bit_images():
    graph = GraphBuilder()
    x = graph.input(X[0], "int8", quant=Q)
    y = graph.op("CAST", [graph.op("LOGISTIC", [x], X[0], "int8", quant=Q)], X[0], "float32")
    y = graph.op("QUANTIZE", [y], X[0], "int8", quant=Q)
    _, todo = told(graph.finish([graph.op("LOGISTIC", [y], X[0], "int8", quant=Q)]))
    assert "QUANTIZE (op 2): What comes before it is no 8-bit op" in todo and "images" not in todo


def test_the_remedy_that_wins_most_ops_comes_first():
    _, todo = told(chain("LOGISTIC", "HARD_SWISH", "LOGISTIC", "LOGISTIC", "ELU", "LOGISTIC"))
    remedies = [line for line in todo.splitlines() if line.startswith(("HARD_SWISH", "ELU"))]
    assert [line.split()[0] for line in remedies] == ["HARD_SWISH", "ELU"]
    assert remedies[0].endswith("That maps 3 more ops.") and "That maps" not in remedies[1]
    _, todo = told(chain("ELU", "LOGISTIC", "HARD_SWISH", "LOGISTIC", "LOGISTIC"))
    assert todo.index("HARD_SWISH (op 2)") < todo.index("ELU (op 0)")


def test_a_model_does_not_end_where_most_of_it_is_still_to_come():
    _, todo = told(chain("LOGISTIC", *["HARD_SWISH"] * 4, outputs=2))
    assert "end the model" not in todo


def test_an_open_batch_with_sizes_computed_from_it():
    graph = GraphBuilder()
    x = graph.input((1, 8), "int8", quant=Q, signature=(-1, 8))
    shape = graph.op("SHAPE", [x], (2,), "int32")
    said, todo = told(graph.finish([graph.op("RESHAPE", [x, shape], (1, 8), "int8", quant=Q)]))
    assert said.startswith("The compiler refuses this model. The size of op 1 (RESHAPE)")
    assert "The batch size is dynamic, and 1 op of type SHAPE read it" in todo


def test_versions_that_are_higher_than_needed():
    said, todo = told(one_op("QUANTIZE", activation(1, 4, dtype="uint8"), out=activation(1, 4), version=3))
    assert said.startswith("The compiler refuses this model. The compiler cannot read op 0: QUANTIZE needs version 3")
    assert "QUANTIZE (op 0): versions are higher than needed. `edgekit compile` lowers them" in todo


def test_per_channel_dense_layers():
    weights = (np.ones((8, 8), np.int8), ([0.5] * 8, [0] * 8, 0))
    said, _ = told(one_op("FULLY_CONNECTED", activation(1, 8), weights))
    assert "one weight scale per channel" in said and "Quantize dense layers per tensor" in said


@pytest.mark.parametrize(("swaps", "advised"), [(1, False), (2, True)])
def test_transpositions_of_channels(swaps, advised):
    graph = GraphBuilder()
    x = graph.input((1, 8, 8, 8), "int8", quant=Q)
    for _ in range(swaps):
        permutation = graph.constant(np.array([0, 3, 1, 2], np.int32))
        x = graph.op("TRANSPOSE", [x, permutation], (1, 8, 8, 8), "int8", quant=Q)
    assert ("channels last (NHWC)" in told(graph.finish([x]))[1]) == advised


def test_a_large_mean_is_to_be_split():
    model = one_op("MEAN", activation(1, 256, 128, 3), np.array([1, 2], np.int32), out=activation(1, 3))
    assert "Split the image into parts" in told(model)[0]


def test_resize_factors():
    model = one_op(
        "RESIZE_BILINEAR", activation(1, 1, 1, 8), np.array([33, 33], np.int32), out=activation(1, 33, 33, 8)
    )
    said, todo = told(model)
    assert "The factor is 33" in said and "Resize by 2 several times" in todo


def test_several_outputs():
    _, todo = told(chain("LOGISTIC", "HARD_SWISH", outputs=2))
    assert "1 of its 2 outputs are computed on the CPU" in todo


def test_a_model_is_not_to_end_where_learned_layers_still_follow():
    graph = GraphBuilder()
    x = graph.input(X[0], "int8", quant=Q)
    early = graph.op("LOGISTIC", [x], X[0], "int8", quant=Q)
    y = graph.op("HARD_SWISH", [early], X[0], "int8", quant=Q)
    for _ in range(3):
        weights = graph.constant(np.ones((4, 1, 1, 4), np.int8), quant=Q)
        y = graph.op("CONV_2D", [y, weights], X[0], "int8", quant=Q, options={"strideW": 1, "strideH": 1})
    _, todo = told(graph.finish([early, y]))
    assert "end the model" not in todo and "HARD_SWISH" in todo


@pytest.mark.parametrize("dtype", ["int32", "int64", "bool"])
@pytest.mark.parametrize("opcode", ["LESS", "ADD", "SUM", "TOPK_V2"])
def test_quantization_is_not_advised_for_what_is_not_float(dtype, opcode):
    graph = GraphBuilder()
    x = graph.input((1, 8), dtype)
    said, todo = told(graph.finish([graph.op(opcode, [x, x], (1, 8), dtype)]))
    assert "convert --int8" not in said + todo and "computes in float" not in todo
    assert "Quantization changes floating point only" in said + todo


@pytest.mark.parametrize("numbers", [[3], [2, 1, 0]])
def test_an_operations_own_parameters_are_not_to_be_computed_elsewhere(numbers):
    model = one_op("REVERSE_V2", activation(1, 8, 8, 3), np.array(numbers, np.int32), out=activation(1, 8, 8, 3))
    said, todo = told(model)
    assert "Quantization changes floating point only" not in said + todo and "convert --int8" not in said + todo
    assert "the operation's own parameters, which stay integers" in said + todo


def test_quantization_is_advised_for_a_float_op_in_an_int8_model():
    graph = GraphBuilder()
    x = graph.input((1, 8), "int8", quant=Q)
    y = graph.op("LOGISTIC", [graph.op("DEQUANTIZE", [x], (1, 8))], (1, 8))
    y = graph.op("LOGISTIC", [graph.op("QUANTIZE", [y], (1, 8), "int8", quant=Q)], (1, 8), "int8", quant=Q)
    assert (
        "LOGISTIC (op 1): The model is quantized in part: quantize all of it, from the float model"
        in told(graph.finish([y]))[1]
    )


def _pixel_shuffle(channels=4, side=8, block=2):
    graph = GraphBuilder()
    x = graph.input((1, side, side, channels * block**2), "int8", quant=Q)

    def step(opcode, x, numbers, shape):
        return graph.op(opcode, [x, graph.constant(np.array(numbers, np.int32))], shape, "int8", quant=Q)

    apart = (1, side, side, channels, block, block)
    turned = (1, side, block, side, block, channels)
    x = step("TRANSPOSE", step("RESHAPE", x, apart, apart), [0, 1, 4, 2, 5, 3], turned)
    whole = (1, side * block, side * block, channels)
    return graph.finish([step("RESHAPE", x, whole, whole)])


@pytest.mark.parametrize("side", [8, 128])
def test_a_pixel_shuffle_is_named_and_no_matter_of_channels_last(side):
    said, todo = told(_pixel_shuffle(side=side))
    assert "TRANSPOSE (op 1): it rearranges channels into height and width (pixel shuffle)" in todo
    assert "channels last" not in said + todo and "NHWC" not in said + todo


def test_a_large_transposition_of_the_layout_is_one_of_channels_last():
    for permutation, advised in (([0, 3, 1, 2], True), ([0, 2, 3, 1], True), ([0, 2, 1, 3], False)):
        model = one_op("TRANSPOSE", activation(1, 64, 64, 64), np.array(permutation, np.int32))
        assert ("channels last (NHWC)" in "".join(told(model))) == advised


def test_what_is_not_certain_is_said():
    said, todo = told(one_op("SOFTMAX", activation(1, 20_000)))
    assert said == (
        "The one op maps to the Edge TPU; 1 has no precedent; if SOFTMAX (op 0) stays on the CPU, 0 of 1 map."
    )
    assert todo == "Not certain: SOFTMAX (op 0). Only the compiler can tell."


def test_what_hangs_on_each_doubtful_kind_is_said():
    said, todo = told(chain("LOGISTIC", "LOGISTIC", "TANH", "LOGISTIC", "RELU", "TANH"))
    assert said.startswith(
        "All 6 ops map to the Edge TPU; 3 have no precedent; if TANH (op 2) stays on the CPU, 2 of 6 map."
    )
    assert "Not certain: TANH (op 2, 5), RELU (op 4). Without TANH (op 2) 2 of 6 map, without RELU (op 4) 4 of" in todo


def test_what_hangs_on_a_doubtful_kind_with_all_subgraphs():
    said, _ = told(chain("LOGISTIC", "TANH", "LOGISTIC"), all_subgraphs=True)
    assert "if TANH (op 1) stays on the CPU, 2 of 3 map" in said


def test_a_model_without_ops():
    graph = GraphBuilder()
    assert told(graph.finish([graph.input((1, 4))]))[0] == "The model has no ops: there is nothing to map."


def test_reasons_of_mapped_supported_and_rejected_ops():
    mapped, rejected, behind = map_ops(read_graph(chain("LOGISTIC", "HARD_SWISH", "LOGISTIC"))).ops
    assert reasons(mapped) == ()
    assert reasons(rejected)[0].startswith("The Edge TPU does not support HARD_SWISH. ")
    assert reasons(behind) == ("The Edge TPU supports it, but the mapped subgraph ends before it.",)


@pytest.mark.parametrize("dtype", ["int8", "float16"])
def test_a_model_of_small_weights_is_named_as_that(dtype):
    graph = GraphBuilder()
    x, values = graph.input((1, 4)), np.ones((2, 4), dtype)
    weights = graph.constant(values, quant=(0.1, 0)) if dtype == "int8" else graph.constant(values)
    weights = weights if dtype == "int8" else graph.op("DEQUANTIZE", [weights], (2, 4))
    said, todo = told(graph.finish([graph.op("FULLY_CONNECTED", [x, weights, -1], (1, 2), options={})]))
    assert todo.startswith("Only its weights are in few bits: it computes in float")
    assert "8-bit outputs" not in said


def test_one_output_that_the_cpu_computes_is_no_reason_to_end_the_model_elsewhere():
    ends = ["LOGISTIC", "LOGISTIC", "LOGISTIC", "HARD_SWISH"]
    assert "end the model where" not in told(chain(*ends))[1]
    assert "1 of its 2 outputs are computed on the CPU: end the model where" in told(chain(*ends, outputs=2))[1]
    assert "end the model where" not in told(chain(*ends[:3], outputs=2))[1]
