"""Layers put behind the last one of a model, each in the type that the model computes in.

For the workstation only, as all editing: it needs `ai-edge-litert`.
"""

from dataclasses import dataclass
from typing import Mapping, Optional, Sequence, Tuple

import numpy as np

from edgekit.errors import UnsupportedModelError
from edgekit.tflite import names
from edgekit.tflite.editor import Editor
from edgekit.tflite.graph import OptionValue, QuantParams
from edgekit.tflite.metadata import Metadata, write_metadata
from edgekit.tflite.quant import LIMITS, choose_qparams, quantize
from edgekit.tflite.reader import read_graph
from edgekit.tflite.versions import lower_versions

#: dtype → zero point of a range that is symmetric around 0.
MIDDLE = {"int8": 0, "uint8": 128}

_CONVOLUTION = {
    "padding": "VALID",
    "stride_w": 1,
    "stride_h": 1,
    "dilation_w_factor": 1,
    "dilation_h_factor": 1,
}


@dataclass(frozen=True)
class Kind:
    """What a tensor is: its sizes, its dtype, and its quantization where it has one."""

    shape: Tuple[int, ...]
    dtype: str
    quant: Optional[QuantParams] = None


@dataclass
class Appending:
    """A model that layers are put behind, under way.

    Attributes:
      editor: of the model.
      end: the tensor that it ends with at present; in 8 bits, or in float32 without quantization.
    """

    editor: Editor
    end: Kind


def begin(content: bytes) -> Appending:
    """Opens a model to put layers behind it.

    Raises:
      UnsupportedModelError: it has several outputs, or one of another type than 8 bits or float32.
    """
    graph = read_graph(content)
    if len(graph.outputs) != 1:
        raise UnsupportedModelError(f"Model must have one and only one output. Actual: {len(graph.outputs)}.")
    tensor = graph.tensors[graph.outputs[0]]
    if tensor.dtype != "float32" and (tensor.dtype not in MIDDLE or tensor.quant is None):
        raise UnsupportedModelError(f"The embedding is of type {tensor.dtype}; expected int8, uint8 or float32.")
    return Appending(Editor(graph), Kind(tensor.shape, tensor.dtype, tensor.quant if tensor.dtype in MIDDLE else None))


def finish(work: Appending, source: Optional[Metadata] = None) -> bytes:
    """The model as a file, each op at the lowest version that its types need.

    How images become the input is taken over from the metadata of its source; labels are not, as they
    name other classes.
    """
    lower_versions(work.editor, compiler_version=None)
    graph = work.editor.finish()
    if source is None or source.input is None:
        return graph.content
    return write_metadata(graph, Metadata(input=source.input, output="probabilities"))


def reshape(work: Appending, shape: Sequence[int]) -> None:
    """Gives the end another shape of as many elements."""
    sizes = _add_constant(work, np.array(shape, np.int32), name="shape")
    output = Kind(tuple(shape), work.end.dtype, work.end.quant)
    _append(work, "RESHAPE", output=output, constants=[sizes], options={"new_shape": tuple(shape)})


def normalize(work: Appending) -> None:
    """Divides by the length of the vector along the last axis."""
    _append(work, "L2_NORMALIZATION", output=_between(work, 1.0))


def linear(work: Appending, weights: np.ndarray, bias: np.ndarray, limits: Tuple[float, float]) -> None:
    """A fully connected layer.

    Args:
      work: ends with a tensor of `inputs` elements.
      weights: (outputs, inputs) real.
      bias: (outputs,) real.
      limits: the least and the greatest output that can be stored, in 8 bits.
    """
    dtype = work.end.dtype
    constants = _parameters(work, weights, bias, weights_quant(weights, dtype))
    quant = _single(choose_qparams(*limits, dtype=dtype)) if dtype in MIDDLE else None
    _append(work, "FULLY_CONNECTED", output=Kind((1, len(bias)), dtype, quant), constants=constants)


def cosines(work: Appending, weights: np.ndarray, quant: Optional[QuantParams]) -> None:
    """A 1×1 convolution without bias whose outputs lie from -1 to 1.

    Args:
      work: ends with a tensor (1, 1, 1, inputs).
      weights: (outputs, inputs) real.
      quant: how the weights are stored; None in a float model.
    """
    count = len(weights)
    constants = _parameters(work, weights.reshape(count, 1, 1, -1), np.zeros(count), quant)
    end = _between(work, 1.0)
    _append(
        work, "CONV_2D", output=Kind((1, 1, 1, count), end.dtype, end.quant), constants=constants, options=_CONVOLUTION
    )


def multiply(work: Appending, factor: float) -> None:
    """Multiplies what lies from -1 to 1 by a positive constant."""
    dtype = work.end.dtype
    # The highest level stands for the constant, so that no level of the product is rounded.
    quant = QuantParams((factor / LIMITS[dtype][1],), (0,)) if dtype in MIDDLE else None
    constant = _add_constant(work, np.array([factor]), name="factor", quant=quant)
    _append(work, "MUL", output=_between(work, factor), constants=[constant])


def softmax(work: Appending) -> None:
    """Turns logits into probabilities; their quantization is fixed by TFLite's specification."""
    dtype = work.end.dtype
    quant = QuantParams((1 / 256,), (LIMITS[dtype][0],)) if dtype in MIDDLE else None
    _append(work, "SOFTMAX", output=Kind(work.end.shape, dtype, quant), options={"beta": 1.0})


def weights_quant(weights: np.ndarray, dtype: str) -> Optional[QuantParams]:
    """How weights are stored beside activations of a dtype: symmetric in int8, over their range in uint8."""
    if dtype == "uint8":
        return _single(choose_qparams(float(weights.min()), float(weights.max()), dtype))
    largest = float(np.abs(weights).max())
    return QuantParams((largest / 127 if largest else 1.0,), (0,)) if dtype == "int8" else None


def _single(params: Tuple[float, int]) -> QuantParams:
    return QuantParams(params[:1], params[1:])


def _between(work: Appending, limit: float) -> Kind:
    """The end's shape and type, for values from -limit to limit."""
    dtype = work.end.dtype
    return Kind(work.end.shape, dtype, QuantParams((limit / 128,), (MIDDLE[dtype],)) if dtype in MIDDLE else None)


def _parameters(
    work: Appending, weights: np.ndarray, bias: np.ndarray, quant: Optional[QuantParams]
) -> Tuple[int, int]:
    """Adds weights and bias; the bias is stored in int32, in steps of the products."""
    kernel = _add_constant(work, weights, name="weights", quant=quant)
    if quant is None or work.end.quant is None:
        return kernel, _add_constant(work, bias, name="bias")
    scale, limits = work.end.quant.scale[0] * quant.scale[0], np.iinfo(np.int32)
    steps = np.clip(np.rint(np.asarray(bias, np.float64) / scale), limits.min, limits.max).astype(np.int32)
    return kernel, _add_constant(work, steps, name="bias", quant=QuantParams((scale,), (0,)))


def _add_constant(work: Appending, value: np.ndarray, *, name: str, quant: Optional[QuantParams] = None) -> int:
    """Adds real values, stored as `quant` says, or in float32 without; int32 are stored as they are."""
    stored = value if value.dtype == np.int32 else value.astype(np.float32)
    if quant is not None and stored is not value:
        stored = quantize(value, quant.scale[0], quant.zero_point[0], work.end.dtype)
    return work.editor.add_constant(names.appended(name, len(work.editor.tensors)), stored, quant)


def _append(
    work: Appending,
    opcode: str,
    *,
    output: Kind,
    constants: Sequence[int] = (),
    options: Mapping[str, OptionValue] = {},
) -> None:
    """Adds an op that reads the end, and makes its output the end."""
    editor = work.editor
    name = names.appended(opcode.lower(), len(editor.tensors))
    end = editor.add_tensor(name, output.shape, output.dtype, output.quant)
    last = editor.ops[-1] if editor.ops else None
    editor.insert_after(last, opcode, [editor.outputs[0], *constants], [end], options)
    editor.set_outputs([end])
    work.end = output
