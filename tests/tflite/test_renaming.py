"""Ops under the names of others, and under their own again."""

import pytest

from edgekit.tflite import tree
from edgekit.tflite.reader import read_graph
from edgekit.tflite.renaming import renamed, restored
from tests.support.build import GraphBuilder


def relu_and_tanh():
    graph = GraphBuilder()
    x = graph.input((1, 4))
    return graph.finish([graph.op("TANH", [graph.op("RELU", [x], (1, 4))], (1, 4))])


@pytest.mark.parametrize("names", [{"RELU": "ABS"}, {"TANH": "GELU"}, {"GELU": "ABS"}])
def test_renamed_ops_are_restored(names):
    content = relu_and_tanh()
    changed = renamed(content, names)
    opcodes = [op.opcode for op in read_graph(content).ops]
    assert [op.opcode for op in read_graph(changed).ops] == [names.get(opcode, opcode) for opcode in opcodes]
    again = read_graph(restored(changed))
    assert [(op.opcode, op.version) for op in again.ops] == [(opcode, 1) for opcode in opcodes]
    if "GELU" in names:
        assert changed is content and restored(changed) is changed


@pytest.mark.parametrize("version", [9_999, 10_000])
def test_only_what_was_renamed_is_restored(version):
    model = tree.unpack(relu_and_tanh())
    model.operatorCodes[0].version = version
    op = read_graph(restored(tree.pack(model))).ops[0]
    assert (op.opcode, op.version) == (("RELU", 9_999) if version < 10_000 else ("ADD", 1))
