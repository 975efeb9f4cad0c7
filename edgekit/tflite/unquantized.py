"""A part of a quantized model, computed in float: for what needs slopes, which integers do not have.

For the workstation only, as all editing.
"""

from typing import Dict, Sequence

from edgekit.tflite.editor import Editor
from edgekit.tflite.graph import Graph, Op, Tensor
from edgekit.tflite.part import ops_between
from edgekit.tflite.quant import dequantize
from edgekit.tflite.reader import constant


def float_part(graph: Graph, inputs: Sequence[int], outputs: Sequence[int]) -> Graph:
    """The part of a model that computes `outputs` from `inputs`, in float32, quantized weights dequantized.

    Of a float model it is that part as it is.

    Raises:
      ModelError: an output depends on more than the inputs, or an input is constant.
      MissingDependencyError: ai-edge-litert is not installed.
    """
    kept, editor = ops_between(graph, inputs, outputs), Editor(graph)
    editor.remove(graph.ops)
    copy = _FloatCopy(graph, editor)
    copy.add(kept)
    editor.set_inputs([copy.of(index) for index in inputs])
    editor.set_outputs([copy.of(index) for index in outputs])
    editor.drop_description()
    editor.drop_unused()
    return editor.finish()


class _FloatCopy:
    """Ops and tensors of a graph, added to its editor once more in float."""

    def __init__(self, graph: Graph, editor: Editor) -> None:
        self._graph, self._editor = graph, editor
        self._places: Dict[int, int] = {}

    def add(self, ops: Sequence[Op]) -> None:
        last = None
        for op in ops:
            if op.opcode in ("QUANTIZE", "DEQUANTIZE") and _is_real(self._graph, op):
                self._places.update(zip(op.outputs, map(self.of, op.inputs)))
                continue
            read, made = ([self.of(index) for index in side] for side in (op.inputs, op.outputs))
            last = self._editor.insert_after(last, op.opcode, read, made, dict(op.options))

    def of(self, index: int) -> int:
        """The float tensor that stands for one of the graph; itself where it has no scale and is no cast."""
        if index not in self._places and index >= 0 and self._graph.tensors[index].quant is not None:
            self._places[index] = self._added(self._graph.tensors[index])
        return self._places.get(index, index)

    def _added(self, known: Tensor) -> int:
        if not known.is_constant:
            return self._editor.add_tensor(known.name, known.shape)
        assert known.quant is not None
        values, quant = constant(self._graph, known), known.quant
        if known.dtype == "float32":
            return known.index
        return self._editor.add_constant(known.name, dequantize(values, quant.scale, quant.zero_point, quant.axis))


def _is_real(graph: Graph, op: Op) -> bool:
    """Whether it stands between real numbers and quantized ones, or two scales: not between float16 and float32."""
    return any(tensor.quant is not None for tensor in (*graph.op_inputs(op), *graph.op_outputs(op)))
