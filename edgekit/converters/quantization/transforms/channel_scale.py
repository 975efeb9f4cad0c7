"""Factors per channel that let int8 represent a tensor, and the weights that read it, with the least noise.

A factor s on a channel divides that channel's rounding error by s. It widens the tensor's one range where the channel
becomes the largest, and it makes the channel's weights in the layers that read it smaller, so that these are rounded
more coarsely beside the others. What comes of all that at the readers is a sum of powers of maxima of products of the
factors: convex in their logarithms, so that descent from anywhere ends at the best factors there are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgekit.memory import check_room_for_scipy
from edgekit.tflite.quant import WEIGHT_LIMIT

#: A channel smaller than this part of the largest counts as if it were of this size: it is as good as dead.
_SMALLEST = 1e-3
#: The largest of some values is taken to be their mean of this power, which has a slope in all of them.
_POWER = 24
#: Root mean square of a channel's values, as a part of its extreme.
_TYPICAL = 0.25
_ITERATIONS = 100


@dataclass(frozen=True)
class Carrier:
    """An activation whose channels take the factors.

    Attributes:
      below, above: float64 (channels,): how far each channel reaches on either side of zero, none of them negative.
      gain: float64 (channels,): what part of an error in it reaches the readers, as where a gate follows.
    """

    below: np.ndarray
    above: np.ndarray
    gain: np.ndarray


def channel_scale(carriers: Sequence[Carrier], weights: Sequence[np.ndarray] = ()) -> np.ndarray:
    """The factors, float64 (channels,), the least of them 1.

    Args:
      carriers: all activations that take the factors; the last one is what the readers read.
      weights: float (outputs, …, channels) of each layer that reads it and has one scale per output. None of them
        where all readers are depthwise, with a scale for each channel: no channel's error is worth more than another's
        then, and the mean of their logarithms is what becomes least.
    """
    check_room_for_scipy()
    from scipy.optimize import minimize

    extremes = np.maximum(carriers[-1].below, carriers[-1].above)
    size = np.maximum(extremes, _SMALLEST * max(float(extremes.max()), 1e-9))
    activations = _Activations.of(carriers, size)
    reading = _Weights.of(weights, size) if weights else None
    options = {"maxiter": _ITERATIONS}
    found = minimize(noise, -np.log(size), (activations, reading), method="L-BFGS-B", jac=True, options=options).x
    return np.asarray(np.exp(found - found.min()))


@dataclass(frozen=True)
class _Activations:
    """Logarithms of the carriers' reach, float64 (carriers, 2, channels), and their squared gains."""

    reach: np.ndarray
    gain: np.ndarray

    @classmethod
    def of(cls, carriers: Sequence[Carrier], size: np.ndarray) -> "_Activations":
        sides = np.array([(carrier.below, carrier.above) for carrier in carriers])
        return cls(np.log(np.maximum(sides, 1e-9 * size)), np.array([carrier.gain**2 for carrier in carriers]))


@dataclass(frozen=True)
class _Weights:
    """Dense layers, all outputs together brought to a power of 1.

    Attributes:
      largest: float64 (outputs, channels), the logarithm of the largest weight, times the root of their number.
      power: float64 (channels,), sum of the squared weights.
      read: float64 (channels,), power of the values that the weights of a channel meet.
    """

    largest: np.ndarray
    power: np.ndarray
    read: np.ndarray

    @classmethod
    def of(cls, weights: Sequence[np.ndarray], size: np.ndarray) -> "_Weights":
        read = np.square(_TYPICAL * size)
        taps = [np.abs(layer.reshape(len(layer), -1, size.size).astype(np.float64)) for layer in weights]
        power = np.sum([np.square(layer).sum(axis=(0, 1)) for layer in taps], axis=0)
        whole = max(float(power @ read), 1e-30)
        largest = np.concatenate([layer.max(axis=1) * np.sqrt(layer.shape[1]) for layer in taps])
        return cls(np.log(np.maximum(largest / np.sqrt(whole), 1e-12)), power / whole, read)


def noise(logs: np.ndarray, activations: _Activations, weights: _Weights | None) -> tuple[float, np.ndarray]:
    """(logarithm of the readers' rounding noise, its gradient) for the factors' logarithms, float64 (channels,)."""
    reach, slopes = _largest(activations.reach + logs)
    steps, slopes = reach.sum(axis=1) / 255, (reach[..., None] * slopes).sum(axis=1) / 255
    each = activations.gain * np.exp(-2 * logs)
    total = np.square(steps) @ each
    worth = 1 / (total * total.size) if weights is None else weights.power
    gradient = 2 * (steps * (each @ worth)) @ slopes - 2 * worth * total
    if weights is None:
        return float(np.log(total).mean()), gradient
    coarsest, slopes = _largest(weights.largest - logs)
    squares, read = np.square(coarsest / WEIGHT_LIMIT), weights.read * np.exp(2 * logs)
    power = float(worth @ total + squares.sum() * read.sum())
    gradient += 2 * squares.sum() * read - 2 * read.sum() * (squares @ slopes)
    return float(np.log(power)), gradient / power


def _largest(logs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(exp of the largest along the last axis, gradient of its logarithm), made smooth."""
    highest = logs.max(axis=-1, keepdims=True)
    powers = np.exp(_POWER * (logs - highest))
    sums = powers.sum(axis=-1, keepdims=True)
    return np.exp(highest[..., 0] + np.log(sums[..., 0]) / _POWER), powers / sums
