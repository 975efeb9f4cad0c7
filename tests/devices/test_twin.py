"""Whether a file can be a compiled model's CPU twin, by its ends."""

import pytest

from edgekit.devices.twin import _difference, _found_in, _in_order, _same_kinds
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


@pytest.mark.parametrize(
    ("other", "found"),
    [
        ({}, True),
        ({"names": "abc"}, False),
        ({"dtype": "uint8"}, False),
        ({"outputs": ((1, 3),)}, False),
        ({"outputs": ((1, 2), (1, 2))}, True),  # more than is wanted
        ({"inputs": ((1, 4), (1, 4)), "names": "xx"}, False),  # two of one name: which of them is not known
    ],
)
def test_a_tensor_is_found_by_its_name_type_and_shape_where_it_is_the_only_one(other, found):
    assert _found_in(ends(), ends(**other)) is found


def test_inputs_are_taken_in_the_compiled_models_order_by_name():
    """Compilers do not keep the order; where names say nothing, it is all there is."""
    compiled, source = ends(((1, 4), (1, 4)), names="xy"), ends(((1, 4), (1, 4)), names="yx")
    assert _in_order(compiled, compiled.inputs, source, source.inputs) == source.inputs[::-1]
    renamed = ends(((1, 4), (1, 4)), names="ab")
    assert _in_order(compiled, compiled.inputs, renamed, renamed.inputs) == renamed.inputs
