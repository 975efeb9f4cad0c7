"""Looking inside a `.tflite` model: its inner tensors as outputs, its ops cut apart.

For the workstation only, as all editing.
"""

from typing import Dict, Mapping, Sequence, Tuple

import numpy as np

from edgekit.errors import ModelError
from edgekit.tflite import edit
from edgekit.tflite.graph import Graph

#: (index of an op, position among its inputs).
Slot = Tuple[int, int]


def exposed(graph: Graph, tensors: Sequence[int]) -> bytes:
    """The model with these tensors as its outputs, in this order.

    As outputs they stay in memory after an invocation, on the same optimized kernels as otherwise.

    Raises:
      MissingDependencyError: ai-edge-litert is not installed.
    """
    model = edit.unpack(graph.content)
    model.subgraphs[0].outputs = np.array(tensors, np.int32)
    model.signatureDefs = []
    return edit.pack(model)


def severed(graph: Graph, slots: Mapping[Slot, int], outputs: Sequence[int]) -> bytes:
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
    model = edit.unpack(graph.content)
    main = model.subgraphs[0]
    inputs = {}
    for (op, position), number in slots.items():
        read = main.operators[op].inputs[position]
        if number not in inputs:
            inputs[number] = len(main.tensors)
            main.tensors.append(_like(main.tensors[read], f"severed/{number}"))
        new = main.tensors[inputs[number]]
        if list(new.shape) != list(main.tensors[read].shape) or new.type != main.tensors[read].type:
            raise ModelError(f"Op {op} reads a tensor of another shape than others that share input {number}.")
        main.operators[op].inputs[position] = inputs[number]
    main.operators = [main.operators[index] for index in sorted({op for op, _ in slots})]
    main.inputs = np.array([inputs[number] for number in range(len(inputs))], np.int32)
    main.outputs = np.array(outputs, np.int32)
    model.signatureDefs, model.metadata, model.metadataBuffer = [], [], None
    return edit.pack(model)


def disturbed(graph: Graph, tensors: Sequence[int], output: int) -> bytes:
    """The float model with one input more for each of these tensors, which is added to what the tensor's op computes.

    One invocation then answers what an error in one layer does to all that come after it.

    Args:
      graph: the model.
      tensors: float activations; their inputs follow the model's own in this order.
      output: the tensor that becomes the output, with what was added to it.

    Raises:
      MissingDependencyError: ai-edge-litert is not installed.
    """
    model = edit.unpack(graph.content)
    main = model.subgraphs[0]
    makers = {int(index): op for op in main.operators for index in op.outputs}
    added: Dict[int, int] = {}
    sums: Dict[int, int] = {}
    for tensor in tensors:
        for places, name in ((added, "added"), (sums, "sum")):
            places[tensor] = len(main.tensors)
            main.tensors.append(_like(main.tensors[tensor], f"disturbed/{name}{tensor}"))
    for op in main.operators:
        op.inputs = np.array([sums.get(int(i), i) for i in op.inputs], np.int32)
    for tensor in tensors:
        plus = edit.new_op(model, "ADD", [tensor, added[tensor]], sums[tensor])
        main.operators.insert(main.operators.index(makers[tensor]) + 1, plus)
    main.inputs = np.array([*main.inputs, *added.values()], np.int32)
    main.outputs = np.array([sums.get(output, output)], np.int32)
    model.signatureDefs, model.metadata, model.metadataBuffer = [], [], None
    return edit.pack(model)


def _like(tensor: edit.Model, name: str) -> edit.Model:
    """A new activation of the same shape and type."""
    from ai_edge_litert.schema_py_generated import TensorT

    new = TensorT()
    new.name, new.type, new.shape = name.encode(), tensor.type, np.array(tensor.shape, np.int32)
    # Buffer 0 is the format's empty one.
    new.buffer = 0
    return new
