import numpy as np
import pytest

from edgekit.edgetpu import map_ops
from edgekit.edgetpu.placement.doubts import largest_mean, largest_pooling, without_doubt
from edgekit.edgetpu.placement.placement import CPU, EDGETPU, CompilerOptions, OpPlacement, Placement, Violation
from edgekit.tflite.graph import Op
from edgekit.tflite.reader import read_graph
from tests.support.one_op import activation, one_op

UNSURE = Violation("size", "At most so large", "Larger", "", "seen", "", certain=False)
GATE = "The nearest that was seen mapped has plain options, not broadcast."
LARGE = "One like it was seen mapped with 4 elements at most, and it has 8."


def placement(*ops):
    """Of (opcode, why it is not certain) on the Edge TPU."""
    placed = [
        OpPlacement(Op(number, opcode, "", 1, (), ()), EDGETPU, "", unseen=why)
        for number, (opcode, why) in enumerate(ops)
    ]
    return Placement(tuple(placed), 1, None, None, CompilerOptions())


@pytest.mark.parametrize(
    ("ops", "named"),
    [
        ([("MEAN", LARGE)], ["small-means"]),
        ([("AVERAGE_POOL_2D", LARGE)], ["small-means"]),
        ([("MUL", GATE)], ["spread-gates"]),
        ([("MUL", GATE), ("MEAN", LARGE), ("AVERAGE_POOL_2D", LARGE)], ["small-means", "spread-gates"]),
        ([("MUL", LARGE), ("ADD", GATE)], []),
        ([("MUL", ""), ("MEAN", ""), ("CONV_2D", LARGE)], []),
    ],
)
def test_the_corrections_named_are_those_that_write_a_doubtful_op_otherwise(ops, named):
    assert without_doubt(placement(*ops)) == (",".join(["auto", *named]) if named else "")


def test_an_op_on_the_cpu_is_no_doubt_that_a_correction_takes_away():
    op = Op(0, "MEAN", "", 1, (), ())
    alone = OpPlacement(op, CPU, "", (UNSURE,))
    assert not alone.certain
    assert without_doubt(Placement((alone,), 0, None, None, CompilerOptions())) == ""


def certain(model):
    (placed,) = map_ops(read_graph(model)).ops
    return placed.device == EDGETPU and placed.certain


@pytest.mark.parametrize(("more", "expected"), [(0, True), (1, False)])
def test_the_largest_mean_and_the_largest_pooling_are_those_that_are_certain(more, expected):
    channels = largest_mean() // 49 + more
    axes = np.array([1, 2], np.int32)
    assert certain(one_op("MEAN", activation(1, 7, 7, channels), axes, out=activation(1, channels))) == expected
    channels = largest_pooling() // 49 + more
    window = {"filterWidth": 7, "filterHeight": 7, "strideW": 7, "strideH": 7, "padding": 1}
    pooling = one_op(
        "AVERAGE_POOL_2D", activation(1, 7, 7, channels), out=activation(1, 1, 1, channels), options=window
    )
    assert certain(pooling) == expected
