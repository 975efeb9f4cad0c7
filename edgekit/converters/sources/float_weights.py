"""Models whose weights alone are small («dynamic range», float16): they compute in float, so they are float models."""

import numpy as np

from edgekit.tflite import names
from edgekit.tflite.editor import Editor
from edgekit.tflite.graph import Graph, Tensor
from edgekit.tflite.ops import is_quantized
from edgekit.tflite.quant import dequantize
from edgekit.tflite.reader import numpy_dtypes
from edgekit.tflite.summary import quantization


def with_float_weights(graph: Graph) -> tuple[Graph, tuple[str, ...]]:
    """The model with its small weights as the float numbers that they stand for, and a note; itself where it has none.

    A model that also computes in integers stays as it is.
    """
    small = [tensor for tensor in graph.tensors if _is_small(tensor)]
    if quantization(graph).kind != "weights" or not small:
        return graph, ()
    editor = Editor(graph)
    for tensor in small:
        real = editor.add_constant(names.in_float(tensor.name), _numbers(editor, tensor))
        editor.redirect(tensor.index, real)
        for op in editor.consumers(real):
            if op.opcode == "DEQUANTIZE":
                editor.redirect(op.outputs[0], real)
    # What turned constants into float has no reader any more.
    editor.remove_dead()
    kinds = " and ".join(sorted({tensor.dtype for tensor in small}))
    return editor.finish(), (
        f"Its weights are {kinds}, its ops compute in float: the weights are taken as they are, rounded once already, "
        "and the verdict compares with that. The float model that it was made from may keep more.",
    )


def _is_small(tensor: Tensor) -> bool:
    """Whether a tensor holds weights in fewer bits than float32."""
    small = tensor.dtype == "float16" or is_quantized(tensor)
    return small and tensor.is_constant and tensor.dtype in numpy_dtypes()


def _numbers(editor: Editor, tensor: Tensor) -> np.ndarray:
    values = editor.constant(tensor.index)
    if tensor.quant is None:
        return values.astype(np.float32)
    return dequantize(values, tensor.quant.scale, tensor.quant.zero_point, tensor.quant.axis)
