"""What would make a model faster on the Edge TPU, told from its estimate."""

import math
from typing import Iterator, List, Optional, Tuple

from edgekit.edgetpu.estimate.estimate import Estimate, LayerCost
from edgekit.edgetpu.estimate.profiles import EDGE_TPU, HOSTS
from edgekit.edgetpu.estimate.work import lanes
from edgekit.sizes import size_text

# What saves less than this share of the time is not worth a line.
_WORTH = 0.1


def savings(estimate: Estimate) -> Tuple[str, ...]:
    """Sentences on what costs most and what to change, the largest saving first; () where nothing stands out."""
    if not estimate.layers:
        return ()
    total = estimate.latency["usb3"].expected
    found: List[Tuple[float, str]] = []
    for saved, text in _candidates(estimate):
        if saved > _WORTH * total:
            found.append((saved, text))
    return tuple(text for _, text in sorted(found, key=lambda item: -item[0]))


def _candidates(estimate: Estimate) -> Iterator[Tuple[float, str]]:
    """(milliseconds at stake on USB 3, sentence) of every change that could help."""
    yield from _streaming(estimate)
    yield _fetching(estimate)
    layers = [text for text in map(_unused_lanes, estimate.costliest(3)) if text]
    yield from layers


def _streaming(estimate: Estimate) -> Iterator[Tuple[float, str]]:
    streamed = [layer for layer in estimate.layers if layer.streamed]
    cost = sum(layer.transfer_ms for layer in streamed)
    for layer in streamed:
        if layer.work.kind == "FULLY_CONNECTED" and layer.work.parameter_bytes > EDGE_TPU.on_chip_bytes:
            parts, size = math.ceil(layer.work.parameter_bytes / EDGE_TPU.on_chip_bytes), layer.work.parameter_bytes
            yield (
                layer.transfer_ms,
                f"Op {layer.index} is a dense layer of {size_text(size)}, more than the chip holds: average over the "
                f"image before it, or split it into {parts} or more narrower ones, so that a part stays on the chip.",
            )
    if streamed:
        wanted = sum(layer.work.on_chip_bytes for layer in estimate.layers)
        width = math.sqrt(EDGE_TPU.on_chip_bytes / wanted)
        yield (
            cost,
            f"{size_text(estimate.streamed_bytes)} of parameters do not fit on the chip and are sent at each inference "
            f"({cost:.1f} ms on USB 3): {width:.2f} times the width would make them fit.",
        )


def _fetching(estimate: Estimate) -> Tuple[float, str]:
    cost = estimate.output_bytes * HOSTS["usb3"].fetch_ns * 1e-6
    sent = estimate.input_bytes * HOSTS["usb3"].send_ns * 1e-6
    return (
        cost + sent,
        f"Input and output, {size_text(estimate.input_bytes + estimate.output_bytes)}, take {cost + sent:.1f} ms to "
        "move over USB 3: a smaller input, or an output of fewer values, saves in proportion.",
    )


def _unused_lanes(layer: LayerCost) -> Optional[Tuple[float, str]]:
    """A convolution whose output channels leave many of the array's lanes idle."""
    channels = layer.work.output[2]
    used = lanes(channels)
    if layer.work.array_passes == 0 or used < 1.25 * channels:
        return None
    below = {16: 0, 32: 16, 64: 32}.get(used, used - EDGE_TPU.lanes)
    fewer = f"{below} would take less, " if below else ""
    return (
        layer.compute_ms * (1 - channels / used),
        f"Op {layer.index} ({layer.work.kind}) has {channels} output channels and takes the time of {used}: "
        f"{fewer}{used} no more.",
    )
