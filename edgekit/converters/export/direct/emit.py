"""From a draft to a `.tflite`."""

from collections.abc import Sequence

import numpy as np

from edgekit.converters.export.direct.draft import Array, Step, Value, needed
from edgekit.tflite import names, tree
from edgekit.tflite.editor import Editor
from edgekit.tflite.graph import Graph
from edgekit.tflite.reader import read_graph
from edgekit.tflite.versions import lower_versions


def emit(steps: Sequence[Step], given: Value, answer: Value) -> Graph:
    """The float graph from one value to another; ops that the answer does not need are left out.

    Raises:
      MissingDependencyError: on a board, where the format can only be read.
    """
    editor = Editor(read_graph(tree.pack(tree.new_model())))
    kept = needed(steps, answer)
    values = _in_order([given, *(value for step in kept for value in (*step.inputs, step.output)), answer])
    places = {
        value: _add(editor, value, name)
        for value, name in zip(values, names.unique(value.name for value in values), strict=True)
    }
    before = None
    for step in kept:
        inputs = [places[value] for value in step.inputs]
        before = editor.insert_after(before, step.opcode, inputs, [places[step.output]], step.options)
    editor.set_inputs([places[given]])
    editor.set_outputs([places[answer]])
    lower_versions(editor, compiler_version=None)
    return editor.finish()


def _in_order(values: Sequence[Value]) -> list[Value]:
    return list(dict.fromkeys(values))


def _add(editor: Editor, value: Value, name: str) -> int:
    if value.constant is None:
        return editor.add_tensor(name, value.shape)
    return editor.add_constant(name, _stored(value.constant))


def _stored(value: Array) -> Array:
    return np.asarray(value, np.float32 if value.dtype.kind == "f" else np.int32)
