"""What causes a quantized layer's error, told from the error's parts, and what edgekit can do about it."""

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from edgekit.calibration.histogram import NOTHING, Histogram, merge
from edgekit.tflite.ops import facts_of

#: How many times the root mean square of a tensor's values its range may span before it counts as too wide. A normal
#: distribution reaches 4 of them on either side once in 16 000 values; twice that spends half of the steps on nothing.
WIDE = 16.0
#: How many times the middle channel's span that of all may be: at 8, that channel is left with 5 of the 8 bits.
DISPARATE = 8.0


@dataclass(frozen=True)
class Way:
    """Something to do about an error.

    Attributes:
      text: what, with the options of `edgekit convert` for it.
      names: the range methods and corrections that this tries; () where a conversion never tries it by itself.
    """

    text: str
    names: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Cause:
    """What most of a layer's error comes from.

    Attributes:
      name: for machines, such as "clipped".
      meaning: the same for people.
      ways: what to do about it.
    """

    name: str
    meaning: str
    ways: tuple[Way, ...]

    def remedy(self, tried: Collection[str] = ()) -> str:
        """What to do about it, in words, without what is no use.

        Args:
          tried: range methods and corrections that the conversion tried: the file has them, or they made it worse.
        """
        left = [way for way in self.ways if not way.names or not way.names <= set(tried)]
        if len(left) == len(self.ways):
            return "; or ".join(way.text for way in left)
        void = sorted({name for way in self.ways if way not in left for name in way.names})
        told = f"the conversion tried {', '.join(void)} and kept what was best"
        return "; or ".join([way.text for way in left]) + f" ({told})" if left else f"none: {told}"


CLIPPED = Cause(
    "clipped",
    "range clipped: values beyond it are cut off",
    (Way("a wider range: --ranges minmax", frozenset({"minmax"})), Way("calibrate on more images like these")),
)
TOO_WIDE = Cause(
    "too wide",
    "range too wide: a few outliers take most of the 256 steps",
    (Way("a tighter range: --ranges auto, percentile or mse", frozenset({"percentile", "mse"})),),
)
DISPARITY = Cause(
    "channel disparity",
    "channel disparity: one range for channels of very different size",
    (
        Way("channels scaled to one size, after swish: --corrections auto", frozenset({"split-swish"})),
        Way("a tighter range: --ranges auto or percentile", frozenset({"percentile"})),
    ),
)
WEIGHTS = Cause(
    "weights",
    "weights rounded to 8 bits",
    (Way("compensated in part by --corrections auto or rounding", frozenset({"rounding"})), Way("further training")),
)
QUANTIZATION_NOISE = Cause(
    "quantization noise",
    "quantization noise: the range fits, and the error is that of its 256 steps",
    (Way("none within 8 bits"),),
)
FIXED = Cause(
    "fixed range",
    "quantization noise of the range that the format fixes for this op",
    (Way("none that the format allows"),),
)


@dataclass(frozen=True)
class Errors:
    """Sums over all values of one layer's output, in all images.

    Attributes:
      signal, accumulated: power of the float model's tensor, and of its difference from the int8 model's.
      local_signal, local: power of the severed float op's answer, and of its difference from the int8 op's.
      clipped, rounded: the parts of `local` that the output's range and its steps explain.
      count: how many values.
      channels: float64 (2, channels): lowest and highest value of the severed op's answer.
      histogram: of the severed op's answers, some of them where there are many.
    """

    signal: float
    accumulated: float
    local_signal: float
    local: float
    clipped: float
    rounded: float
    count: int
    channels: np.ndarray
    histogram: Histogram = NOTHING

    def __add__(self, other: "Errors") -> "Errors":
        low, high = np.minimum(self.channels, other.channels)[0], np.maximum(self.channels, other.channels)[1]
        return Errors(
            self.signal + other.signal,
            self.accumulated + other.accumulated,
            self.local_signal + other.local_signal,
            self.local + other.local,
            self.clipped + other.clipped,
            self.rounded + other.rounded,
            self.count + other.count,
            np.stack([low, high]),
            merge(self.histogram, other.histogram),
        )


def diagnose(errors: Errors, span: float, opcode: str) -> tuple[Cause, float]:
    """(what most of the local error comes from, what part of it that is, 0–1).

    Args:
      errors: of one layer.
      span: width of the range that its int8 output can hold.
      opcode: the layer's kind.
    """
    if errors.local == 0:
        return QUANTIZATION_NOISE, 0.0
    if facts_of(opcode).fixed_output:
        return FIXED, 1.0
    rest = max(0.0, errors.local - errors.clipped - errors.rounded)
    parts = {"clipped": errors.clipped, "rounded": errors.rounded, "weights": rest}
    largest = max(parts, key=lambda name: parts[name])
    share = min(1.0, parts[largest] / errors.local)
    if largest != "rounded":
        return (CLIPPED if largest == "clipped" else WEIGHTS), share
    return _of_noise(errors, span), share


def _of_noise(errors: Errors, span: float) -> Cause:
    spans = errors.channels[1] - errors.channels[0]
    whole = float(errors.channels[1].max() - errors.channels[0].min())
    if spans.size > 1 and whole > DISPARATE * float(np.median(spans)):
        return DISPARITY
    return TOO_WIDE if span > WIDE * math.sqrt(errors.local_signal / errors.count) else QUANTIZATION_NOISE
