"""Scale and zero point arithmetic of TFLite's 8-bit affine quantization.

real = scale * (quantized - zero_point); see the TFLite quantization specification. int8 weights are
symmetric (zero point 0, range ±127); activations are asymmetric over the whole type.
"""

from typing import Sequence, Tuple, Union

import numpy as np

from edgekit.tflite.graph import Tensor

ArrayLike = Union[float, Sequence[float], np.ndarray]

#: dtype name → (lowest, highest) quantized value of an activation.
LIMITS = {"int8": (-128, 127), "uint8": (0, 255), "int16": (-32768, 32767)}
#: Largest magnitude of an int8 weight.
WEIGHT_LIMIT = 127


def choose_qparams(low: float, high: float, dtype: str = "int8") -> Tuple[float, int]:
    """(scale, zero point) whose range holds [low, high] and represents 0 exactly.

    Raises ValueError where the range is not finite or is turned around.
    """
    if not (np.isfinite(low) and np.isfinite(high) and low <= high):
        raise ValueError(f"not a range: [{low}, {high}]")
    low, high = min(float(low), 0.0), max(float(high), 0.0)
    first, last = LIMITS[dtype]
    scale = (high - low) / (last - first)
    if scale == 0.0:
        return 1.0, 0
    return scale, int(np.clip(round(first - low / scale), first, last))


def quantize(values: np.ndarray, scale: float, zero_point: int, dtype: str) -> np.ndarray:
    """float array → quantized array of `dtype`, rounded to nearest and saturated."""
    first, last = LIMITS[dtype]
    steps = np.rint(np.asarray(values, np.float64) / scale) + zero_point
    saturated: np.ndarray = np.clip(steps, first, last).astype(dtype)
    return saturated


def dequantize(values: np.ndarray, scale: ArrayLike, zero_point: ArrayLike, axis: int = 0) -> np.ndarray:
    """Quantized array → float32 array.

    Args:
      scale, zero_point: one value each, or one per channel.
      axis: the channels' axis.
    """
    ahead = (-1,) + (1,) * (values.ndim - 1 - axis) if np.size(scale) > 1 else ()
    real: np.ndarray = (values.astype(np.float64) - np.reshape(zero_point, ahead)) * np.reshape(scale, ahead)
    return real.astype(np.float32)


def real_values(values: np.ndarray, tensor: Tensor) -> np.ndarray:
    """A tensor's stored values as float32 real ones: dequantized where they are integers that have a scale."""
    if tensor.quant is None or values.dtype.kind not in "iu":
        return values.astype(np.float32)
    return dequantize(values, tensor.quant.scale, tensor.quant.zero_point, tensor.quant.axis)


def fake_quantize(values: np.ndarray, scale: float, zero_point: int, dtype: str) -> np.ndarray:
    """What is left of float32 values once quantized and dequantized, computed in float32."""
    low, high = ((limit - zero_point) * scale for limit in LIMITS[dtype])
    within = np.clip(values, np.float32(low), np.float32(high))
    real: np.ndarray = np.rint(within / np.float32(scale)) * np.float32(scale)
    return real
