"""Models that end the process of an interpreter that opens or runs them, or that would eat the machine.

Most damage is refused when the graph is checked. These pass the checks as they stand, so that they show what the
first run in another process is for.
"""

import numpy as np

from tests.support.build import GraphBuilder
from tests.support.recordings import custom_options, typical_package


def split_inside_a_branch(*, compiled=False):
    """A float classifier of 64 classes: an IF, in whose branch a SPLIT has 3 outputs and claims a thousand million.

    `compiled`: behind an op for the Edge TPU, as a compiled model that leaves the rest to the CPU.
    """
    graph = GraphBuilder()
    x = graph.input((1, 8, 8, 3))
    if compiled:
        options = custom_options(typical_package())
        taken, x = x, graph.tensor((1, 8, 8, 3))
        graph.raw_op("CUSTOM:edgetpu-custom-op", [taken], [x], options=options)
    condition = graph.constant(np.array([True]))
    y = graph.op("IF", [condition, x], (1, 8, 8, 1), options={"thenSubgraphIndex": 1, "elseSubgraphIndex": 1})
    branch = GraphBuilder()
    given = branch.input((1, 8, 8, 3))
    axis = branch.tensor((), "int32")
    branch.graph.tensors[axis].buffer = 2
    parts = [branch.tensor((1, 8, 8, 1)) for _ in range(3)]
    branch.raw_op("SPLIT", [axis, given], parts, options={"numSplits": 1000000000})
    branch.graph.outputs = [parts[0]]
    graph.constant(np.array(3, np.int32))
    branch.graph.operators[0].opcodeIndex = graph._code("SPLIT", "", 1)
    graph.model.subgraphs.append(branch.graph)
    shape = graph.constant(np.array([1, 64], np.int32))
    return graph.finish([graph.op("RESHAPE", [y, shape], (1, 64), options={"newShape": [1, 64]})])


def filled_with(elements):
    """A FILL whose size is computed, so that no check of the file can know it."""
    graph = GraphBuilder()
    x = graph.input((1, 4))
    halves = [graph.constant(np.array([elements // 2], np.int32)) for _ in range(2)]
    size, value = graph.op("ADD", halves, (1,), "int32", options={}), graph.constant(np.float32(1))
    y = graph.op("FILL", [size, value], (1, 4), options={})
    return graph.finish([graph.op("SOFTMAX", [x], (1, 4), options={"beta": 1.0}), y])


def picky(*, places=4):
    """A float classifier of three classes that takes black images only: pixels choose among so many rows."""
    graph = GraphBuilder()
    x = graph.input((1, 8, 8, 3))
    axes = graph.constant(np.array([1, 2, 3], np.int32))
    mean = graph.op("MEAN", [x, axes], (1,), options={"keepDims": False})
    place = graph.op("CAST", [mean], (1,), "int32", options={"inDataType": 0, "outDataType": 2})
    rows = graph.constant(np.eye(3, dtype=np.float32)[[index % 3 for index in range(places)]])
    return graph.finish([graph.op("GATHER", [rows, place], (1, 3), options={"axis": 0, "batchDims": 0})])


def open_size(first):
    """A float classifier of an image of any size; its first run is on one of `first` x `first`."""
    graph = GraphBuilder()
    x = graph.input((1, first, first, 3), signature=(1, -1, -1, 3))
    axes = graph.constant(np.array([1, 2], np.int32))
    return graph.finish([graph.op("MEAN", [x, axes], (1, 3), options={"keepDims": False})])
