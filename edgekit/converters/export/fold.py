"""Folding preprocessing into the graph, so that a quantized model takes an image's bytes as they are.

The first ops of a classifier often only scale pixels: Rescaling and Normalization layers become
MUL, SUB and ADD with constants, three ops whose 8-bit constants cost accuracy. Together with the
preprocessing outside of the model they are one affine map per channel, value = gain * pixel + offset,
which is put where it is exact:

- equal in all channels: into the input tensor's quantization, at no cost;
- before a convolution that sees no padding, or with offset 0: into its weights and bias;
- elsewhere (padding is zero *after* the map): one 1×1 depthwise convolution, quantized per channel.
"""

from dataclasses import dataclass, replace
from typing import Any, List, Optional, Tuple

import numpy as np

from edgekit.preprocess import InputSpec
from edgekit.tflite import edit

_RAW = (0.0, 1.0)


@dataclass
class _Head:
    """The start of a float graph: its affine chain and what follows it."""

    gain: np.ndarray
    offset: np.ndarray
    chain: List[Any]
    end: int  # the tensor that the chain computes


def fold_preprocessing(content: bytes, spec: InputSpec) -> Tuple[bytes, InputSpec]:
    """Rewrites a float model so that its input needs at most one mean and one std for all channels, in RGB.

    Args:
      content: a float `.tflite` with a static (1, H, W, C) float32 input.
      spec: how images are prepared for it.

    Returns:
      The rewritten file and the InputSpec that belongs to it; both as given where nothing can be folded.
    """
    model = edit.unpack(content)
    head = _head(model, spec)
    conv = _first_conv(model, head.end, spec.channels)
    if spec.order == "bgr" and conv is None:
        return content, spec
    rgb = replace(spec, order="rgb")
    if spec.order == "bgr":
        _swap_input_channels(model, conv)
        head.gain, head.offset = head.gain[::-1], head.offset[::-1]
    if _is_uniform(head):
        _bypass(model, head)
        gain, mean = float(head.gain[0]), float(-head.offset[0] / head.gain[0])
        folded = replace(rgb, mean=(mean,) * spec.channels, std=(1.0 / gain,) * spec.channels)
    else:
        if conv is not None and _sees_no_padding(model, conv, head):
            _fold_into_conv(model, conv, head)
            _bypass(model, head)
        else:
            _replace_by_depthwise(model, head)
        folded = replace(rgb, mean=(_RAW[0],) * spec.channels, std=(_RAW[1],) * spec.channels)
    return edit.pack(model), folded


def _head(model: Any, spec: InputSpec) -> _Head:
    graph = model.subgraphs[0]
    gain = 1.0 / np.asarray(spec.std, np.float64)
    head = _Head(gain, -np.asarray(spec.mean, np.float64) * gain, [], int(graph.inputs[0]))
    while True:
        step = _affine_step(model, head.end, spec.channels)
        if step is None:
            return head
        op, gain, offset = step
        if not np.all(gain * head.gain > 0):
            return head  # a zero or negative gain has no mean and std to stand for it
        head.gain, head.offset = head.gain * gain, head.offset * gain + offset
        head.chain.append(op)
        head.end = int(op.outputs[0])


def _affine_step(model: Any, tensor: int, channels: int) -> Optional[Tuple[Any, np.ndarray, np.ndarray]]:
    """(op, gain, offset) where the tensor's only reader is arithmetic with a constant per channel."""
    from ai_edge_litert.schema_py_generated import ActivationFunctionType, BuiltinOperator

    graph = model.subgraphs[0]
    readers = [op for op in graph.operators if tensor in list(op.inputs)]
    if len(readers) != 1 or len(readers[0].inputs) != 2 or int(readers[0].outputs[0]) in list(graph.outputs):
        return None
    op = readers[0]
    inputs = [int(i) for i in op.inputs]
    value = edit.array(model, graph.tensors[inputs[1 - inputs.index(tensor)]])
    activation = getattr(op.builtinOptions, "fusedActivationFunction", ActivationFunctionType.NONE)
    if value is None or value.dtype != np.float32 or value.size not in (1, channels):
        return None
    if activation != ActivationFunctionType.NONE or (value.size > 1 and value.shape[-1] != channels):
        return None
    constant = np.broadcast_to(value.astype(np.float64).reshape(-1), (channels,))
    zero, one, first = np.zeros(channels), np.ones(channels), inputs[0] == tensor
    code = edit.opcode(model, op)
    if code == BuiltinOperator.MUL:
        return op, constant, zero
    if code == BuiltinOperator.ADD:
        return op, one, constant
    if code == BuiltinOperator.SUB and first:
        return op, one, -constant
    if code == BuiltinOperator.DIV and first and np.all(constant != 0):
        return op, 1.0 / constant, zero
    return None


def _first_conv(model: Any, tensor: int, channels: int) -> Optional[Any]:
    """The convolution that alone reads the tensor, straight or through a PAD; none where it is a grouped one."""
    from ai_edge_litert.schema_py_generated import BuiltinOperator

    graph = model.subgraphs[0]
    readers = [op for op in graph.operators if tensor in list(op.inputs)]
    if len(readers) != 1 or int(readers[0].inputs[0]) != tensor:
        return None
    code = edit.opcode(model, readers[0])
    if code == BuiltinOperator.PAD:
        return _first_conv(model, int(readers[0].outputs[0]), channels)
    if code != BuiltinOperator.CONV_2D:
        return None
    weights, *bias = [edit.array(model, graph.tensors[int(i)]) for i in readers[0].inputs[1:]]
    constant = all(value is not None and value.dtype == np.float32 for value in (weights, *bias))
    return readers[0] if constant and weights is not None and weights.shape[-1] == channels else None


def _is_uniform(head: _Head) -> bool:
    return bool(
        np.ptp(head.gain) <= 1e-6 * head.gain[0] and np.ptp(head.offset) <= 1e-6 * max(1.0, abs(head.offset[0]))
    )


def _sees_no_padding(model: Any, conv: Any, head: _Head) -> bool:
    from ai_edge_litert.schema_py_generated import Padding

    unpadded = conv.builtinOptions.padding == Padding.VALID and int(conv.inputs[0]) == head.end
    return bool(np.all(head.offset == 0)) or unpadded


def _swap_input_channels(model: Any, conv: Any) -> None:
    weights = edit.array(model, model.subgraphs[0].tensors[int(conv.inputs[1])])
    assert weights is not None
    edit.set_constant_input(model, conv, 1, weights[..., ::-1], "edgekit/rgb_weights")


def _fold_into_conv(model: Any, conv: Any, head: _Head) -> None:
    tensors = model.subgraphs[0].tensors
    weights = edit.array(model, tensors[int(conv.inputs[1])])
    bias = edit.array(model, tensors[int(conv.inputs[2])])  # without one no interpreter runs it
    assert weights is not None and bias is not None
    shift = (weights.astype(np.float64) * head.offset).sum(axis=(1, 2, 3))
    edit.set_constant_input(model, conv, 1, weights * head.gain, "edgekit/scaled_weights")
    edit.set_constant_input(model, conv, 2, bias + shift, "edgekit/shifted_bias")


def _bypass(model: Any, head: _Head) -> None:
    """Drops the chain: what read its end reads the graph's input, which takes the end's place."""
    graph = model.subgraphs[0]
    graph.operators = [op for op in graph.operators if op not in head.chain]
    for op in graph.operators:
        op.inputs = np.array([int(graph.inputs[0]) if i == head.end else i for i in op.inputs], np.int32)


def _replace_by_depthwise(model: Any, head: _Head) -> None:
    """Puts `gain * pixel + offset` into one 1×1 depthwise convolution in the chain's place."""
    from ai_edge_litert import schema_py_generated as schema

    graph = model.subgraphs[0]
    source = int(graph.inputs[0])
    if not head.chain:
        head.end = _new_activation(graph, source)
        for op in graph.operators:
            op.inputs = np.array([head.end if i == source else i for i in op.inputs], np.int32)
    op = schema.OperatorT()
    op.opcodeIndex = _depthwise_code(model)
    weights = edit.add_constant(model, "edgekit/preprocess/gain", head.gain.reshape(1, 1, 1, -1))
    bias = edit.add_constant(model, "edgekit/preprocess/offset", head.offset)
    op.inputs, op.outputs = np.array([source, weights, bias], np.int32), np.array([head.end], np.int32)
    op.builtinOptionsType = schema.BuiltinOptions.DepthwiseConv2DOptions
    options = schema.DepthwiseConv2DOptionsT()
    options.padding, options.strideW, options.strideH, options.depthMultiplier = schema.Padding.VALID, 1, 1, 1
    options.dilationWFactor = options.dilationHFactor = 1
    op.builtinOptions = options
    graph.operators = [op, *(other for other in graph.operators if other not in head.chain)]


def _new_activation(graph: Any, like: int) -> int:
    from ai_edge_litert.schema_py_generated import TensorT

    tensor = TensorT()
    tensor.name, tensor.type = b"edgekit/preprocess/output", graph.tensors[like].type
    tensor.shape, tensor.buffer = graph.tensors[like].shape, 0
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def _depthwise_code(model: Any) -> int:
    from ai_edge_litert.schema_py_generated import BuiltinOperator, OperatorCodeT

    for index, code in enumerate(model.operatorCodes):
        if max(code.builtinCode, code.deprecatedBuiltinCode) == BuiltinOperator.DEPTHWISE_CONV_2D:
            return index
    code = OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = BuiltinOperator.DEPTHWISE_CONV_2D
    code.version = 1
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1
