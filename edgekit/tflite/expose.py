"""Looking inside a `.tflite` model: its inner tensors as outputs, its ops cut apart.

For the workstation only, as all editing, but for `exposed`.
"""

import struct
from dataclasses import replace
from typing import Dict, Mapping, Sequence, Tuple

import numpy as np

from edgekit.errors import ModelError
from edgekit.tflite import names
from edgekit.tflite.editor import Editor
from edgekit.tflite.flat import Table
from edgekit.tflite.graph import Graph

#: (index of an op, position among its inputs).
Slot = Tuple[int, int]

# Fields of the schema's tables.
_SUBGRAPHS, _SIGNATURES, _OUTPUTS = 2, 7, 2


def exposed(graph: Graph, tensors: Sequence[int]) -> Graph:
    """The model with these tensors as its outputs, in this order.

    As outputs they stay in memory after an invocation, on the same optimized kernels as otherwise. The file is not
    packed anew: the new list of outputs stands behind it, and the graph points there.
    """
    root = Table.root(graph.content)
    outputs = root.tables(_SUBGRAPHS)[0].position(_OUTPUTS)
    content = bytearray(graph.content) + bytes(-graph.size % 4)
    struct.pack_into("<I", content, outputs, len(content) - outputs)
    if root.has(_SIGNATURES):  # they name outputs that are no more
        struct.pack_into("<I", content, root.target(_SIGNATURES), 0)
    content += struct.pack("<I", len(tensors)) + np.array(tensors, "<i4").tobytes()
    return replace(graph, outputs=tuple(tensors), size=len(content), content=bytes(content))


def severed(graph: Graph, slots: Mapping[Slot, int], outputs: Sequence[int]) -> Graph:
    """The model's ops cut apart: where they read activations, each reads an input of the model of its own.

    One invocation then evaluates every op alone, on whatever is put in.

    Args:
      graph: the model.
      slots: for each activation that an op reads, the number of the new model's input to read in its place;
        numbers run from 0 without gaps, and slots that share a number read tensors of one shape. Ops without
        any slot here are left out.
      outputs: tensors that the ops compute, which become the outputs in this order.

    Raises:
      ModelError: slots that share an input read tensors of different shapes or types.
      MissingDependencyError: ai-edge-litert is not installed.
    """
    editor = Editor(graph)
    inputs: Dict[int, int] = {}
    for (op, position), number in slots.items():
        read = graph.tensors[graph.ops[op].inputs[position]]
        if number not in inputs:
            inputs[number] = editor.add_tensor(names.severed(number), read.shape, read.dtype)
        new = editor.tensors[inputs[number]]
        if (new.shape, new.dtype) != (read.shape, read.dtype):
            raise ModelError(f"Op {op} reads a tensor of another shape than others that share input {number}.")
        editor.set_input(graph.ops[op], position, inputs[number])
    cut = {op for op, _ in slots}
    editor.remove(op for op in graph.ops if op.index not in cut)
    editor.set_inputs([inputs[number] for number in range(len(inputs))])
    editor.set_outputs(outputs)
    editor.drop_description()
    return editor.finish()


def disturbed(graph: Graph, tensors: Sequence[int], output: int) -> Graph:
    """The float model with one input more for each of these tensors, which is added to what the tensor's op computes.

    One invocation then answers what an error in one layer does to all that come after it.

    Args:
      graph: the model.
      tensors: float activations; their inputs follow the model's own in this order.
      output: the tensor that becomes the output, with what was added to it.

    Raises:
      MissingDependencyError: ai-edge-litert is not installed.
    """
    editor = Editor(graph)
    added: Dict[int, int] = {}
    sums: Dict[int, int] = {}
    for tensor in tensors:
        known = graph.tensors[tensor]
        added[tensor], sums[tensor] = (
            editor.add_tensor(names.disturbed(what, tensor), known.shape) for what in ("added", "sum")
        )
        editor.redirect(tensor, sums[tensor])
    for tensor in tensors:
        editor.insert_after(graph.producer(tensor), "ADD", [tensor, added[tensor]], [sums[tensor]])
    editor.set_inputs([*graph.inputs, *added.values()])
    editor.set_outputs([sums.get(output, output)])
    editor.drop_description()
    return editor.finish()
