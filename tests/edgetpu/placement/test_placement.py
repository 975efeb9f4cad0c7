import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.edgetpu import CompilerOptions, map_ops
from edgekit.edgetpu.placement.mapping import _dynamic
from edgekit.edgetpu.placement.partition import partition
from edgekit.edgetpu.statuses import BAD_DTYPE, LIMITED, MAPPED, NOT_SUPPORTED, OTHER_SUBGRAPH
from edgekit.errors import UsageError
from edgekit.tflite.graph import Graph, Op, QuantParams, Tensor
from edgekit.tflite.reader import read_graph
from tests.support.build import GraphBuilder, colour_classifier
from tests.support.one_op import Q, activation, one_op

YES, NO = "TANH", "HARD_SWISH"


def graph_of(ops, inputs=(0,), outputs=(), shape=(1, 8, 8, 4), dtype="int8"):
    """A graph of (opcode, inputs, outputs) triples over tensors of one shape; the last op's outputs end it."""
    count = 1 + max(index for _, ins, outs in ops for index in (*ins, *outs))
    quant = QuantParams((0.5,), (0,))
    tensors = tuple(Tensor(i, f"t{i}", shape, shape, dtype, quant, 0, 0) for i in range(count))
    made = tuple(Op(i, code, "", 1, tuple(ins), tuple(outs)) for i, (code, ins, outs) in enumerate(ops))
    return Graph(tensors, made, tuple(inputs), tuple(outputs) or made[-1].outputs, 1, "", (), 0)


def chain(*opcodes):
    return graph_of([(code, (i,), (i + 1,)) for i, code in enumerate(opcodes)])


def devices(placement):
    return "".join("t" if placed.device == "edgetpu" else "c" for placed in placement.ops)


def statuses(placement):
    return [placed.status for placed in placement.ops]


def test_all_ops_map():
    placement = map_ops(chain(YES, YES, YES))
    assert (devices(placement), placement.fully_mapped, placement.subgraphs) == ("ttt", True, 1)
    assert placement.ends_at is None and placement.refusal is None


def test_tensors_that_are_not_there_cannot_be_cut_at():
    with pytest.raises(UsageError, match="no tensor named 'a'"):
        map_ops(chain(YES), CompilerOptions(intermediate_tensors=("z", "t1", "a")))


def test_the_first_supported_part_is_kept():
    placement = map_ops(chain(NO, YES, YES, NO, YES))
    assert devices(placement) == "cttcc"
    assert statuses(placement) == [NOT_SUPPORTED, MAPPED, MAPPED, NOT_SUPPORTED, OTHER_SUBGRAPH]
    assert (placement.subgraphs, placement.ends_at, placement.mapped) == (1, 3, 2)


def test_all_subgraphs_maps_every_supported_op():
    placement = map_ops(chain(YES, NO, YES, NO, YES), CompilerOptions(all_subgraphs=True))
    assert (devices(placement), placement.subgraphs) == ("tctct", 3)
    assert [placed.subgraph for placed in placement.ops] == [0, None, 1, None, 2]
    assert placement.ends_at == 1


def test_nothing_maps():
    placement = map_ops(chain(NO, NO))
    assert (devices(placement), placement.subgraphs, placement.ends_at) == ("cc", 0, None)


def test_a_branch_beside_an_unsupported_op_is_part_of_the_first_subgraph():
    ops = [(YES, (0,), (1,)), (NO, (1,), (2,)), (YES, (1,), (3,)), ("ADD", (2, 3), (4,))]
    assert devices(map_ops(graph_of(ops))) == "tctc"


def test_a_model_that_starts_on_the_cpu_waits_for_it():
    # The unsupported op comes first and is ready first, so a supported one beside it belongs to the second epoch.
    ops = [(NO, (0,), (1,)), (YES, (0,), (2,)), ("ADD", (1, 2), (3,))]
    placement = map_ops(graph_of(ops))
    assert (devices(placement), placement.subgraphs) == ("ctt", 1)


def test_intermediate_tensors_leave_their_readers_on_the_cpu():
    placement = map_ops(chain(YES, YES, YES, YES), CompilerOptions(intermediate_tensors=("t2",)))
    assert (devices(placement), placement.subgraphs) == ("ttct", 2)
    assert placement.ops[2].status == OTHER_SUBGRAPH


@pytest.mark.parametrize("options", [{"num_segments": 3}, {"search_delegate": True}])
def test_flags_that_change_no_placement(options):
    graph = chain(YES, NO, YES)
    assert devices(map_ops(graph, CompilerOptions(**options))) == devices(map_ops(graph))


def test_an_old_runtime_maps_no_int8():
    placement = map_ops(chain(YES, YES), CompilerOptions(min_runtime_version=11))
    assert (devices(placement), placement.subgraphs, statuses(placement)) == ("cc", 0, [BAD_DTYPE] * 2)


def test_float_ends():
    x, y = activation(1, 8, 8, 4, dtype="float32"), activation(1, 8, 8, 4)
    graph = GraphBuilder()
    tensor = graph.input(x[0], "float32")
    tensor = graph.op("QUANTIZE", [tensor], *y[:2], quant=Q)
    tensor = graph.op("TANH", [tensor], *y[:2], quant=Q)
    tensor = graph.op("DEQUANTIZE", [tensor], x[0], "float32")
    placement = map_ops(read_graph(graph.finish([tensor])))
    assert statuses(placement) == [LIMITED, MAPPED, BAD_DTYPE]
    assert (placement.ends_at, placement.subgraphs, placement.fully_mapped) == (2, 1, False)


def test_the_table_counts_ops_of_a_kind_and_status():
    placement = map_ops(chain(YES, YES, NO, YES))
    assert placement.table() == {("TANH", MAPPED): 2, ("HARD_SWISH", NOT_SUPPORTED): 1, ("TANH", OTHER_SUBGRAPH): 1}


def test_unknown_intermediate_tensors_are_a_usage_error():
    with pytest.raises(UsageError, match="'nowhere'"):
        map_ops(chain(YES), CompilerOptions(intermediate_tensors=("t0", "nowhere")))


@pytest.mark.parametrize("release", ["", "17.0", "sixteen"])
def test_unknown_compilers_are_a_usage_error(release):
    with pytest.raises(UsageError, match="Nothing is known"):
        map_ops(chain(YES), CompilerOptions(compiler_version=release))


def test_versions_that_the_compiler_cannot_read_refuse_the_model():
    content = one_op("QUANTIZE", activation(1, 4, dtype="uint8"), out=activation(1, 4), version=3)
    placement = map_ops(read_graph(content))
    assert "op 0: QUANTIZE needs version 3" in placement.refusal[0]
    assert not placement.fully_mapped and placement.mapped == 1


def test_per_channel_dense_layers_refuse_the_model():
    weights = (np.ones((8, 8), np.int8), ([0.5] * 8, [0] * 8, 0))
    placement = map_ops(read_graph(one_op("FULLY_CONNECTED", activation(1, 8), weights)))
    assert "one weight scale per channel" in placement.refusal[0]


def test_sizes_computed_at_run_time_refuse_the_model():
    graph = GraphBuilder()
    x = graph.input((1, 8), "int8", quant=Q, signature=(-1, 8))
    shape = graph.op("SHAPE", [x], (2,), "int32")
    y = graph.op("RESHAPE", [x, shape], (1, 8), "int8", quant=Q)
    placement = map_ops(read_graph(graph.finish([y])))
    assert "op 1 (RESHAPE)" in placement.refusal[0] and "fixed batch" in placement.refusal[1]


def test_an_open_batch_alone_is_no_matter():
    graph = GraphBuilder()
    x = graph.input((1, 8), "int8", quant=Q, signature=(-1, 8))
    assert map_ops(read_graph(graph.finish([graph.op("TANH", [x], (1, 8), "int8", quant=Q)]))).fully_mapped


def test_a_whole_classifier_maps():
    assert map_ops(read_graph(colour_classifier("int8"))).fully_mapped
    assert map_ops(read_graph(colour_classifier("float32"))).mapped == 0


def test_a_graph_without_ops():
    graph = graph_of([(YES, (0,), (1,))])
    empty = Graph(graph.tensors, (), (0,), (0,), 1, "", (), 0)
    assert map_ops(empty).ops == () and not map_ops(empty).fully_mapped


@st.composite
def graphs(draw):
    """A random graph, its ops in an order in which they can run, as files have it, with a kind for each op."""
    kinds = draw(st.lists(st.sampled_from([YES, NO]), min_size=1, max_size=12))
    ops = []
    for index, kind in enumerate(kinds):
        sources = draw(st.lists(st.integers(0, index), min_size=1, max_size=3))
        ops.append((kind, tuple(sources), (index + 1,)))
    return graph_of(ops)


def tflite_partition(graph, supported):
    """TFLite's own algorithm, line by line, as graph_info.cc has it: slow, and nothing to get wrong."""
    tensor_ready = [True] * len(graph.tensors)
    for op in graph.ops:
        for tensor in op.outputs:
            tensor_ready[tensor] = False
    assigned, subsets = [False] * len(graph.ops), []
    while True:
        kind, nodes, progress = None, [], True
        while progress:
            progress = False
            for op in graph.ops:
                if assigned[op.index] or not all(tensor_ready[tensor] for tensor in op.inputs):
                    continue
                kind = supported[op.index] if kind is None else kind
                if supported[op.index] == kind:
                    assigned[op.index] = progress = True
                    nodes.append(op.index)
                    for tensor in op.outputs:
                        tensor_ready[tensor] = True
        if not nodes:
            return tuple(subsets)
        subsets.append((kind, tuple(sorted(nodes))))


@given(graphs())
def test_the_partition_is_tflites(graph):
    supported = [op.opcode == YES for op in graph.ops]
    assert tuple(map(tuple, partition(graph, supported))) == tflite_partition(graph, supported)


@settings(deadline=None)  # the first one reads the table of precedents
@given(graphs())
def test_what_holds_for_every_placement(graph):
    first, every = map_ops(graph), map_ops(graph, CompilerOptions(all_subgraphs=True))
    assert [placed.op for placed in first.ops] == list(graph.ops)
    assert first.subgraphs == min(1, every.subgraphs)
    for one, other, op in zip(first.ops, every.ops, graph.ops):
        assert (other.device == "edgetpu") == (op.opcode == YES)
        assert one.device == other.device or one.status == OTHER_SUBGRAPH
        assert (one.status == MAPPED) == (one.device == "edgetpu") == (one.subgraph is not None)
    assert sum(first.table().values()) == len(graph.ops)


@pytest.mark.parametrize("opcode", ["MEAN", "RESIZE_BILINEAR", "SOFTMAX", "SPLIT", "PACK", "FULLY_CONNECTED", "PRELU"])
@pytest.mark.parametrize("shape", [(), (0,), (1,), (2, 3)])
def test_odd_shapes_and_missing_operands_are_judged_without_a_crash(opcode, shape):
    for inputs in ((0,), (0, -1), (-1, 0), (0, 0), ()):
        for outputs in ((1,), ()):
            graph = graph_of([("TANH", (0,), (1,)), (opcode, inputs, outputs)], outputs=(1,), shape=shape)
            assert len(map_ops(graph).ops) == 2


@pytest.mark.shared
@pytest.mark.parametrize("part", ["work", "aside"])
def test_real_placements_are_predicted(shared, part):
    from benchmarks.placement import flags, read_models, right_ops

    models = [model for model in read_models(shared / "edgetpu", part) if model.facts["n_custom_ops"] <= 1]
    exact = sum(right_ops(m, map_ops(m.graph, flags(m))) == len(m.mapped) for m in models)
    assert exact >= 0.95 * len(models)


@pytest.mark.shared
def test_models_that_were_compiled_with_other_flags_are_predicted_exactly(shared):
    import csv
    import json
    from collections import defaultdict

    folder, truth = shared / "edgetpu" / "later", defaultdict(list)
    with (folder / "ops.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            truth[row["model"]].append("t" if row["mapped"] == "1" else "c")
    for facts in json.loads((folder / "models.json").read_text()):
        options = CompilerOptions(all_subgraphs=facts["flags"] == "-a")
        placement = map_ops(read_graph(folder / f"{facts['name']}.tflite"), options)
        assert (devices(placement), placement.subgraphs) == ("".join(truth[facts["name"]]), facts["n_custom_ops"])
    assert len(truth) == 7


@pytest.mark.parametrize(
    ("opcode", "place"),
    [
        *(("FILL", 0), ("RESHAPE", 1), ("TILE", 1), ("BROADCAST_TO", 1), ("TANH", 0)),
        *(("RESIZE_BILINEAR", 1), ("RESIZE_NEAREST_NEIGHBOR", 1)),
    ],
)
def test_a_size_that_another_op_computes_is_unknown_to_the_compiler(opcode, place):
    for computed in range(2):
        graph = GraphBuilder()
        x = graph.input((1, 4), "int8", quant=(0.1, 0))
        numbers = graph.op("ABS", [graph.input((2,), "int32", name="n")], (2,), "int32", options={})
        inputs = [x, x]
        inputs[computed] = numbers
        y = graph.op(opcode, inputs, (1, 4), "int8", quant=(0.1, 0), options=None)
        op = _dynamic(read_graph(graph.finish([y])))
        assert (op.opcode if op else None) == (opcode if computed == place and opcode != "TANH" else None)
