"""On what scale the numbers of normalized arrays are: the model's own, or another common one."""

import numpy as np

from edgekit.errors import DataError
from edgekit.preprocess import InputSpec, describe

#: Numbers may pass an end of their scale by this part of it: floats are rounded, resized images overshoot.
SLACK = 0.02
#: Images of ordinary contrast, a few of them together, take at least this part of their scale.
LEAST = 0.25
#: How near to -1 and 1 the ends of numbers lie that were scaled to -1..1: a few images hold black and white.
ENDS = 0.95


def scale_of(low: float, high: float, spec: InputSpec) -> InputSpec:
    """The scale on which arrays with the extremes `low` and `high` are: that of `spec`, of 0..1, or of -1..1.

    Numbers from 0 to 1, none below, are plainly on the scale 0..1, and numbers that end at -1 and 1 on the
    scale -1..1, unless the model's own scale ends there, too.

    Raises:
      DataError: they are on none of these scales.
    """
    first, last = _ends(spec)
    slack = SLACK * (last - first)
    inside = first - slack <= low and high <= last + slack and high - low >= LEAST * (last - first)
    signs_fit, ends_fit = low < 0 or first >= -slack, _is_symmetric(first, last) or not _is_symmetric(low, high)
    if inside and signs_fit and ends_fit:
        return spec
    if low >= 0 and high <= 1 + SLACK:
        return spec.with_convention("0..1")
    if _is_symmetric(low, high):
        return spec.with_convention("-1..1")
    raise DataError(
        f"The arrays hold numbers from {low:.3g} to {high:.3g}; the model takes {describe(spec)}, "
        f"numbers from {first:.3g} to {last:.3g}.",
        "Give uint8 pixels or a folder of images, which edgekit scales itself.",
    )


def _ends(spec: InputSpec) -> tuple[float, float]:
    """What black and white become at the outermost channel."""
    mean, std = np.array(spec.mean), np.array(spec.std)
    return float(((0 - mean) / std).min()), float(((255 - mean) / std).max())


def _is_symmetric(low: float, high: float) -> bool:
    return -1 - SLACK <= low <= -ENDS and ENDS <= high <= 1 + SLACK


def pixels(numbers: np.ndarray, scale: InputSpec) -> np.ndarray:
    """Numbers (height, width[, channels]) on a scale → uint8 pixels in RGB or grey."""
    shaped = numbers.reshape(*numbers.shape[:2], scale.channels).astype(np.float32)
    scaled = shaped * np.array(scale.std, np.float32) + np.array(scale.mean, np.float32)
    ordered = scaled[..., ::-1] if scale.order == "bgr" else scaled
    return np.clip(np.rint(ordered), 0, 255).astype(np.uint8)
