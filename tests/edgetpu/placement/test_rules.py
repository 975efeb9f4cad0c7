"""Each rule on both sides of its bound. A rule without a case here fails `test_every_rule_has_cases`."""

import numpy as np
import pytest

from edgekit.edgetpu import CompilerOptions, map_ops
from edgekit.edgetpu.placement.operations import OPERATIONS, REPLACEMENTS
from edgekit.edgetpu.placement.placement import CONFIDENCES
from edgekit.edgetpu.placement.registry import ALL_RULES
from edgekit.edgetpu.placement.supported_ops import supported_ops
from edgekit.edgetpu.statuses import BAD_DTYPE, BAD_RANK, BAD_VERSION, LIMITED, MAPPED, NOT_SUPPORTED, STATUS_ORDER
from edgekit.tflite.reader import read_graph
from tests.support.build import GraphBuilder
from tests.support.one_op import Q, activation, one_op

X = activation(1, 8, 8, 16)
FLOAT = activation(1, 8, 8, 16, dtype="float32")
UINT8 = activation(1, 8, 8, 16, dtype="uint8")
WEIGHTS = np.ones((16, 1, 1, 16), np.int8)
BIAS = np.zeros(16, np.int32)


def ints(*values):
    return np.array(values, np.int32)


def pads(*rows):
    return np.array(rows, np.int32)


def dense(rows):
    return one_op("FULLY_CONNECTED", activation(rows, 16), np.ones((4, 16), np.int8), out=activation(rows, 4))


def dilated(opcode, kernel, x, y):
    weights = np.ones(kernel, np.int8)
    return one_op(opcode, X, weights, BIAS, options={"dilationWFactor": x, "dilationHFactor": y})


def split(axis, source, parts):
    return one_op("SPLIT", ints(axis).reshape(()), source, options={"numSplits": parts})


def resized(height, width, channels):
    source = activation(1, height // 2, width // 2, channels)
    return one_op("RESIZE_BILINEAR", source, ints(height, width), out=activation(1, height, width, channels))


def only(model, **options):
    (placed,) = map_ops(read_graph(model), CompilerOptions(**options)).ops
    return placed


MAPS = [
    # rule, model, options of the compiler
    ("has_its_tensors", one_op("FULLY_CONNECTED", activation(1, 16), np.ones((4, 16), np.int8), None), {}),
    ("three_dimensions", one_op("ADD", activation(1, 8, 8, 16), activation(1, 8, 8, 16)), {}),
    ("three_dimensions", one_op("LOGISTIC", activation(1, 1, 8, 8, 16)), {}),
    ("eight_bits", one_op("ADD", X, X), {}),
    ("eight_bits", one_op("ADD", UINT8, UINT8), {}),
    ("quantize_eight_to_eight_bits", one_op("QUANTIZE", UINT8, out=X), {}),
    ("known_operation", one_op("TANH", X), {}),
    ("known_to_the_runtime", one_op("EXPAND_DIMS", X, ints(0)), {"min_runtime_version": 13}),
    ("known_to_the_runtime", one_op("TRANSPOSE", X, ints(0, 2, 1, 3)), {"compiler_version": "16.0"}),
    ("int8_runtime", one_op("ADD", X, X), {"min_runtime_version": 12}),
    ("int8_runtime", one_op("ADD", UINT8, UINT8), {"min_runtime_version": 10}),
    ("constant_parameters", one_op("CONV_2D", X, WEIGHTS, BIAS), {}),
    ("constant_parameters", one_op("FULLY_CONNECTED", activation(1, 16), activation(4, 16), out=activation(1, 4)), {}),
    ("no_fused_activation", one_op("MAX_POOL_2D", X, options={"fusedActivationFunction": 0}), {}),
    ("same_dilation", one_op("CONV_2D", X, WEIGHTS, BIAS, options={"dilationWFactor": 2, "dilationHFactor": 2}), {}),
    ("same_dilation", dilated("CONV_2D", (16, 3, 1, 16), x=1, y=4), {}),
    ("same_dilation", dilated("CONV_2D", (16, 1, 3, 16), x=4, y=1), {}),
    ("same_dilation", dilated("DEPTHWISE_CONV_2D", (1, 3, 1, 16), x=1, y=2), {}),
    ("concatenated_constants", one_op("CONCATENATION", X, np.zeros((1, 8, 8, 4), np.int8), options={}), {}),
    ("concatenated_constants", one_op("CONCATENATION", X, X, X, options={}), {}),
    ("concatenated_constants", one_op("CONCATENATION", X, (np.full((1, 8, 8, 4), 7, np.int8), (0.5, 7))), {}),
    ("default_weights_format", one_op("FULLY_CONNECTED", activation(1, 16), np.ones((4, 16), np.int8), options={}), {}),
    ("one_vector", dense(2), {"compiler_version": "16.0"}),
    ("one_vector", dense(1), {"compiler_version": "15.0"}),
    ("dense_version", one_op("FULLY_CONNECTED", activation(1, 16), np.ones((4, 16), np.int8), version=8), {}),
    ("resize_version", one_op("RESIZE_BILINEAR", X, ints(8, 8), version=3), {"compiler_version": "16.0"}),
    ("resize_version", one_op("RESIZE_BILINEAR", X, ints(8, 8), version=2), {"compiler_version": "15.0"}),
    ("resize_factor", one_op("RESIZE_BILINEAR", X, ints(16, 16), out=activation(1, 16, 16, 16)), {}),
    ("resize_output", resized(128, 256, 64), {}),
    ("no_reduction_over_batch", one_op("MEAN", X, ints(1, 2), out=activation(1, 16)), {}),
    ("no_reduction_over_batch", one_op("SUM", activation(4, 16), ints(0), out=activation(16)), {}),
    ("mean_over_channels", one_op("MEAN", X, ints(3), out=activation(1, 8, 8)), {}),
    ("mean_over_channels", one_op("MEAN", activation(1, 8, 8, 3), ints(1, 2), out=activation(1, 3)), {}),
    ("mean_over_large_images", one_op("MEAN", activation(1, 64, 128, 3), ints(1, 2), out=activation(1, 3)), {}),
    ("no_batch_padding", one_op("PAD", X, pads((0, 0), (1, 1), (1, 1), (0, 4)), out=activation(1, 10, 10, 20)), {}),
    ("no_batch_packing", one_op("PACK", activation(4, 8), activation(4, 8), out=activation(2, 4, 8), options={}), {}),
    ("no_splitting_of_axis_0", split(3, X, 2), {}),
    ("no_splitting_of_axis_0", split(-1, activation(4, 8), 2), {}),
    ("no_splitting_of_axis_0", split(1, activation(4, 8, 2), 2), {}),
    ("no_splitting_of_axis_0", split(0, X, 1), {}),
    ("one_slope_per_channel", one_op("PRELU", X, np.ones((1, 1, 16), np.int8)), {}),
    ("leading_ones", one_op("SQUEEZE", activation(1, 1, 1, 10), out=activation(1, 10)), {}),
    ("plain_slices", one_op("STRIDED_SLICE", X, ints(0), ints(0), ints(1, 1, 1, 1), options={}), {}),
    ("softmax_size", one_op("SOFTMAX", activation(1, 16_384)), {}),
    ("transpose_size", one_op("TRANSPOSE", activation(1, 264, 264), ints(0, 2, 1)), {}),
    ("known_operation", one_op("RSQRT", X), {}),
    ("known_operation", one_op("SQUARED_DIFFERENCE", X, X), {}),
    ("reshape_size", one_op("RESHAPE", activation(1, 64, 2100), ints(1, 4, 16, 2100)), {}),
    ("long_rows", one_op("LOGISTIC", activation(1, 84, 2100)), {}),
    ("long_rows", one_op("LOGISTIC", activation(1, 8400, 80)), {}),
    ("long_rows", one_op("LOGISTIC", activation(1, 2, 80, 8400)), {}),
]

STAYS = [
    # rule, model, options of the compiler, the compiler's words, part of what the op has
    ("has_its_tensors", one_op("DEPTHWISE_CONV_2D", X), {}, NOT_SUPPORTED, "no input 1"),
    ("has_its_tensors", one_op("MUL", X, None), {}, NOT_SUPPORTED, "no input 1"),
    ("three_dimensions", one_op("ADD", activation(2, 8, 8, 16), activation(2, 8, 8, 16)), {}, BAD_RANK, "2×8×8×16"),
    ("three_dimensions", one_op("RESHAPE", X, ints(1), out=activation(1, 2, 4, 8, 16)), {}, BAD_RANK, "1×2×4×8×16"),
    ("eight_bits", one_op("ADD", FLOAT, FLOAT), {}, BAD_DTYPE, "float32"),
    ("eight_bits", one_op("DEQUANTIZE", X, out=FLOAT), {}, BAD_DTYPE, "float32"),
    ("eight_bits", one_op("CUSTOM:TFLite_Detection_PostProcess", X, out=FLOAT), {}, BAD_DTYPE, "float32"),
    ("eight_bits", one_op("GATHER", X, ints(0, 1), options={}), {}, BAD_DTYPE, "int32"),
    ("quantize_eight_to_eight_bits", one_op("QUANTIZE", FLOAT, out=X), {}, LIMITED, "float32"),
    ("known_operation", one_op("HARD_SWISH", X), {}, NOT_SUPPORTED, "HARD_SWISH"),
    ("known_operation", one_op("CUSTOM:Mine", X), {}, NOT_SUPPORTED, "Mine"),
    ("known_operation", one_op("LEAKY_RELU", X), {}, NOT_SUPPORTED, "LEAKY_RELU"),
    ("known_to_the_runtime", one_op("EXPAND_DIMS", X, ints(0)), {"min_runtime_version": 12}, NOT_SUPPORTED, "13"),
    ("known_to_the_runtime", one_op("SUM", X, ints(3)), {"min_runtime_version": 12}, NOT_SUPPORTED, "12"),
    (
        *("known_to_the_runtime", one_op("TRANSPOSE", X, ints(0, 2, 1, 3))),
        *({"compiler_version": "15.0"}, NOT_SUPPORTED, "needs runtime 14"),
    ),
    ("int8_runtime", one_op("ADD", X, X), {"min_runtime_version": 11}, BAD_DTYPE, "runtime 11"),
    ("constant_parameters", one_op("CONV_2D", X, activation(16, 1, 1, 16), BIAS), {}, LIMITED, "input 1"),
    ("no_fused_activation", one_op("MAX_POOL_2D", X, options={"fusedActivationFunction": 1}), {}, LIMITED, "RELU"),
    (
        "no_fused_activation",
        one_op("CONCATENATION", X, X, options={"fusedActivationFunction": 3}),
        {},
        LIMITED,
        "RELU6",
    ),
    (
        *("same_dilation", dilated("DEPTHWISE_CONV_2D", (1, 3, 3, 16), x=2, y=1)),
        *({}, LIMITED, "2 in x and 1 in y"),
    ),
    ("same_dilation", dilated("CONV_2D", (16, 3, 2, 16), x=1, y=4), {}, LIMITED, "1 in x and 4 in y"),
    ("same_dilation", dilated("CONV_2D", (1, 3, 3, 16), x=2, y=1), {}, LIMITED, "2 in x and 1 in y"),
    ("concatenated_constants", one_op("CONCATENATION", X, np.ones((1, 8, 8, 4), np.int8)), {}, LIMITED, "not all zero"),
    (
        *("concatenated_constants", one_op("CONCATENATION", X, X, np.zeros((1, 8, 8, 4), np.int8))),
        *({}, LIMITED, "3 inputs, 1 of them"),
    ),
    (
        "default_weights_format",
        one_op("FULLY_CONNECTED", activation(1, 16), np.ones((4, 16), np.int8), options={"weightsFormat": 1}),
        *({}, LIMITED, "SHUFFLED4x16INT8"),
    ),
    (
        *("one_vector", dense(2)),
        *({"compiler_version": "15.0"}, LIMITED, "2×4"),
    ),
    (
        *("dense_version", one_op("FULLY_CONNECTED", activation(1, 16), np.ones((4, 16), np.int8), version=9)),
        *({}, BAD_VERSION, "version 9"),
    ),
    (
        *("resize_version", one_op("RESIZE_NEAREST_NEIGHBOR", X, ints(8, 8), version=3)),
        *({"compiler_version": "14.1"}, BAD_VERSION, "version 3"),
    ),
    (
        *(
            "resize_factor",
            one_op("RESIZE_BILINEAR", activation(1, 2, 2, 3), ints(31, 31), out=activation(1, 31, 31, 3)),
        ),
        *({}, LIMITED, "15.5"),
    ),
    ("no_reduction_over_batch", one_op("REDUCE_MAX", X, ints(-4), out=activation(8, 8, 16)), {}, LIMITED, "axis 0"),
    ("mean_over_channels", one_op("MEAN", activation(1, 8, 8, 3), ints(-1), out=activation(1, 8, 8)), {}, LIMITED, "3"),
    (
        *("mean_over_large_images", one_op("MEAN", activation(1, 256, 128, 3), ints(1, 2), out=activation(1, 3))),
        *({}, LIMITED, "32,768"),
    ),
    (
        *("no_batch_padding", one_op("PAD", X, pads((0, 1), (0, 0), (0, 0), (0, 0)))),
        *({}, LIMITED, "padded by 0 and 1"),
    ),
    (
        "no_batch_packing",
        one_op("PACK", activation(8, 8, 4), out=activation(1, 8, 8, 4), options={}),
        {},
        LIMITED,
        "axis 0",
    ),
    ("no_splitting_of_axis_0", split(0, X, 2), {}, LIMITED, "axis 0 of 1×8×8×16"),
    ("no_splitting_of_axis_0", split(0, activation(4, 8, 2), 2), {}, LIMITED, "axis 0 of 4×8×2"),
    ("no_splitting_of_axis_0", split(-2, activation(4, 8), 2), {}, LIMITED, "axis 0 of 4×8"),
    ("no_splitting_of_axis_0", split(0, activation(8), 2), {}, LIMITED, "axis 0 of 8"),
    ("one_slope_per_channel", one_op("PRELU", X, np.ones((8, 8, 16), np.int8)), {}, LIMITED, "8×8×16"),
    ("leading_ones", one_op("SQUEEZE", activation(1, 7, 1, 10), out=activation(1, 7, 10)), {}, LIMITED, "1×7×1×10"),
    (
        *("plain_slices", one_op("STRIDED_SLICE", X, ints(0), ints(0), ints(1, 2, 2, 1), options={})),
        *({}, LIMITED, "1, 2, 2, 1"),
    ),
    (
        *("plain_slices", one_op("STRIDED_SLICE", X, ints(0), ints(0), ints(1), options={"newAxisMask": 1})),
        *({}, LIMITED, "new axis mask"),
    ),
    ("transpose_size", one_op("TRANSPOSE", activation(1, 336, 336), ints(0, 2, 1)), {}, LIMITED, "112,896"),
    ("resize_output", resized(256, 256, 64), {}, LIMITED, "4,194,304"),
    (
        "reshape_size",
        one_op("RESHAPE", activation(1, 144, 40, 40), ints(1), out=activation(1, 144, 1600)),
        {},
        LIMITED,
        "230,400",
    ),
    ("long_rows", one_op("LOGISTIC", activation(1, 80, 8400)), {}, LIMITED, "672,000"),
]

UNKNOWN = [
    # rule, model, part of what the op has
    ("resize_output", resized(130, 256, 64), "between 2,097,152 and 4,194,304"),
    ("resize_factor", one_op("RESIZE_BILINEAR", X, ints(24, 24), out=activation(1, 24, 24, 16)), "between 2 and 15.5"),
    ("resize_factor", one_op("RESIZE_BILINEAR", X, ints(8, 24), out=activation(1, 8, 24, 16)), "The factor is 3"),
    ("resize_factor", one_op("RESIZE_BILINEAR", X, ints(24, 8), out=activation(1, 24, 8, 16)), "The factor is 3"),
    ("mean_over_large_images", one_op("MEAN", activation(1, 128, 128, 3), ints(1, 2)), "between 8,192 and 32,768"),
    ("softmax_size", one_op("SOFTMAX", activation(1, 16_385)), "above 16,384"),
    ("transpose_size", one_op("TRANSPOSE", activation(1, 1, 69_697), ints(0, 2, 1)), "between 69,696 and 112,896"),
    ("transpose_size", one_op("TRANSPOSE", activation(1, 1, 112_895), ints(0, 2, 1)), "between 69,696 and 112,896"),
    ("transpose_conv_size", one_op("TRANSPOSE_CONV", ints(1), WEIGHTS, X), "1×8×8×16"),
    (
        "reshape_size",
        one_op("RESHAPE", activation(1, 40, 40, 90), ints(1), out=activation(1, 1600, 90)),
        "between 134,400 and 230,400",
    ),
    ("long_rows", one_op("LOGISTIC", activation(1, 84, 2101)), "between 176,400 and 230,400"),
]


def ids(cases):
    return [f"{number}-{case[0]}" for number, case in enumerate(cases)]


@pytest.mark.parametrize(("rule", "model", "options"), MAPS, ids=ids(MAPS))
def test_ops_within_a_rule_are_mapped(rule, model, options):
    placed = only(model, **options)
    assert (placed.violations, placed.status, placed.device) == ((), MAPPED, "edgetpu")


@pytest.mark.parametrize(("rule", "model", "options", "status", "value"), STAYS, ids=ids(STAYS))
def test_ops_beyond_a_rule_stay_on_the_cpu(rule, model, options, status, value):
    placed = only(model, **options)
    broken = {violation.rule: violation for violation in placed.violations if violation.rejected}
    assert (placed.device, placed.status) == ("cpu", status)
    assert value in broken[rule].value
    assert broken[rule].remedy and broken[rule].limit in broken[rule].reason
    assert placed.certain == (rule != "known_to_the_runtime")


@pytest.mark.parametrize(("rule", "model", "value"), UNKNOWN, ids=ids(UNKNOWN))
def test_between_what_was_seen_ops_are_mapped_but_uncertain(rule, model, value):
    placed = only(model)
    (violation,) = [violation for violation in placed.violations if violation.rule == rule]
    assert (placed.device, placed.status, placed.certain) == ("edgetpu", MAPPED, False)
    assert value in violation.value
    assert not violation.rejected and not violation.certain


def test_every_rule_has_cases():
    mapped, stays, unknown = ({case[0] for case in cases} for cases in (MAPS, STAYS, UNKNOWN))
    for rule in ALL_RULES:
        assert rule.name in stays | unknown, f"no model breaks {rule.name}"
        assert rule.name in mapped | unknown, f"no model keeps to {rule.name}"
    assert mapped | stays | unknown == {rule.name for rule in ALL_RULES}


@pytest.mark.parametrize("rule", ALL_RULES, ids=lambda rule: rule.name)
def test_rules_speak_to_users(rule):
    assert rule.what.endswith((".", ")."))
    assert rule.remedy.endswith(".")
    assert rule.facts.confidence in CONFIDENCES
    assert rule.facts.status in STATUS_ORDER
    assert set(rule.facts.opcodes) <= set(OPERATIONS)


def test_replacements_are_for_operations_that_are_not_mapped():
    assert not set(REPLACEMENTS) & set(OPERATIONS)


#: The vendor's table of operations: those that not every runtime knows → the first one that does.
FIRST_RUNTIMES = {
    "EXPAND_DIMS": 13,
    "PACK": 13,
    "PRELU": 13,
    "REDUCE_MAX": 14,
    "REDUCE_MIN": 14,
    "SUM": 13,
    "TRANSPOSE": 14,
    "TRANSPOSE_CONV": 13,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": 14,
    "RSQRT": 14,
    "SQUARED_DIFFERENCE": 14,
    "QUANTIZE": 12,
    "ADD": 10,
    "TILE": 10,
}


def _breaks(rule, model, **options):
    return any(violation.rule == rule and violation.rejected for violation in only(model, **options).violations)


@pytest.mark.parametrize(("opcode", "first"), FIRST_RUNTIMES.items())
def test_an_operation_is_known_from_its_first_runtime_on(opcode, first):
    model = one_op(opcode, UINT8, UINT8)
    assert not _breaks("known_to_the_runtime", model, min_runtime_version=first)
    assert first == 10 or _breaks("known_to_the_runtime", model, min_runtime_version=first - 1)


@pytest.mark.parametrize(("compiler", "runtime"), [("2.1", 13), ("14.1", 13), ("15.0", 13), ("16.0", 14)])
def test_a_compiler_compiles_for_the_runtime_that_it_came_with(compiler, runtime):
    for opcode in ("SUM", "TRANSPOSE"):
        known = not _breaks("known_to_the_runtime", one_op(opcode, UINT8, UINT8), compiler_version=compiler)
        assert known == (FIRST_RUNTIMES[opcode] <= runtime)


@pytest.mark.parametrize(
    ("count", "opcodes"),
    [
        (1, ("LOGISTIC", "RELU", "SOFTMAX", "TANH", "RESHAPE", "SQUEEZE", "PACK", "QUANTIZE", "MAX_POOL_2D")),
        (2, ("ADD", "MUL", "SUB", "MAXIMUM", "MINIMUM", "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")),
        (2, ("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "PAD", "SPLIT", "PRELU", "TILE", "TRANSPOSE", "EXPAND_DIMS")),
        (2, ("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "SQUARED_DIFFERENCE")),
        (3, ("SLICE", "TRANSPOSE_CONV")),
        (4, ("STRIDED_SLICE",)),
    ],
)
def test_an_operation_needs_the_inputs_of_its_kernel(count, opcodes):
    for opcode in opcodes:
        assert not _breaks("has_its_tensors", one_op(opcode, *[X] * count)), opcode
        assert _breaks("has_its_tensors", one_op(opcode, *[X] * (count - 1), out=X)), opcode


@pytest.mark.parametrize(
    ("opcode", "constant", "said"),
    [
        ("DEQUANTIZE", True, "from the float model"),
        ("DEQUANTIZE", False, "dequantize in the program"),
        ("HARD_SWISH", True, "minimalistic variant"),
    ],
)
def test_dequantized_weights_are_no_output_to_be_dequantized_in_the_program(opcode, constant, said):
    """A file quantized in part has DEQUANTIZE behind its weights: that says nothing about the model's outputs."""
    graph = GraphBuilder()
    x = graph.input((1, 4), "int8", quant=Q)
    kept = graph.op("RELU", [x], (1, 4), "int8", quant=Q)
    source = graph.constant(np.ones((1, 4), np.int8), quant=Q) if constant else kept
    placed = map_ops(read_graph(graph.finish([graph.op(opcode, [source], (1, 4), "float32"), kept]))).ops
    (remedy,) = {v.remedy for op in placed for v in op.violations if op.op.opcode == opcode and v.rule == "eight_bits"}
    assert said in remedy


def test_several_violations_are_all_told_and_the_first_status_counts():
    placed = only(one_op("HARD_SWISH", activation(2, 8, 8, 16, dtype="float32")))
    assert {violation.rule for violation in placed.violations} == {"three_dimensions", "eight_bits", "known_operation"}
    assert placed.status == BAD_RANK


def test_a_weights_tensor_of_rank_4_is_no_matter():
    assert only(one_op("CONV_2D", X, np.ones((16, 3, 3, 16), np.int8), BIAS)).status == MAPPED


def test_the_inner_state_of_an_lstm_may_have_16_bits():
    from edgekit.tflite.tree import pack, unpack

    state = activation(1, 16, dtype="int16")
    model = unpack(one_op("UNIDIRECTIONAL_SEQUENCE_LSTM", activation(1, 4, 16), state, out=activation(1, 4, 16)))
    assert only(pack(model)).status == BAD_DTYPE
    model.subgraphs[0].tensors[1].isVariable = True
    assert only(pack(model)).status == MAPPED


def test_the_document_is_what_the_rules_say():
    from pathlib import Path

    stored = Path(__file__).resolve().parents[3] / "docs" / "supported-ops.md"
    assert stored.read_text(encoding="utf-8") == supported_ops() + "\n", (
        "run: python -m edgekit.edgetpu.placement.supported_ops > docs/supported-ops.md"
    )
