"""EfficientNet members as Keras models."""

from typing import Any

from edgekit.errors import MissingDependencyError
from edgekit.install import install_command
from edgekit.models.family import HEAD_FILTERS, STEM_FILTERS, Block, Variant, blocks

#: Of all batch normalizations (Google's reference code); the trained statistics belong to it.
BN_EPSILON = 1e-3


def build(variant: Variant, classes: int) -> Any:
    """Builds a member with fresh weights.

    Returns:
      A `keras.Model` from (None, size, size, 3) float32, scaled `(pixel - 127) / 128`, to
      (None, classes) float32 probabilities.

    Raises:
      MissingDependencyError: Keras is not installed.
    """
    layers = import_keras().layers
    inputs = layers.Input((variant.size, variant.size, 3), name="image")
    stem = layers.Conv2D(STEM_FILTERS, 3, strides=2, padding="same", use_bias=False, name="stem_conv")
    x = _normalized(inputs, stem, "stem", relu=True)
    for block in blocks(variant):
        x = _mbconv(x, block)
    head = layers.Conv2D(HEAD_FILTERS, 1, use_bias=False, name="head_conv")
    x = _normalized(x, head, "head", relu=True)
    x = layers.GlobalAveragePooling2D(name="head_pool")(x)
    x = layers.Dropout(variant.dropout, name="head_dropout")(x)
    outputs = layers.Dense(classes, activation="softmax", name="predictions")(x)
    return import_keras().Model(inputs, outputs, name=f"efficientnet_{variant.name}")


def import_keras() -> Any:
    """The module `keras`, imported here and not before: it brings all of TensorFlow with it.

    Raises:
      MissingDependencyError: Keras or its backend is not installed.
    """
    try:
        import keras
    except (ImportError, ValueError) as error:  # ValueError: KERAS_BACKEND names no backend
        raise MissingDependencyError(
            "Building a model needs Keras 3 with its TensorFlow backend, which cannot be imported.",
            hint=f"Install them with: {install_command('convert')}",
        ) from error
    return keras


def _mbconv(x: Any, block: Block) -> Any:
    """Expand by 1×1, filter each channel, project by 1×1; add the input where the shapes agree."""
    layers = import_keras().layers
    inputs, channels = x, x.shape[-1]
    if block.expansion != 1:
        expand = layers.Conv2D(channels * block.expansion, 1, use_bias=False, name=f"{block.name}_expand_conv")
        x = _normalized(x, expand, f"{block.name}_expand", relu=True)
    depthwise = layers.DepthwiseConv2D(
        block.kernel, strides=block.stride, padding="same", use_bias=False, name=f"{block.name}_depthwise_conv"
    )
    x = _normalized(x, depthwise, f"{block.name}_depthwise", relu=True)
    project = layers.Conv2D(block.filters, 1, use_bias=False, name=f"{block.name}_project_conv")
    x = _normalized(x, project, f"{block.name}_project", relu=False)
    if block.stride == 1 and channels == block.filters:
        x = layers.Add(name=f"{block.name}_add")([inputs, x])
    return x


def _normalized(x: Any, convolution: Any, name: str, *, relu: bool) -> Any:
    layers = import_keras().layers
    x = layers.BatchNormalization(epsilon=BN_EPSILON, name=f"{name}_bn")(convolution(x))
    return layers.ReLU(6.0, name=f"{name}_relu")(x) if relu else x
