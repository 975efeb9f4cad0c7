import numpy as np

from edgekit.calibration import Ranges
from edgekit.converters.quantization.search.tensor_groups import same_values, tensor_groups, tied
from edgekit.tflite import read_graph
from tests.support.build import GraphBuilder
from tests.support.gated_net import Net


def test_tensors_are_grouped_by_who_writes_and_who_reads_them():
    graph = read_graph(Net().content)
    found = tensor_groups(graph)
    names = [name for group in found.values() for name in group]
    assert len(names) == len(set(names))
    makers = {graph.tensors[i].name: op.opcode for op in graph.ops for i in op.outputs}
    for name, group in found.items():
        assert {name.split(" for ")[0]} == {makers[tensor] for tensor in group}
    assert not {"LOGISTIC", "SOFTMAX", "PAD", "RESHAPE"} & {makers[name] for name in names}


def test_only_ops_that_hand_values_on_tie_two_tensors():
    graph = read_graph(Net().content)
    makers = {graph.tensors[i].name: op.opcode for op in graph.ops for i in op.outputs}
    assert {makers[name] for name in same_values(graph)} <= {"PAD", "RESHAPE", "SQUEEZE"}


def test_what_the_format_fixes_or_takes_over_is_offered_no_range():
    """TANH has a fixed range, MAX_POOL_2D that of its input: another one would be measured in vain."""
    graph = GraphBuilder()
    x = graph.input((1, 4, 4, 3), name="image")
    y = graph.op("ABS", [x], (1, 4, 4, 3), name="y")
    options = {"padding": 1, "strideW": 2, "strideH": 2, "filterWidth": 2, "filterHeight": 2}
    pooled = graph.op("MAX_POOL_2D", [y], (1, 2, 2, 3), options=options, name="pooled")
    graph = read_graph(graph.finish([graph.op("TANH", [pooled], (1, 2, 2, 3), name="tanh")]))
    assert tensor_groups(graph) == {"ABS for MAX_POOL_2D": ("y",)}
    assert same_values(graph) == {"pooled": "y"}


def test_who_reads_a_tensor_is_looked_for_behind_what_hands_its_values_on():
    graph = GraphBuilder()
    x = graph.input((1, 4, 4, 3), name="image")
    y = graph.op("ABS", [x], (1, 4, 4, 3), name="y")
    pads = graph.constant(np.zeros((4, 2), np.int32))
    padded = graph.op("PAD", [y, pads], (1, 4, 4, 3), options={}, name="padded")
    ends = [graph.op(kind, [padded], (1, 4, 4, 3), options={}, name=kind) for kind in ("NEG", "SQUARE")]
    assert tensor_groups(read_graph(graph.finish(ends))) == {
        "ABS for NEG and SQUARE": ("y",),
        "NEG for the output": ("NEG",),
        "SQUARE for the output": ("SQUARE",),
    }


def test_what_hands_values_on_takes_their_range_wherever_its_data_is():
    graph = GraphBuilder()
    x = graph.input((1, 4), name="x")
    y = graph.op("ABS", [x], (1, 4), name="y")
    parts = [graph.tensor((1, 2), name=f"part{n}") for n in range(2)]
    graph.raw_op("SPLIT", [graph.constant(np.array(1, np.int32), name="axis"), y], parts, options={"numSplits": 2})
    read = read_graph(graph.finish(parts))
    assert same_values(read) == {"part0": "y", "part1": "y"}
    ranges = Ranges({"x": (0, 1), "y": (0, 2), "part0": (0, 5)}, "minmax", 1, "")
    assert tied(ranges, read).bounds == {"x": (0, 1), "y": (0, 2), "part0": (0, 2), "part1": (0, 2)}
