"""What ops without a layer's weights give to a compiled file, by hand from the real ones that hold them."""

import struct

import numpy as np
import pytest

from edgekit.edgetpu.parameters.constants import constants
from edgekit.tflite.reader import read_graph
from tests.support.build import GraphBuilder


def one(opcode, shape, out, constant, *, quant=(0.5, 0), fixed=(0.25, 3), result=(2.0, 0), dtype="int8"):
    graph = GraphBuilder()
    x = graph.input(shape, dtype, quant=quant)
    kept = (
        [graph.constant(constant, quant=fixed if constant.dtype != np.int32 else None)] if constant is not None else []
    )
    model = read_graph(graph.finish([graph.op(opcode, [x, *kept], out, dtype, quant=result)]))
    return list(constants(model, model.ops[0]))


def row(kind, *values):
    """Four numbers of 4 bytes and nothing up to 64."""
    return struct.pack(f"<4{kind}", *values) + bytes(48)


def test_factors_are_kept_for_each_four_channels():
    """0.5 × 0.25 × (value − 3) ÷ 2; the fifth channel has a row of its own."""
    first, image = one("MUL", (1, 2, 2, 5), (1, 2, 2, 5), np.array([3, 4, 5, -1, 19], np.int8))
    assert first == row("f", 0, 0.0625, 0.125, -0.25) + row("f", 1, 0, 0, 0)
    assert image == bytes([0x83, 0x84, 0x85, 0x7F, 0x93]) + bytes(59)


def test_each_step_of_a_factor_is_rounded_to_float32():
    """The first factor of a real file: 0.0962975 × (0.00855337 × −18) ÷ 0.0848692."""
    scales = {
        "quant": (0.09629753977060318, -20),
        "fixed": (0.008553369902074337, 0),
        "result": (0.0848691537976265, -11),
    }
    found, _ = one("MUL", (1, 96, 96, 4), (1, 96, 96, 4), np.array([-18, 37, 90, 94], np.int8), **scales)
    assert found[:16].hex() == "ade232bebfdab73e589b5f3f7f8b693f"


def test_summands_are_in_units_of_the_input():
    """(value − 3) × 0.25 ÷ 0.5, rounded, as int32; uint8 constants of an image lie as they are."""
    first, image = one("ADD", (1, 2, 2, 4), (1, 2, 2, 4), np.array([3, 6, 1, 0], np.uint8), dtype="uint8")
    assert first == row("i", 0, 2, -1, -2)
    assert image == bytes([3, 6, 1, 0]) + bytes(60)


def test_a_softmax_has_a_table():
    """Of a real one over 10 channels: twice zeros, the least number where no channel is; then the input's scale."""
    (found,) = one("SOFTMAX", (1, 10), (1, 10), None, quant=(0.0004395849537104368, 13))
    zeros = row("I", 0, 0, 0, 0) * 2 + row("I", 0, 0, 0x80000000, 0x80000000)
    scale, free = 0x39E67818, 0x79E67817
    assert found == zeros * 2 + row("I", *[scale] * 4) * 2 + row("I", scale, scale, free, free)


@pytest.mark.parametrize(("before", "after"), [(0, 2), (1, 1)])
def test_further_channels_are_a_convolution_with_the_identity(before, after):
    """Rows of 4 inputs of all outputs: biases of 0, then a 1 where output = input + before; 16 outputs are a row."""
    amounts = np.array([[0, 0], [0, 0], [0, 0], [before, after]], np.int32)
    found = one("PAD", (1, 4, 4, 3), (1, 4, 4, 5), amounts)
    weights = np.zeros((16, 4), np.uint8)
    weights[[before, before + 1, before + 2], [0, 1, 2]] = 1
    assert bytes(64) + weights.tobytes() in found


@pytest.mark.parametrize("last", [[0, 0], [-1, 2], [0, 2**30]])
def test_padding_of_the_image_or_of_nonsense_has_no_parameters(last):
    amounts = np.array([[0, 0], [1, 1], [1, 1], last], np.int32)
    assert one("PAD", (1, 4, 4, 3), (1, 6, 6, 3), amounts) == []


def test_other_ops_and_endless_scales_have_none():
    assert one("MAXIMUM", (1, 2, 2, 4), (1, 2, 2, 4), np.ones(4, np.int8)) == []
    assert one("MUL", (1, 2, 2, 4), (1, 2, 2, 4), np.ones(4, np.int8), quant=((0.1, 0.2, 0.3, 0.4), (0,) * 4, 3)) == []
    huge = one("ADD", (1, 2, 2, 4), (1, 2, 2, 4), np.ones(4, np.int8), fixed=(3e38, 0), quant=(1e-38, 0))
    assert all(len(content) == 64 for content in huge)


@pytest.mark.parametrize("opcode", ["MUL", "ADD", "SOFTMAX", "PAD"])
def test_damaged_twins_have_none_and_raise_nothing(opcode):
    """A zero point beyond 8 bits, no channels, a constant without scale, an input that is left out."""
    for broken in ({"quant": (0.5, 2**40)}, {"result": (0.5, -(2**60))}, {"dtype": "float32"}):
        assert one(opcode, (1, 2, 2, 4), (1, 2, 2, 4), np.ones(4, np.int8), **broken) == []
    if opcode in ("SOFTMAX", "PAD"):
        assert one(opcode, (1, 2, 2, 0), (1, 2, 2, 4), np.ones(4, np.int8)) == []
    if opcode != "SOFTMAX":
        assert one(opcode, (1, 2, 2, 4), (1, 2, 2, 4), np.ones((), np.int32)) == []
        assert one(opcode, (1, 2, 2, 4), (1, 2, 2, 4), None) == []
    graph = GraphBuilder()
    y = graph.op(opcode, [-1], (1, 2, 2, 4), "int8", quant=(0.5, 0))
    model = read_graph(graph.finish([y]))
    assert list(constants(model, model.ops[0])) == []
