"""Ops that the Edge TPU does not know, written as ones that it does and that compute the same."""

import numpy as np

from edgekit.edgetpu.placement.size_rules import MEAN
from edgekit.models.architecture import parts_of
from edgekit.tflite import names
from edgekit.tflite.editor import Editor
from edgekit.tflite.graph import Op


def rewrite(editor: Editor) -> None:
    """Rewrites what can be rewritten exactly, op by op."""
    for op in editor.ops:
        if op.opcode == "LEAKY_RELU":
            _leaky_as_prelu(editor, op)
        elif op.opcode == "MEAN":
            _mean_of_means(editor, op)


def _leaky_as_prelu(editor: Editor, op: Op) -> None:
    """A PRELU of one slope for all channels."""
    shape = editor.tensors[op.inputs[0]].shape
    # One slope per channel, shared over height and width, is the form that the Edge TPU wants.
    slopes = np.full((1,) * (len(shape) - 2) + shape[-1:], op.option("alpha"), np.float32)
    alpha = editor.add_constant(names.slope(op.index), slopes)
    editor.insert_after(op, "PRELU", [op.inputs[0], alpha], op.outputs)
    editor.remove([op])


def _mean_of_means(editor: Editor, op: Op) -> None:
    """A mean over a large image, which the Edge TPU compiler leaves on the CPU: that of means over equal parts.

    Between the largest that it took and the smallest that it left nothing is known: there, the op stays.
    """
    image, axes = editor.tensors[op.inputs[0]], editor.tensors[op.inputs[1]]
    if len(image.shape) != 4 or image.dtype != "float32" or not axes.is_constant:
        return
    if sorted(editor.constant(op.inputs[1]).ravel().tolist()) != [1, 2]:
        return
    _, height, width, channels = image.shape
    side = parts_of(height, width)
    if side == 1 or MEAN.on_cpu is None or height * width < MEAN.on_cpu:
        return
    means = editor.add_tensor(names.part_means(op.index), (1, height // side, width // side, channels))
    pool = {"padding": "VALID", "stride_h": side, "stride_w": side, "filter_height": side, "filter_width": side}
    editor.insert_after(editor.producer(image.index), "AVERAGE_POOL_2D", [image.index], [means], pool)
    editor.redirect(image.index, means, [op])
