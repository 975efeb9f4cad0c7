import csv

import numpy as np
import pytest

from edgekit.edgetpu import CompilerOptions, map_ops
from edgekit.edgetpu.placement.case import Case
from edgekit.edgetpu.placement.operations import OPERATIONS
from edgekit.edgetpu.placement.precedents import COLUMNS, TABLE, Precedent, known_precedents, unlike_any
from edgekit.edgetpu.placement.traits import Trait, trait_of
from edgekit.tflite.reader import read_graph
from tests.support.one_op import activation, one_op

SEEN = {
    Trait("MEAN", "int8", 4, "vc", "over -3 -2"): Precedent(1024, 2),
    Trait("MUL", "int8", 4, "vv", ""): Precedent(4096, 1),
}
SPATIAL = np.array([1, 2], np.int32)
_SLOTS = [np.zeros(2, np.int32)] * 3


def case_of(model):
    graph = read_graph(model)
    return Case(graph, graph.ops[0], CompilerOptions())


def unlike(model):
    return unlike_any(case_of(model), SEEN)


def mean(height, channels=16, dtype="int8", axes=SPATIAL):
    shape = (1, height, 8, channels)
    return one_op("MEAN", activation(*shape, dtype=dtype), axes, out=activation(1, channels, dtype=dtype))


def test_an_op_up_to_the_size_that_was_seen_has_a_precedent():
    assert unlike(mean(8)) == ""
    assert unlike(mean(9)) == "One like it was seen mapped with 1,024 elements at most, and it has 1,152."


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (mean(8, dtype="uint8"), "The nearest that was seen mapped has int8, not uint8."),
        (mean(8, axes=np.array([3], np.int32)), "The nearest that was seen mapped has over -3 -2, not over -1."),
        (
            one_op("MUL", activation(1, 8, 8, 16), activation(1, 1, 1, 16)),
            "The nearest that was seen mapped has plain options, not broadcast.",
        ),
        (
            one_op("MUL", activation(1, 8, 8, 16), np.ones((1, 8, 8, 16), np.int8)),
            "The nearest that was seen mapped has inputs vv (v computed, c constant), not vc.",
        ),
        (one_op("TANH", activation(1, 8)), "None was seen mapped."),
    ],
)
def test_an_op_unlike_all_is_told_by_what_the_nearest_has_instead(model, said):
    assert unlike(model) == said


def test_an_op_without_precedent_is_mapped_but_not_certain():
    (placed,) = map_ops(read_graph(one_op("MUL", activation(1, 8, 8, 16), activation(1, 1, 1, 16)))).ops
    assert (placed.device, placed.certain, placed.violations) == ("edgetpu", False, ())
    assert placed.unseen
    (placed,) = map_ops(read_graph(one_op("MUL", activation(1, 8, 8, 16), activation(1, 8, 8, 16)))).ops
    assert (placed.device, placed.certain, placed.unseen) == ("edgetpu", True, "")


def test_the_largest_mean_that_is_known_is_certain_and_a_larger_one_is_not():
    def certain(height):
        model = one_op("MEAN", activation(1, height, 7, 1280), SPATIAL, out=activation(1, 1280))
        return map_ops(read_graph(model)).ops[0].certain

    assert certain(7) and not certain(8)


def test_ops_on_the_cpu_need_no_precedent():
    (placed,) = map_ops(read_graph(one_op("HARD_SWISH", activation(1, 8, 8, 16)))).ops
    assert (placed.device, placed.certain, placed.unseen) == ("cpu", True, "")


@pytest.mark.parametrize(
    ("model", "options"),
    [
        (
            one_op("CONV_2D", activation(1, 8, 8, 4), np.ones((4, 3, 1, 4), np.int8), options={"dilationHFactor": 2}),
            "d",
        ),
        (
            one_op("RESHAPE", activation(1, 8, 8, 4), np.array([1, 256], np.int32), out=activation(1, 256)),
            "rank 4 to 2",
        ),
        (one_op("CONCATENATION", activation(1, 8), activation(1, 8), options={"axis": 1}), "axis -1"),
        (one_op("FULLY_CONNECTED", activation(2, 8), np.ones((4, 8), np.int8), out=activation(2, 4)), "several rows"),
        (one_op("TRANSPOSE", activation(1, 8, 4), np.array([0, 2, 1], np.int32)), "to 0 2 1"),
        (one_op("SPLIT", np.array(3, np.int32), activation(1, 8, 8, 4), options={"numSplits": 2}), "axis -1"),
    ],
)
def test_options_that_make_a_difference_are_part_of_the_trait(model, options):
    assert options in trait_of(case_of(model)).options


def test_the_table_is_whole():
    with TABLE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert tuple(rows[0]) == COLUMNS
    assert len(known_precedents()) == len(rows) - 1 >= 50
    for trait, seen in known_precedents().items():
        assert trait.opcode in OPERATIONS and seen.elements > 0 and seen.repositories > 0


@pytest.mark.shared
def test_the_table_holds_what_the_recorded_pairs_show(shared):
    from scripts.precedents import precedents_of, read_models

    folders = [shared / "edgetpu", shared / "edgetpu" / "later"]
    recorded = precedents_of(model for folder in folders for model in read_models(folder))
    for trait, seen in recorded.items():
        assert known_precedents()[trait].elements >= seen.elements, trait


@pytest.mark.shared
def test_ops_called_certain_are_right_on_repositories_that_the_table_does_not_know(shared):
    from benchmarks.precedents import calibrate

    rows = calibrate([shared / "edgetpu", shared / "edgetpu" / "later"])
    assert len(rows) >= 10
    certain, right = sum(row.certain for row in rows), sum(row.certain_right for row in rows)
    assert certain >= 1000 and right >= 0.995 * certain


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (None, "stride 1"),
        ({"strideH": 1, "strideW": 1}, "stride 1"),
        ({"strideH": 2, "strideW": 1}, "stride 1×2"),
        ({"strideH": 2, "strideW": 2, "dilationHFactor": 1, "dilationWFactor": 1}, "stride 2"),
        ({"strideH": 1, "strideW": 1, "dilationHFactor": 2, "dilationWFactor": 1}, "stride 1 dilated"),
        ({"strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 2}, "stride 1 dilated"),
        ({"strideH": 1, "strideW": 1, "depthMultiplier": 1}, "stride 1"),
        ({"strideH": 1, "strideW": 1, "depthMultiplier": 2}, "stride 1 depth multiplier"),
    ],
)
def test_traits_of_convolutions(options, expected):
    weights = np.ones((1, 1, 1, 8), np.int8)
    model = one_op("DEPTHWISE_CONV_2D", activation(1, 8, 8, 8), weights, np.zeros(8, np.int32), options=options)
    assert trait_of(case_of(model)).options == expected


@pytest.mark.parametrize(
    ("opcode", "inputs", "out", "options", "expected"),
    [
        ("CONCATENATION", (activation(1, 4), activation(1, 4)), activation(1, 8), {"axis": 1}, "axis -1"),
        ("CONCATENATION", (activation(1, 4), activation(1, 4)), activation(1, 8), {"axis": -1}, "axis -1"),
        ("CONCATENATION", (activation(1, 4), activation(1, 4)), activation(2, 4), {"axis": 0}, "axis -2"),
        ("SPLIT", (np.array(1, np.int32), activation(1, 4)), activation(1, 2), {"numSplits": 2}, "axis -1"),
        ("SPLIT", (np.array(-1, np.int32), activation(1, 4)), activation(1, 2), {"numSplits": 2}, "axis -1"),
        ("RESHAPE", (activation(1, 4), np.array([4], np.int32)), activation(4), None, "rank 2 to 1"),
        ("PAD", (activation(1, 4, 4), np.array([[0, 0], [0, 1], [2, 0]], np.int32)), None, None, "axes -2 -1"),
        ("TRANSPOSE", (activation(1, 4), np.array([1, 0], np.int32)), activation(4, 1), None, "to 1 0"),
        ("FULLY_CONNECTED", (activation(2, 4), np.ones((3, 4), np.int8)), activation(2, 3), {}, "several rows"),
        ("FULLY_CONNECTED", (activation(1, 4), np.ones((3, 4), np.int8)), activation(1, 3), {}, ""),
        ("ADD", (activation(1, 4), activation(1, 4)), None, {"fusedActivationFunction": 1}, "RELU"),
        ("ADD", (activation(1, 4), activation(1, 1)), None, {}, "broadcast"),
        ("ADD", (activation(1, 4), np.ones((1, 1), np.int8)), None, {}, ""),
        ("RESIZE_BILINEAR", (activation(1, 4, 4, 1), SPATIAL), None, {"alignCorners": True}, "align_corners"),
        (
            "STRIDED_SLICE",
            (activation(1, 4), *_SLOTS),
            None,
            {"shrinkAxisMask": 1},
            "shrink_axis_mask",
        ),
        ("STRIDED_SLICE", (activation(1, 4), *_SLOTS), None, {"shrinkAxisMask": 0}, ""),
        ("RELU", (activation(1, 4),), None, None, ""),
    ],
)
def test_traits_of_other_ops(opcode, inputs, out, options, expected):
    assert trait_of(case_of(one_op(opcode, *inputs, out=out, options=options))).options == expected


def test_the_nearest_shares_most_and_was_seen_as_large_if_one_was():
    known = {
        Trait("TANH", "int8", 2, "v", ""): Precedent(4, 1),
        Trait("TANH", "uint8", 4, "v", ""): Precedent(4, 1),
        Trait("TANH", "uint8", 3, "v", ""): Precedent(100, 1),
    }
    tanh = one_op("TANH", activation(1, 2, 2, 2, 2, dtype="uint8"))
    assert unlike_any(case_of(tanh), known) == "The nearest that was seen mapped has 3 dimensions, not 5."
    small = one_op("TANH", activation(1, 1, 1, 2, 2, dtype="uint8"))
    assert unlike_any(case_of(small), known) == "The nearest that was seen mapped has 4 dimensions, not 5."


#: The vendor's table (coral.ai/docs/edgetpu/models-intro, «Supported operations»): first runtime version.
SINCE = """
    ExpandDims 13, Pack 13, Prelu 13, Quantize 12, ReduceMax 14, ReduceMin 14, Rsqrt 14, SquaredDifference 14, Sum 13,
    Transpose 14, TransposeConv 13, UnidirectionalSequenceLstm 14
"""


def test_runtimes_are_those_of_the_vendors_table():
    names = {name.replace("_", "").lower(): name for name in OPERATIONS}
    since = {names[row.split()[0].lower()]: int(row.split()[1]) for row in SINCE.split(",")}
    assert {name: known.runtime for name, known in OPERATIONS.items() if known.runtime > 10} == since
    assert {known.runtime for name, known in OPERATIONS.items() if name not in since} == {10}


def test_ops_need_the_inputs_that_their_kernels_check():
    """TFLite's reference kernels: one tensor, or two, but for these."""
    several = {"SLICE": 3, "STRIDED_SLICE": 4, "TRANSPOSE_CONV": 3}
    alone = """AVERAGE_POOL_2D CONCATENATION L2_NORMALIZATION LOGISTIC MAX_POOL_2D PACK QUANTIZE RELU RELU6 RELU_N1_TO_1
        RESHAPE RSQRT SOFTMAX SPACE_TO_DEPTH SQUEEZE TANH UNIDIRECTIONAL_SEQUENCE_LSTM"""
    expected = {name: several.get(name, 1 if name in alone.split() else 2) for name in OPERATIONS}
    assert {name: known.inputs for name, known in OPERATIONS.items()} == expected


@pytest.mark.parametrize(
    ("model", "marks"),
    [
        (one_op("FULLY_CONNECTED", activation(1, 8), np.ones((4, 8), np.int8), None, options={}), "vc-"),
        (one_op("ADD", activation(1, 8), np.ones((1, 8), np.int8), options={}), "vc"),
        (one_op("ADD", activation(1, 8), activation(1, 8), options={}), "vv"),
        (one_op("CONCATENATION", activation(1, 8), activation(1, 8), options={"axis": 1}), "v"),
        (one_op("CONCATENATION", np.ones((1, 8), np.int8), activation(1, 8), options={"axis": 1}), "cv"),
    ],
)
def test_inputs_are_told_as_computed_constant_or_left_out(model, marks):
    assert trait_of(case_of(model)).inputs == marks
