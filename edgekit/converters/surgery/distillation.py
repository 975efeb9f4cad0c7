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

import numpy as np

from edgekit.converters.sources.keras.layers import leaves
from edgekit.converters.sources.protocols import (
    Activated,
    BatchNormalization,
    KerasModel,
    Layer,
    Linear,
    Tensor,
    is_activated,
    is_batch_normalization,
    is_linear,
    kind,
)
from edgekit.converters.surgery.regression import as_kernel, by_group, columns_of, kernel_of, moments, rows_of
from edgekit.errors import ConversionError
from edgekit.progress import Progress, silent

#: Weight of the original's weights in the regression, relative to the mean power of a layer's inputs.
RIDGE = 0.03
#: What earlier batches count when the next one comes: the layers before have changed since they were seen.
DECAY = 0.9
#: A channel's spread is corrected by this factor at most, in variance: dead channels would become noise.
SPREAD = 16.0
#: Scales and shifts of a channel on its way into ReLU6: small enough a scale keeps it from being cut off at 6, and
#: a shift keeps what a swish lets through below 0, of which squeeze-and-excitation has whole layers.
GAINS = (1.0, 0.5, 0.25, 0.125)
SHIFTS = (0.0, 0.3, 0.6, 1.0, 2.0, 3.0)
#: Values of a channel by which its scale and shift are chosen; and by how much a later choice must be better.
VALUES, BETTER = 800, 1e-3

#: What is called as a layer computes: its position, itself, what reaches it.
Visit = Callable[[int, Layer, Tensor], None]


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
    teacher: KerasModel,
    student: KerasModel,
    batches: Iterable[np.ndarray],
    *,
    minutes: float,
    progress: Progress = silent,
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


def _is_fitted(teacher: Layer, layer: Layer) -> bool:
    if kind(layer) == "Activation":
        return _is_replaced(teacher, layer)
    return (is_linear(layer) or is_batch_normalization(layer)) and bool(layer.weights)


def _is_replaced(teacher: Layer, layer: Layer) -> bool:
    return is_activated(layer) and is_activated(teacher) and layer.activation is not teacher.activation


def _outputs(layers: list[Layer], model: KerasModel, batch: np.ndarray) -> dict[int, Tensor]:
    """Position of a layer → what it gives for a batch: a linear layer before its activation, others what they
    read."""
    taken: dict[int, Tensor] = {}

    def keep(position: int, layer: Layer, inputs: Tensor) -> None:
        result = _linear(layer, inputs) if is_linear(layer) else inputs
        taken.setdefault(position, result)

    with _visited(layers, keep):
        model(batch, training=False)
    return taken


@contextmanager
def _fitted(pairs: list[tuple[Layer, Layer]], memories: list[_Memory], targets: dict[int, Tensor]) -> Iterator[None]:
    """While it lasts, each student layer is fitted just before it first computes."""

    def fit(position: int, layer: Layer, inputs: Tensor) -> None:
        target = targets.pop(position, None)
        if target is None:  # a layer used twice is fitted at its first use
            return
        teacher, memory = pairs[position][0], memories[position]
        first = not memory.weight
        if is_batch_normalization(layer) and is_batch_normalization(teacher):
            _fit_statistics(teacher, layer, memory, inputs, target)
        elif is_linear(layer) and is_linear(teacher):
            _fit_weights(teacher, layer, memory, inputs, target)
        if first and is_activated(layer) and is_activated(teacher):
            _fit_activation(teacher, layer, memory, target)

    with _visited([new for _, new in pairs], fit):
        yield


@contextmanager
def _visited(layers: list[Layer], visit: Visit) -> Iterator[None]:
    """While it lasts, visit(position, layer, inputs) is called before each layer's own call."""
    originals = [layer.call for layer in layers]
    for position, (layer, original) in enumerate(zip(layers, originals, strict=True)):
        layer.call = _visiting(position, layer, original, visit)
    try:
        yield
    finally:
        for layer, original in zip(layers, originals, strict=True):
            layer.call = original


def _visiting(position: int, layer: Layer, original: Callable[..., Tensor], visit: Visit) -> Callable[..., Tensor]:
    def call(inputs: Tensor, *args: object, **kwargs: object) -> Tensor:
        visit(position, layer, inputs)
        return original(inputs, *args, **kwargs)

    return call


def _linear(layer: Linear, inputs: Tensor) -> Tensor:
    """What a linear layer gives before its activation."""
    activation, layer.activation = layer.activation, None
    try:
        return type(layer).call(layer, inputs)
    finally:
        layer.activation = activation


def _fit_statistics(
    teacher: BatchNormalization, layer: BatchNormalization, memory: _Memory, inputs: Tensor, target: Tensor
) -> None:
    """Sets a normalization's statistics so that its output has the mean and spread of its teacher's."""
    import tensorflow as tf

    axes = list(range(len(inputs.shape) - 1))
    found = [value.numpy() for tensor in (inputs, target) for value in tf.nn.moments(tensor, axes)]
    mean, variance, wanted_mean, wanted_variance = memory.averaged(*found)
    ratio = np.clip((variance + 1e-9) / (wanted_variance + 1e-9), 1 / SPREAD, SPREAD)
    stored_mean, stored_variance = teacher.moving_mean.numpy(), teacher.moving_variance.numpy()
    layer.moving_mean.assign(mean - (wanted_mean - stored_mean) * np.sqrt(ratio))
    layer.moving_variance.assign(np.maximum((stored_variance + layer.epsilon) * ratio - layer.epsilon, 0))


def _fit_weights(teacher: Linear, layer: Linear, memory: _Memory, inputs: Tensor, target: Tensor) -> None:
    """Sets a linear layer's weights so that its output is nearest to its teacher's, in least squares."""
    rows = rows_of(layer, inputs)
    if rows is None:
        return
    found = moments(rows, columns_of(layer, target))
    power, products, mean, wanted = memory.averaged(*found)
    before = kernel_of(teacher).numpy()
    start = by_group(before, len(power))
    ridge = RIDGE * np.trace(power, axis1=1, axis2=2) / power.shape[1] + 1e-9
    damped = power + ridge[:, None, None] * np.eye(power.shape[1], dtype=power.dtype)
    weights = start + np.linalg.solve(damped, products - power @ start)
    kernel_of(layer).assign(as_kernel(weights, before.shape))
    if layer.use_bias:
        layer.bias.assign((wanted - np.einsum("gi,gio->go", mean, weights)).ravel())


def _fit_activation(teacher: Activated, layer: Activated, memory: _Memory, target: Tensor) -> None:
    """Scales and shifts each channel so that a new activation's values correlate best with the old one's.

    Correlation counts and not distance, since the next layer's fit takes care of scale and offset.
    """
    old, new = teacher.activation, layer.activation
    if old is None or new is None or new is old:
        return
    memory.weight = memory.weight or 1.0
    values = target.numpy().reshape(-1, target.shape[-1])
    values = values[:: -(-len(values) // VALUES)]
    wanted = np.asarray(old(values))
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
