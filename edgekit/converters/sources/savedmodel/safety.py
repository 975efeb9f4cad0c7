"""Whether a SavedModel can be opened and run without reaching out of itself, judged by its graph before it is loaded.

Loading one runs more than its signature: what restores its variables, its initializers, what makes and fills its
tables. All of that is followed, through every function that is called, and may only compute and read variables;
anything else is refused by name. Besides, TensorFlow computes constants while it merely reads a graph, for shapes:
operations that it takes for pure although they read files must be nowhere in the file, reached or not.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from edgekit.errors import UnsafeModelError, UnsupportedModelError

if TYPE_CHECKING:
    from tensorflow.core.framework.function_pb2 import FunctionDef
    from tensorflow.core.framework.graph_pb2 import GraphDef
    from tensorflow.core.framework.node_def_pb2 import NodeDef
    from tensorflow.core.framework.op_def_pb2 import OpDef
    from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
    from tensorflow.core.protobuf.saved_object_graph_pb2 import SavedObject, SavedObjectGraph

INITIALIZER = "__saved_model_init_op"
#: Signatures that are no way to call the model.
HOUSEKEEPING = frozenset((INITIALIZER, "__saved_model_train_op"))

#: What has a state and reaches no further: variables that are read, random numbers, checks that may stop the model.
_READS = frozenset(
    """VarHandleOp ReadVariableOp VariableV2 Variable ResourceGather ResourceGatherNd VariableShape VarIsInitializedOp
    RandomUniform RandomStandardNormal RandomUniformInt TruncatedNormal Assert""".split()
)
#: Operations that call functions, which are followed by their names.
_CALLS = frozenset(
    "PartitionedCall StatefulPartitionedCall If StatelessIf While StatelessWhile Case StatelessCase For".split()
)
#: Variables may be set by what restores and initializes them.
_ASSIGNS = frozenset(("Assign", "AssignVariableOp", "RestoreV2"))
#: Pure operations on text and encoded images: what they are given is the text itself, not the name of a file.
_TEXT = re.compile(
    r"Decode(Jpeg|AndCropJpeg|Png|Image|Bmp|Gif|WebP|Raw|PaddedRaw|Base64|CSV)|Encode(Jpeg|Png|Base64)|ExtractJpegShape"
    r"|AsString|Substr|ReduceJoin|Fingerprint|(Static)?Regex(FullMatch|Replace)|String(Join|Lower|Upper|Strip|Split|Length"
    r"|Format|NGrams|To\w+|SplitV2)|Unicode\w+|Sharded(Filename|Filespec)|(Serialize|Parse)(Tensor|(Single)?(Example|Sequence"
    r"Example)(V2)?)|(Scalar|Image|Audio|Tensor|Merge|Histogram)Summary(V2)?"
)
_LISTS = re.compile(r"TensorList\w+|EmptyTensorList")
#: Attributes of free text that only choose how to compute.
_WORDS = frozenset(
    """data_format equation frame_name bad_indices_policy interpolation fill_mode src_format dst_format kernel_type
    input_order set_operation message noise padding dimension_numbers executor_type config config_proto""".split()
)
#: Operations for other machines, of the optimizer, and of TensorFlow's own tests.
_FOREIGN = re.compile(r"_|Xla|TPU|DTensor|Risc|Mlir")


@dataclass(frozen=True)
class _Graph:
    """The nodes of a graph by name, its functions by name, and the functions that may be run in another's place."""

    nodes: "Mapping[str, NodeDef]"
    functions: "Mapping[str, FunctionDef]"
    twins: Mapping[str, frozenset[str]]


def refuse_reaching_out(saved: "SavedModel", signature: str, name: str) -> None:
    """Refuses a SavedModel that would run, read or write anything but itself when loaded and called.

    Args:
      saved: the `SavedModel` message.
      signature: the name by which the model is going to be called.
      name: the folder, for messages.

    Raises:
      UnsafeModelError: names the operations.
      UnsupportedModelError: names operations that this TensorFlow does not have.
    """
    found = {op for meta_graph in saved.meta_graphs for op in _reaching_out(meta_graph, signature)}
    unknown = sorted(op for op in found if _definition(op) is None)
    if unknown:
        raise UnsupportedModelError(
            f"{name} uses operations that TensorFlow does not have: {_listed(unknown)}.",
            "They came with another package; export the model without them.",
        )
    if found:
        raise UnsafeModelError(
            f"{name} would do more than compute when opened: {_listed(sorted(found))}.",
            "If you trust its author, allow it with --trust.",
        )


def _reaching_out(meta_graph: "MetaGraphDef", signature: str) -> Iterator[str]:
    graph = _read(meta_graph.graph_def)
    functions = _run_by_objects(meta_graph.object_graph_def, signature)
    for node in _reached(graph, _outputs(meta_graph, signature), functions):
        if not _computes(node.op, graph):
            yield node.op
    for node in _reached(graph, _initializers(meta_graph), ()):
        if not (_computes(node.op, graph) or node.op in _ASSIGNS) or _restores_elsewhere(node, meta_graph, graph):
            yield node.op
    everything = (graph.nodes.values(), *(function.node_def for function in graph.functions.values()))
    yield from (op for op in {node.op for nodes in everything for node in nodes} if _reads_while_loading(op))


def _outputs(meta_graph: "MetaGraphDef", signature: str) -> list[str]:
    signatures = meta_graph.signature_def
    return [tensor.name for tensor in signatures[signature].outputs.values()] if signature in signatures else []


def _read(graph_def: "GraphDef") -> _Graph:
    """Functions of one `api_implements` are exchanged for one another when TensorFlow sees fit."""
    groups: dict[bytes, set[str]] = defaultdict(set)
    for function in graph_def.library.function:
        groups[function.attr["api_implements"].s].add(function.signature.name)
    twins = {name: frozenset(names) for key, names in groups.items() if key for name in names}
    functions = {function.signature.name: function for function in graph_def.library.function}
    return _Graph({node.name: node for node in graph_def.node}, functions, twins)


def _reached(graph: _Graph, tensors: Iterable[str], functions: Iterable[str]) -> "Iterator[NodeDef]":
    """All nodes that computing some tensors of the graph, or calling some of its functions, may run."""
    nodes, called = [_node_name(tensor) for tensor in tensors], list(functions)
    seen: set[str] = set()
    while nodes:
        name = nodes.pop()
        if name in graph.nodes and name not in seen:
            seen.add(name)
            node = graph.nodes[name]
            nodes += map(_node_name, node.input)
            called += _called(node)
            yield node
    seen.clear()
    while called:
        name = called.pop()
        if name in graph.functions and name not in seen:
            seen.add(name)
            body = graph.functions[name].node_def
            called += (*graph.twins.get(name, ()), *(inner for node in body for inner in _called(node)))
            yield from body


def _node_name(tensor: str) -> str:
    return tensor.lstrip("^").split(":")[0]


def _called(node: "NodeDef") -> Iterator[str]:
    """Names of functions in a node: its own operation, which a function's name overrides, and its attributes'."""
    yield node.op
    for value in node.attr.values():
        yield from (function.name for function in (value.func, *value.list.func) if function.name)


def _run_by_objects(objects: "SavedObjectGraph", signature: str) -> Iterator[str]:
    """Names of the functions that loading the objects runs, and those of the signature."""
    for root in objects.nodes[:1]:
        for signatures in _children(objects, root, "signatures"):
            yield from (name for node in _children(objects, signatures, signature) for name in _concrete(node))
    for node in objects.nodes:
        if node.WhichOneof("kind") == "resource":  # a table: made and filled
            yield from (name for child in _children(objects, node) for name in _concrete(child))
        for saveable in node.saveable_objects.values():
            yield from _concrete(_node(objects, saveable.restore_function))


def _children(objects: "SavedObjectGraph", node: "SavedObject", name: str | None = None) -> "list[SavedObject]":
    return [_node(objects, child.node_id) for child in node.children if name in (None, child.local_name)]


def _node(objects: "SavedObjectGraph", index: int) -> "SavedObject":
    return objects.nodes[index] if 0 <= index < len(objects.nodes) else type(objects.nodes[0])()


def _concrete(node: "SavedObject") -> list[str]:
    return [*node.function.concrete_functions, node.bare_concrete_function.concrete_function_name]


def _initializers(meta_graph: "MetaGraphDef") -> list[str]:
    """Names of what loading a SavedModel runs in its graph: restoring and initializing.

    With objects it restores variables itself and only other programs initialize; that is looked at all the same.
    """
    initial = _outputs(meta_graph, INITIALIZER)
    if len(meta_graph.object_graph_def.nodes):
        return initial
    found = meta_graph.collection_def
    collections = (found[key] for key in ("saved_model_main_op", "legacy_init_op") if key in found)
    names = [name for collection in collections for name in collection.node_list.value]
    return [*initial, *names, meta_graph.saver_def.restore_op_name]


def _restores_elsewhere(node: "NodeDef", meta_graph: "MetaGraphDef", graph: _Graph) -> bool:
    """Whether a RestoreV2 reads from another file than the one that the loader gives it."""
    if node.op != "RestoreV2":
        return False
    given, source = _node_name(meta_graph.saver_def.filename_tensor_name), _node_name(node.input[0])
    while source != given and source in graph.nodes and graph.nodes[source].op == "Identity":
        source = _node_name(graph.nodes[source].input[0])
    return source != given


def _computes(op: str, graph: _Graph) -> bool:
    """Whether an operation only computes; a function of the file is judged by what it does instead."""
    return op in _READS | _CALLS or (op in graph.functions and _definition(op) is None) or _is_pure(op)


@cache
def _is_pure(op: str) -> bool:
    """Whether an operation depends on its inputs alone and changes nothing, as far as its definition tells."""
    definition = _definition(op)
    if (
        definition is None
        or definition.is_stateful
        or _FOREIGN.match(op)
        or any(a.is_ref for a in definition.input_arg)
    ):
        return False
    from tensorflow.core.framework import types_pb2 as types

    if _TEXT.fullmatch(op) or _LISTS.fullmatch(op):
        return True
    handles = (types.DT_STRING, types.DT_RESOURCE, types.DT_VARIANT)
    return not any(a.type in handles for a in definition.input_arg) and not _free_text(definition)


@cache
def _reads_while_loading(op: str) -> bool:
    """Whether TensorFlow may compute the operation while it reads the graph, and it could reach out."""
    definition = _definition(op)
    if definition is None or definition.is_stateful or op in _CALLS or _is_pure(op):
        return False
    if any(a.is_ref for a in definition.input_arg):
        return False
    from tensorflow.core.framework import types_pb2 as types

    return any(a.type == types.DT_STRING for a in definition.input_arg) or _free_text(definition)


def _free_text(definition: "OpDef") -> bool:
    """Whether it has an attribute of any text, which may be the name of a file or of code."""
    return any(
        attribute.type in ("string", "list(string)")
        and attribute.name not in _WORDS
        and not attribute.HasField("allowed_values")
        for attribute in definition.attr
    )


def _definition(op: str) -> "OpDef | None":
    from tensorflow.python.framework import op_def_registry

    return op_def_registry.get(op)


def _listed(names: list[str]) -> str:
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
