"""Cutting a part out of a `.tflite` file: the ops between some of its tensors, as a file of their own.

For the workstation only, as all editing.
"""

from typing import List, Sequence, Set

from edgekit.errors import ModelError
from edgekit.tflite.editor import Editor
from edgekit.tflite.graph import Graph, Op


def extract(graph: Graph, inputs: Sequence[int], outputs: Sequence[int]) -> Graph:
    """The part of a model that computes the tensors `outputs` from the tensors `inputs`.

    Tensors keep their indices, so that those of `graph` are good for the part too; weights of other
    parts are left out, as are metadata and signatures, which describe the whole.

    Raises:
      ModelError: an output depends on more than the inputs, or an input is constant.
      MissingDependencyError: ai-edge-litert is not installed.
    """
    kept = ops_between(graph, inputs, outputs)
    editor, places = Editor(graph), {op.index for op in kept}
    editor.remove(op for op in graph.ops if op.index not in places)
    editor.set_inputs(inputs)
    editor.set_outputs(outputs)
    editor.drop_description()
    editor.drop_constants({index for op in kept for index in op.inputs if index >= 0})
    return editor.finish()


def ops_between(graph: Graph, inputs: Sequence[int], outputs: Sequence[int]) -> List[Op]:
    """The ops needed to compute `outputs` from `inputs`, in the graph's order.

    Raises ModelError where these inputs do not suffice, or are constants.
    """
    constants = [index for index in inputs if graph.tensors[index].is_constant]
    if constants:
        raise ModelError(f"Tensor {constants[0]} is a constant; a part cannot start there.")
    wanted: Set[int] = set(outputs) - set(inputs)
    kept: List[Op] = []
    for op in reversed(graph.ops):
        if wanted.intersection(op.outputs):
            kept.append(op)
            wanted = (wanted - set(op.outputs)) | (set(op.inputs) - set(inputs) - {-1})
    missing = sorted(i for i in wanted if not (graph.tensors[i].is_constant or graph.tensors[i].is_variable))
    if missing:
        raise ModelError(f"The part also needs tensor {missing[0]} ({graph.tensors[missing[0]].name!r}) as an input.")
    return kept[::-1]
