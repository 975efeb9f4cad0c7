"""A linear layer's weights as the answer of a regression: what they multiply, and what that is to give."""

import numpy as np

from edgekit.converters.sources.protocols import Linear, Tensor, Variable, kind

#: Rows of a layer's regression taken from one batch; neighbouring pixels tell nearly the same.
ROWS = 40_000
#: Convolutions with more weights per output than this keep theirs: solving for them would take longer than all else.
COLUMNS = 2_500


def kernel_of(layer: Linear) -> Variable:
    """The variable (rows…, channels in, channels out); tf_keras has its own name for a depthwise one."""
    return layer.depthwise_kernel if hasattr(layer, "depthwise_kernel") else layer.kernel


def by_group(kernel: np.ndarray, groups: int) -> np.ndarray:
    """A kernel as (groups, inputs, outputs): a depthwise one has a group for each channel, others have one."""
    if groups == 1:
        return kernel.reshape(1, -1, kernel.shape[-1])
    return np.moveaxis(kernel, 2, 0).reshape(groups, -1, 1)


def as_kernel(weights: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """What `by_group` made of a kernel of this shape, as it was."""
    if len(weights) == 1:
        return weights.reshape(shape)
    return np.moveaxis(weights.reshape(shape[2], shape[0], shape[1], 1), 0, 2)


def rows_of(layer: Linear, inputs: Tensor) -> Tensor | None:
    """What the layer's outputs are computed from, (groups, positions, inputs); None where it is not to be fitted."""
    import tensorflow as tf

    rows: Tensor
    if kind(layer) == "Dense":
        rows = tf.reshape(inputs, (1, -1, inputs.shape[-1]))
        return rows
    depthwise, channels = kind(layer) == "DepthwiseConv2D", int(inputs.shape[-1])
    sizes, size = [1, *layer.kernel_size, 1], int(np.prod(layer.kernel_size))
    odd = layer.depth_multiplier != 1 if depthwise else layer.groups != 1 or size * channels > COLUMNS
    if odd or layer.data_format != "channels_last":
        return None
    rates, strides = [1, *layer.dilation_rate, 1], [1, *layer.strides, 1]
    patches = tf.image.extract_patches(inputs, sizes, strides, rates, layer.padding.upper())
    if depthwise:
        rows = tf.transpose(tf.reshape(patches, (-1, size, channels)), (2, 0, 1))
    else:
        rows = tf.reshape(patches, (1, -1, size * channels))
    return rows


def columns_of(layer: Linear, target: Tensor) -> Tensor:
    """The outputs to reach, (groups, positions, outputs)."""
    import tensorflow as tf

    columns: Tensor = tf.reshape(target, (1, -1, target.shape[-1]))
    if kind(layer) == "DepthwiseConv2D":
        columns = tf.transpose(columns, (2, 1, 0))
    return columns


def moments(rows: Tensor, columns: Tensor) -> list[np.ndarray]:
    """The inputs' covariance, their covariance with the wanted outputs, and both means."""
    import tensorflow as tf

    step = -(-int(rows.shape[1]) // ROWS)
    rows, columns = rows[:, ::step], columns[:, ::step]
    count = float(rows.shape[1])
    mean, wanted = tf.reduce_mean(rows, axis=1), tf.reduce_mean(columns, axis=1)
    centred = rows - mean[:, tf.newaxis]
    power = tf.matmul(centred, centred, transpose_a=True) / count
    products = tf.matmul(centred, columns - wanted[:, tf.newaxis], transpose_a=True) / count
    return [value.numpy() for value in (power, products, mean, wanted)]
