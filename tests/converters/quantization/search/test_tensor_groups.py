from edgekit.converters.quantization.search.tensor_groups import roles, same_values
from edgekit.tflite import read_graph
from tests.support.gated_net import Net


def test_tensors_are_grouped_by_who_writes_and_who_reads_them():
    graph = read_graph(Net().content)
    found = roles(graph)
    names = [name for group in found.values() for name in group]
    assert len(names) == len(set(names))
    makers = {graph.tensors[i].name: op.opcode for op in graph.ops for i in op.outputs}
    for role, group in found.items():
        assert {role.split(" for ")[0]} == {makers[name] for name in group}
    assert not {"LOGISTIC", "SOFTMAX", "PAD", "RESHAPE"} & {makers[name] for name in names}


def test_only_ops_that_hand_values_on_tie_two_tensors():
    graph = read_graph(Net().content)
    makers = {graph.tensors[i].name: op.opcode for op in graph.ops for i in op.outputs}
    assert {makers[name] for name in same_values(graph)} <= {"PAD", "RESHAPE", "SQUEEZE"}
