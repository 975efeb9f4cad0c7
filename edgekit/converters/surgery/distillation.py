"""Distillation in closed form: a changed model relearns what its original computes, layer by layer.

The student's layers are visited in the order in which they compute. Each linear layer (convolution, depthwise
convolution, dense) gets the weights under which its output, from what reaches it in the *student*, is nearest to
the original's output of that layer: a ridge regression towards the original's weights, so that it also makes good
what the layers before it have got wrong. Each batch normalization gets the statistics under which its output has the
original's mean and spread. Nothing but images is needed, no labels, no gradients and no learning rate; the result
does not depend on chance. On an EfficientNet-B0 whose swishes became ReLU6, a minute of it brings more than
three minutes of gradient descent on the same two cores (docs/surgery.md).
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np

from edgekit.converters.sources.keras.layers import leaves
from edgekit.errors import ConversionError
from edgekit.progress import Progress, silent

#: Weight of the original's weights in the regression, relative to the mean power of a layer's inputs.
RIDGE = 0.03
#: What earlier batches count when the next one comes: the layers before have changed since they were seen.
DECAY = 0.9
#: Rows of a layer's regression taken from one batch; neighbouring pixels tell nearly the same.
ROWS = 40_000
#: Convolutions with more weights per output than this keep theirs: solving for them would take longer than all else.
COLUMNS = 2_500
#: A channel's spread is corrected by this factor at most, in variance: dead channels would become noise.
SPREAD = 16.0
#: Scales and shifts of a channel on its way into ReLU6: small enough a scale keeps it from being cut off at 6, and
#: a shift keeps what a swish lets through below 0, of which squeeze-and-excitation has whole layers.
GAINS = (1.0, 0.5, 0.25, 0.125)
SHIFTS = (0.0, 0.3, 0.6, 1.0, 2.0, 3.0)
#: Values of a channel by which its scale and shift are chosen; and by how much a later choice must be better.
VALUES, BETTER = 800, 1e-3

_LINEAR = frozenset(("Conv2D", "DepthwiseConv2D", "Dense"))


@dataclass(frozen=True)
class Training:
    """What a distillation had and took.

    Attributes:
      images: how many it saw.
      seconds: how long it took.
    """

    images: int
    seconds: float


@dataclass
class _Memory:
    """A layer's running sums over batches, the latest weighing most.

    Attributes:
      weight: sum of the batches' weights.
      sums: of each statistic, as the batches give them.
    """

    weight: float = 0.0
    sums: list[np.ndarray] = field(default_factory=list)

    def averaged(self, *found: np.ndarray) -> list[np.ndarray]:
        """The statistics' averages, with those of one more batch."""
        self.weight = DECAY * self.weight + 1
        self.sums = [DECAY * old + new for old, new in zip(self.sums, found)] if self.sums else list(found)
        return [total / self.weight for total in self.sums]


def distill(
    teacher: Any, student: Any, batches: Iterable[np.ndarray], *, minutes: float, progress: Progress = silent
) -> Training:
    """Fits a student's weights to its teacher's answers, in place.

    Args:
      teacher, student: Keras models of the same layers in the same order.
      batches: float32 (n, height, width, channels), as the models take them.
      minutes: no batch is begun after so much time; one always is.

    Raises:
      ConversionError: the student's answers are no numbers.
    """
    started, seen = time.monotonic(), 0
    pairs = [(old, new) for old, new in zip(leaves(teacher), leaves(student), strict=True) if _is_fitted(old, new)]
    memories = [_Memory() for _ in pairs]
    for batch in batches:
        targets = _outputs([old for old, _ in pairs], teacher, batch)
        with _fitted(pairs, memories, targets):
            answers = student(batch, training=False)
        if not np.isfinite(answers).all():
            raise ConversionError("The surgery's model answers NaN or infinity.", "Leave --surgery away.")
        seen += len(batch)
        progress(f"Distilling (at most {minutes:g} min)", seen, None)
        if time.monotonic() - started > 60 * minutes:
            break
    return Training(seen, time.monotonic() - started)


def _is_fitted(teacher: Any, layer: Any) -> bool:
    if type(layer).__name__ == "Activation":
        return _is_replaced(teacher, layer)
    return type(layer).__name__ in (*_LINEAR, "BatchNormalization") and bool(layer.weights)


def _is_replaced(teacher: Any, layer: Any) -> bool:
    return layer.activation is not teacher.activation


def _outputs(layers: list[Any], model: Any, batch: np.ndarray) -> dict[int, Any]:
    """Position of a layer → what it gives for a batch: a linear layer before its activation, others what they
    read."""
    taken: dict[int, Any] = {}

    def keep(position: int, layer: Any, inputs: Any) -> None:
        result = _linear(layer, inputs) if type(layer).__name__ in _LINEAR else inputs
        taken.setdefault(position, result)

    with _visited(layers, keep):
        model(batch, training=False)
    return taken


@contextmanager
def _fitted(pairs: list[tuple[Any, Any]], memories: list[_Memory], targets: dict[int, Any]) -> Iterator[None]:
    """While it lasts, each student layer is fitted just before it first computes."""

    def fit(position: int, layer: Any, inputs: Any) -> None:
        target = targets.pop(position, None)
        if target is None:  # a layer used twice is fitted at its first use
            return
        teacher, memory = pairs[position][0], memories[position]
        kind, first = type(layer).__name__, not memory.weight
        if kind == "BatchNormalization":
            _fit_statistics(teacher, layer, memory, inputs, target)
        elif kind in _LINEAR:
            _fit_weights(teacher, layer, memory, inputs, target)
        if kind != "BatchNormalization" and first and _is_replaced(teacher, layer):
            memory.weight = memory.weight or 1.0
            _fit_activation(teacher, layer, target)

    with _visited([new for _, new in pairs], fit):
        yield


@contextmanager
def _visited(layers: list[Any], visit: Callable[[int, Any, Any], None]) -> Iterator[None]:
    """While it lasts, visit(position, layer, inputs) is called before each layer's own call."""
    originals = [layer.call for layer in layers]
    for position, (layer, original) in enumerate(zip(layers, originals, strict=True)):
        layer.call = _visiting(position, layer, original, visit)
    try:
        yield
    finally:
        for layer, original in zip(layers, originals, strict=True):
            layer.call = original


def _visiting(position: int, layer: Any, original: Callable[..., Any], visit: Callable[[int, Any, Any], None]) -> Any:
    def call(inputs: Any, *args: Any, **kwargs: Any) -> Any:
        visit(position, layer, inputs)
        return original(inputs, *args, **kwargs)

    return call


def _kernel(layer: Any) -> Any:
    """The variable (rows…, channels in, channels out); tf_keras has its own name for a depthwise one."""
    return layer.depthwise_kernel if hasattr(layer, "depthwise_kernel") else layer.kernel


def _linear(layer: Any, inputs: Any) -> Any:
    """What a linear layer gives before its activation."""
    activation, layer.activation = layer.activation, None
    try:
        return type(layer).call(layer, inputs)
    finally:
        layer.activation = activation


def _fit_statistics(teacher: Any, layer: Any, memory: _Memory, inputs: Any, target: Any) -> None:
    """Sets a normalization's statistics so that its output has the mean and spread of its teacher's."""
    import tensorflow as tf

    axes = list(range(len(inputs.shape) - 1))
    found = [value.numpy() for tensor in (inputs, target) for value in tf.nn.moments(tensor, axes)]
    mean, variance, wanted_mean, wanted_variance = memory.averaged(*found)
    ratio = np.clip((variance + 1e-9) / (wanted_variance + 1e-9), 1 / SPREAD, SPREAD)
    stored_mean, stored_variance = teacher.moving_mean.numpy(), teacher.moving_variance.numpy()
    layer.moving_mean.assign(mean - (wanted_mean - stored_mean) * np.sqrt(ratio))
    layer.moving_variance.assign(np.maximum((stored_variance + layer.epsilon) * ratio - layer.epsilon, 0))


def _fit_weights(teacher: Any, layer: Any, memory: _Memory, inputs: Any, target: Any) -> None:
    """Sets a linear layer's weights so that its output is nearest to its teacher's, in least squares."""
    rows = _rows(layer, inputs)
    if rows is None:
        return
    found = _regression(rows, _columns(layer, target))
    power, products, mean, wanted = memory.averaged(*found)
    before = _kernel(teacher).numpy()
    start = _by_group(before, len(power))
    ridge = RIDGE * np.trace(power, axis1=1, axis2=2) / power.shape[1] + 1e-9
    damped = power + ridge[:, None, None] * np.eye(power.shape[1], dtype=power.dtype)
    weights = start + np.linalg.solve(damped, products - power @ start)
    _kernel(layer).assign(_as_kernel(weights, before.shape))
    if layer.use_bias:
        layer.bias.assign((wanted - np.einsum("gi,gio->go", mean, weights)).ravel())


def _fit_activation(teacher: Any, layer: Any, target: Any) -> None:
    """Scales and shifts each channel so that the new activation's values correlate best with the old one's.

    Correlation counts and not distance, since the next layer's fit takes care of scale and offset.
    """
    values = target.numpy().reshape(-1, target.shape[-1])
    values = values[:: -(-len(values) // VALUES)]
    wanted, new = np.asarray(teacher.activation(values)), layer.activation
    best, chosen = np.full(values.shape[1], -1.0), np.ones((2, values.shape[1]), np.float32)
    for gain, shift in product(GAINS, SHIFTS):
        score = _correlation(np.asarray(new(gain * values + shift)), wanted)
        better = score > best + BETTER
        best[better], chosen[:, better] = score[better], [[gain], [shift]]
    layer.activation = lambda inputs: new(inputs * chosen[0] + chosen[1])


def _correlation(found: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Squared, of each column."""
    found, wanted = found - found.mean(axis=0), wanted - wanted.mean(axis=0)
    power = np.square(found).sum(axis=0) * np.square(wanted).sum(axis=0)
    correlation: np.ndarray = np.square((found * wanted).sum(axis=0)) / np.maximum(power, 1e-12)
    return correlation


def _by_group(kernel: np.ndarray, groups: int) -> np.ndarray:
    """A kernel as (groups, inputs, outputs): a depthwise one has a group for each channel, others have one."""
    if groups == 1:
        return kernel.reshape(1, -1, kernel.shape[-1])
    return np.moveaxis(kernel, 2, 0).reshape(groups, -1, 1)


def _as_kernel(weights: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """What `_by_group` made of a kernel of this shape, as it was."""
    if len(weights) == 1:
        return weights.reshape(shape)
    return np.moveaxis(weights.reshape(shape[2], shape[0], shape[1], 1), 0, 2)


def _rows(layer: Any, inputs: Any) -> Any:
    """What the layer's outputs are computed from, (groups, positions, inputs); None where it is not to be fitted."""
    import tensorflow as tf

    if type(layer).__name__ == "Dense":
        return tf.reshape(inputs, (1, -1, inputs.shape[-1]))
    depthwise, channels = type(layer).__name__ == "DepthwiseConv2D", int(inputs.shape[-1])
    sizes, size = [1, *layer.kernel_size, 1], int(np.prod(layer.kernel_size))
    odd = layer.depth_multiplier != 1 if depthwise else layer.groups != 1 or size * channels > COLUMNS
    if odd or layer.data_format != "channels_last":
        return None
    rates, strides = [1, *layer.dilation_rate, 1], [1, *layer.strides, 1]
    patches = tf.image.extract_patches(inputs, sizes, strides, rates, layer.padding.upper())
    if not depthwise:
        return tf.reshape(patches, (1, -1, size * channels))
    return tf.transpose(tf.reshape(patches, (-1, size, channels)), (2, 0, 1))


def _columns(layer: Any, target: Any) -> Any:
    """The outputs to reach, (groups, positions, outputs)."""
    import tensorflow as tf

    if type(layer).__name__ == "DepthwiseConv2D":
        return tf.transpose(tf.reshape(target, (-1, target.shape[-1])))[:, :, tf.newaxis]
    return tf.reshape(target, (1, -1, target.shape[-1]))


def _regression(rows: Any, columns: Any) -> list[np.ndarray]:
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
