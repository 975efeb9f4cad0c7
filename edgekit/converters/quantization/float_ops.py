"""Layers that the Edge TPU cannot compute in int8, told before the work and by the names that users gave them."""

import re
from collections.abc import Mapping, Sequence

from edgekit.converters.quantization.backend import without_int8
from edgekit.converters.sources.source import DirectSource, KerasSource, Source
from edgekit.edgetpu.placement.operations import REPLACEMENTS
from edgekit.errors import ConversionError
from edgekit.tflite.graph import Graph, Op

#: Layer → what to use in its place; for other ones the advice of their ops.
_INSTEAD: Mapping[str, str] = {
    **dict.fromkeys(
        ("GroupNormalization", "LayerNormalization", "RMSNormalization"), "Use BatchNormalization instead."
    ),
}
_OTHERWISE = "Use another layer, such as ReLU, in its place."


def refuse_float_ops(graph: Graph, source: Source) -> None:
    """Raises ConversionError where ops of a float model have no int8 form that the Edge TPU compiler can read.

    Args:
      graph: the float model.
      source: what it was exported from.
    """
    ops = without_int8(graph)
    if not ops:
        return
    layers = source.layers if isinstance(source, KerasSource | DirectSource) else {}
    groups: dict[str, list[Op]] = {}
    for op in ops:
        groups.setdefault(_layer(graph, op, layers) or op.custom or op.opcode, []).append(op)
    would = f"{len(ops)} op{'s' if len(ops) > 1 else ''} would stay in float"
    raise ConversionError(
        f"The Edge TPU has no int8 form of {', '.join(_told(what, group) for what, group in groups.items())}: {would}, "
        f"first in {graph.tensors[ops[0].outputs[0]].name.split(';')[0]!r}.",
        f"{_advice(groups)} For phones and CPUs, --allow-float leaves it in float.",
    )


def _layer(graph: Graph, op: Op, layers: Mapping[str, str]) -> str:
    """What the layer is whose name the op's output has; the export may have put a number behind it. "" for none."""
    for part in reversed(graph.tensors[op.outputs[0]].name.split(";")[0].split("/")):
        for name in (part, re.sub(r"(_|#)\d+$", "", part)):
            if name in layers:
                return layers[name]
    return ""


def _told(what: str, ops: Sequence[Op]) -> str:
    opcodes = sorted({op.custom or op.opcode for op in ops})
    return what if opcodes == [what.upper()] else f"{what} ({', '.join(opcodes)})"


def _advice(groups: Mapping[str, Sequence[Op]]) -> str:
    advice = [_INSTEAD.get(what) or REPLACEMENTS.get(group[0].opcode, _OTHERWISE) for what, group in groups.items()]
    return " ".join(dict.fromkeys(advice))
