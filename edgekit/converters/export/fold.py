"""Folding preprocessing into the graph, so that a quantized model takes an image's bytes as they are.

The first ops of a classifier often only scale pixels: Rescaling and Normalization layers become
MUL, SUB and ADD with constants, three ops whose 8-bit constants cost accuracy. Together with the
preprocessing outside of the model they are one affine map per channel, value = gain * pixel + offset,
which is put where it is exact:

- equal in all channels: into the input tensor's quantization, at no cost;
- before a convolution that sees no padding, or with offset 0: into its weights and bias;
- elsewhere (padding is zero *after* the map): one 1×1 depthwise convolution, quantized per channel.

Channels turned around inside (`tflite/turns.py`: mostly by ops that no Edge TPU knows) go into the first convolution's
weights, as does a model's wish for BGR. Resizing to the size that an image has already is left out, as
are casts of pixels to bytes and back.
"""

from dataclasses import dataclass, replace

import numpy as np

from edgekit.preprocess import InputSpec
from edgekit.tflite import Graph, names
from edgekit.tflite.editor import Editor
from edgekit.tflite.graph import Op
from edgekit.tflite.patterns import affine_step, cast_to_bytes, first_conv, same_size
from edgekit.tflite.turns import channel_turn

_RAW = (0.0, 1.0)
_ONE_BY_ONE = {
    "padding": "VALID",
    "stride_w": 1,
    "stride_h": 1,
    "depth_multiplier": 1,
    "dilation_w_factor": 1,
    "dilation_h_factor": 1,
}


@dataclass(frozen=True)
class _Head:
    """The start of a float graph: its chain of ops, the tensor that it computes, and how.

    `gain` and `offset` are in the order of that tensor's channels; `turned` says that it is not the input's.
    """

    gain: np.ndarray
    offset: np.ndarray
    chain: tuple[Op, ...]
    end: int
    turned: bool = False

    @property
    def is_raw(self) -> bool:
        """Whether its values are the pixels themselves, which are whole numbers."""
        return bool(np.all(self.gain == 1) and np.all(self.offset == 0))

    def after(self, *ops: Op) -> "_Head":
        """The chain with more ops, which change no value."""
        return replace(self, chain=(*self.chain, *ops), end=ops[-1].outputs[0])

    def turn(self) -> "_Head":
        """The same with the channels in the other order."""
        return replace(self, gain=self.gain[::-1], offset=self.offset[::-1], turned=not self.turned)


def fold_in(editor: Editor, spec: InputSpec) -> InputSpec | None:
    """Rewrites a float model so that its input needs at most one mean and one std for all channels, in RGB.

    Args:
      editor: of a float model with a static (1, H, W, C) float32 input; matched on the graph as it was read.
      spec: how images are prepared for it.

    Returns:
      The InputSpec that belongs to the rewritten model; None, and nothing rewritten, where nothing can be folded.
    """
    graph = editor.graph
    head = _head(graph, spec, turns=True)
    conv = first_conv(graph, head.end, spec.channels)
    if conv is None:  # nothing that a turn could go into
        head = _head(graph, spec, turns=False)
    swapped = head.turned != (spec.order == "bgr")
    if swapped and conv is None:
        return None
    rgb = replace(spec, order="rgb")
    if swapped and conv is not None:
        editor.set_constant_input(conv, 1, names.RGB_WEIGHTS, editor.constant(conv.inputs[1])[..., ::-1])
        head = head.turn()
    if _is_uniform(head):
        _bypass(editor, head)
        (gain, *_), (offset, *_) = head.gain.tolist(), head.offset.tolist()
        return replace(rgb, mean=(-offset / gain,) * spec.channels, std=(1.0 / gain,) * spec.channels)
    if conv is not None and _sees_no_padding(conv, head):
        _fold_into_conv(editor, conv, head)
        _bypass(editor, head)
    else:
        _replace_by_depthwise(editor, head)
    return replace(rgb, mean=(_RAW[0],) * spec.channels, std=(_RAW[1],) * spec.channels)


def _head(graph: Graph, spec: InputSpec, *, turns: bool) -> _Head:
    gain = 1.0 / np.asarray(spec.std, np.float64)
    head = _Head(gain, -np.asarray(spec.mean, np.float64) * gain, (), graph.inputs[0])
    while True:
        unchanged = _keeps_values(graph, head)
        turn = channel_turn(graph, head.end) if turns else ()
        if unchanged:
            head = head.after(*unchanged)
            continue
        if turn:
            head = head.after(*turn).turn()
            continue
        step = affine_step(graph, head.end)
        found = step.per_channel(spec.channels) if step else None
        if step is None or found is None:
            return head
        gain, offset = found
        if not np.all(gain > 0):
            return head  # a zero or negative gain has no mean and std to stand for it
        head = replace(head.after(step.op), gain=head.gain * gain, offset=head.offset * gain + offset)


def _keeps_values(graph: Graph, head: _Head) -> tuple[Op, ...]:
    """The next ops of the chain if they leave its values as they are, else ()."""
    resize = same_size(graph, head.end)
    if resize is not None:
        return (resize,)
    return cast_to_bytes(graph, head.end) if head.is_raw else ()


def _is_uniform(head: _Head) -> bool:
    (gain, *_), (offset, *_) = head.gain, head.offset
    return bool(np.ptp(head.gain) <= 1e-6 * gain and np.ptp(head.offset) <= 1e-6 * max(1.0, abs(offset)))


def _sees_no_padding(conv: Op, head: _Head) -> bool:
    unpadded = conv.option("padding") == "VALID" and conv.inputs[0] == head.end
    return bool(np.all(head.offset == 0)) or unpadded


def _fold_into_conv(editor: Editor, conv: Op, head: _Head) -> None:
    # Without a bias no interpreter runs it.
    weights, bias = (editor.constant(index) for index in editor.current(conv).inputs[1:3])
    shift = (weights.astype(np.float64) * head.offset).sum(axis=(1, 2, 3))
    scaled, shifted = (weights * head.gain).astype(np.float32), (bias + shift).astype(np.float32)
    editor.set_constant_input(conv, 1, names.SCALED_WEIGHTS, scaled)
    editor.set_constant_input(conv, 2, names.SHIFTED_BIAS, shifted)


def _bypass(editor: Editor, head: _Head) -> None:
    """Drops the chain: what read its end reads the graph's input, which takes the end's place."""
    editor.remove(head.chain)
    editor.redirect(head.end, editor.inputs[0])


def _replace_by_depthwise(editor: Editor, head: _Head) -> None:
    """Puts `gain * pixel + offset` into one 1×1 depthwise convolution in the chain's place."""
    source, end = editor.inputs[0], head.end
    editor.remove(head.chain)
    if not head.chain:
        end = editor.add_tensor(names.PREPROCESS_OUTPUT, editor.tensors[source].shape)
        editor.redirect(source, end)
    gain = editor.add_constant(names.PREPROCESS_GAIN, head.gain.reshape(1, 1, 1, -1).astype(np.float32))
    offset = editor.add_constant(names.PREPROCESS_OFFSET, head.offset.astype(np.float32))
    editor.insert_after(None, "DEPTHWISE_CONV_2D", [source, gain, offset], [end], _ONE_BY_ONE)
