"""Ops that lack inputs, outputs or dimensions: everything said about a model's placement survives them."""

import json

import numpy as np
import pytest

from edgekit.edgetpu import CompilerOptions, map_ops
from edgekit.edgetpu.estimate.work import op_work
from edgekit.edgetpu.placement.operations import OPERATIONS, REPLACEMENTS
from edgekit.reports.placement import placement_lines, placement_to_json
from edgekit.tflite.graph import Graph
from edgekit.tflite.reader import read_graph
from tests.support.build import GraphBuilder

OPCODES = sorted({*OPERATIONS, *REPLACEMENTS, "CUSTOM:Mine"})


def _op(opcode, inputs, shapes, outputs):
    """An op of `inputs` (letters: activation, constant, numbers, left out) and of so many outputs."""
    graph = GraphBuilder()
    kinds = {
        "a": lambda: graph.input(shapes, "int8", quant=(0.5, 0)),
        "c": lambda: graph.constant(np.zeros(shapes, np.int8), quant=(0.5, 0)),
        "n": lambda: graph.constant(np.array([1, 2], np.int32)),
        "-": lambda: -1,
    }
    made = [kinds[kind]() for kind in inputs]
    ends = [graph.tensor(shapes, "int8", quant=(0.5, 0)) for _ in range(outputs)]
    graph.raw_op(opcode, made, ends)
    return graph.finish(ends)


def _everything_said(graph: Graph):
    placement = map_ops(graph, CompilerOptions(all_subgraphs=True))
    for op in graph.ops:
        op_work(graph, op)
    json.dumps(placement_to_json(graph, placement))
    assert list(placement_lines(graph, placement))
    return placement


@pytest.mark.parametrize("opcode", OPCODES)
def test_no_missing_input_output_or_dimension_ends_in_an_error(opcode):
    for inputs in ("", "-", "a", "c", "n", "-a", "a-", "ac", "an", "nca", "--a", "annn", "caaaa"):
        for shapes in ((), (8,), (1, 8), (1, 4, 4, 8), (1, 1, 2, 4, 8)):
            for outputs in (0, 1, 2):
                _everything_said(read_graph(_op(opcode, inputs, shapes, outputs)))


@pytest.mark.parametrize("opcode", sorted(OPERATIONS))
def test_an_op_without_the_inputs_of_its_kind_is_not_called_mapped(opcode):
    needed = OPERATIONS[opcode].inputs
    for inputs in ("", "-" * needed, "a" * (needed - 1)):
        (placed,) = _everything_said(read_graph(_op(opcode, inputs, (1, 4, 4, 8), 1))).ops
        assert placed.device == "cpu"
        assert "has_its_tensors" in {violation.rule for violation in placed.violations}
