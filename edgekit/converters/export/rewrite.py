"""Ops that the Edge TPU does not know, written as ones that it does and that compute the same."""

import numpy as np

from edgekit.tflite import names
from edgekit.tflite.editor import Editor
from edgekit.tflite.graph import Op


def rewrite(editor: Editor) -> None:
    """Rewrites what can be rewritten exactly: LEAKY_RELU is a PRELU of one slope for all channels."""
    for op in editor.ops:
        if op.opcode == "LEAKY_RELU":
            _leaky_as_prelu(editor, op)


def _leaky_as_prelu(editor: Editor, op: Op) -> None:
    shape = editor.tensors[op.inputs[0]].shape
    # One slope per channel, shared over height and width, is the form that the Edge TPU wants.
    slopes = np.full((1,) * (len(shape) - 2) + shape[-1:], op.option("alpha"), np.float32)
    alpha = editor.add_constant(names.slope(op.index), slopes)
    editor.insert_after(op, "PRELU", [op.inputs[0], alpha], op.outputs)
    editor.remove([op])
