"""Whether a file can be a compiled model's CPU twin, by its ends."""

import pytest

from edgekit.devices.twin import _difference, _same_kinds
from edgekit.tflite.reader import read_graph
from tests.support.build import GraphBuilder


def ends(inputs=((1, 4),), outputs=((1, 2),), *, dtype="int8", names="xyz"):
    """A model with inputs and outputs of these shapes, named after their places."""
    graph = GraphBuilder()
    given = [graph.input(shape, dtype, quant=(0.5, 0), name=names[n]) for n, shape in enumerate(inputs)]
    made = [graph.tensor(shape, dtype, quant=(0.5, 0), name=f"out {n}") for n, shape in enumerate(outputs)]
    graph.raw_op("CUSTOM:Mine", given, made)
    return read_graph(graph.finish(made))


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ({}, True),
        ({"names": "abc"}, True),
        ({"dtype": "uint8"}, False),
        ({"inputs": ((1, 5),)}, False),
        ({"outputs": ((1, 3),)}, False),
        ({"inputs": ((1, 4), (1, 2)), "outputs": ()}, False),  # the same tensors, otherwise divided
        ({"inputs": (), "outputs": ((1, 4), (1, 2))}, False),
    ],
)
def test_the_same_kinds_in_the_same_order_may_be_a_twins(other, same):
    assert _same_kinds(ends(), ends(**other)) is same


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({}, ""),
        ({"names": "abc"}, "its inputs are others"),
        ({"inputs": ((1, 5),)}, "its inputs are others"),
        ({"outputs": ((1, 3),)}, "its outputs are others"),
    ],
)
def test_other_ends_are_told(other, told):
    assert _difference(ends(), ends(**other)) == told
