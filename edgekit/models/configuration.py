"""From planned layers to a `Network`: a Keras configuration that Keras 2 and 3 both read, and weights to begin with."""

from collections.abc import Iterator, Sequence
from math import prod, sqrt

import numpy as np
import numpy.typing as npt

from edgekit.models.network import Network
from edgekit.models.plan import INITIALIZERS, Layer, Shape

Weights = npt.NDArray[np.float32]

#: Standard deviation of a normal distribution cut off at two of its own, which Keras makes up for.
_CUT_OFF_DEVIATION = 0.87962566103423978
_FILLED = {"BatchNormalization": (1.0, 0.0, 0.0, 1.0), "Normalization": (0.0, 1.0, 0.0)}


def initial_network(name: str, layers: Sequence[Layer], *, seed: int) -> Network:
    """A model as keras.applications would make it, with fresh weights.

    Args:
      name: of the model.
      layers: in an order in which each has what it reads; the first is the input, the last the output.
      seed: which of all fresh weights; the same for the same layers on every machine.
    """
    random = np.random.default_rng(seed)
    weights = {layer.name: tuple(_initial(layer, random)) for layer in layers if layer.weights}
    return Network(configuration(name, layers), weights)


def configuration(name: str, layers: Sequence[Layer], outputs: Sequence[str] = ()) -> dict[str, object]:
    """A model as the two Kerases have it in their files, in the older form, which the newer one reads.

    Args:
      outputs: names of the layers that it ends with, of the last one by default.
    """
    starts = [layer.name for layer in layers if layer.kind == "InputLayer"]
    ends = {"input_layers": _references(starts), "output_layers": _references(outputs or [layers[-1].name])}
    described = [_described(layer) for layer in layers]
    return {"class_name": "Functional", "config": {"name": name, "trainable": True, "layers": described, **ends}}


def keras_order(layers: Sequence[Layer], outputs: Sequence[str]) -> list[Layer]:
    """Layers as Keras lists them once it has the model: its files tell whose weights are whose by that order alone.

    The farthest from the outputs come first; of those equally far, what a walk back from the outputs meets first.

    Args:
      layers: in an order in which each has what it reads.
      outputs: names of the layers that the model ends with.
    """
    named, met, walk = {layer.name: layer for layer in layers}, dict[str, int](), list(reversed(outputs))
    while walk:
        name = walk.pop()
        if name not in met:
            met[name] = len(met)
            walk += reversed(named[name].inputs)
    away = dict.fromkeys(named, 0)
    for layer in reversed(layers):
        for name in layer.inputs:
            away[name] = max(away[name], away[layer.name] + 1)
    return sorted(layers, key=lambda layer: (-away[layer.name], met.get(layer.name, 0)))


def _references(names: Sequence[str]) -> list[object]:
    """Layers' first outputs: one alone is no list."""
    found: list[object] = [[name, 0, 0] for name in names]
    return [names[0], 0, 0] if len(found) == 1 else found


def _described(layer: Layer) -> dict[str, object]:
    config: dict[str, object] = {"name": layer.name, "trainable": True, "dtype": "float32", **layer.options}
    if layer.kind == "InputLayer":
        config = {"name": layer.name, "dtype": "float32", "batch_input_shape": [None, *layer.shape]}
    if layer.kind in INITIALIZERS:
        scale, distribution = INITIALIZERS[layer.kind]
        settings = {"scale": scale, "mode": "fan_out", "distribution": distribution, "seed": None}
        which = "depthwise_initializer" if layer.kind == "DepthwiseConv2D" else "kernel_initializer"
        config[which] = {"class_name": "VarianceScaling", "config": settings}
    nodes = [[[name, 0, 0, {}] for name in layer.inputs]] if layer.inputs else []
    return {"class_name": layer.kind, "config": config, "name": layer.name, "inbound_nodes": nodes}


def _initial(layer: Layer, random: np.random.Generator) -> Iterator[Weights]:
    """A layer's fresh weights: those of its kind, or a kernel and biases of 0."""
    if layer.kind in _FILLED:
        for shape, value in zip(layer.weights, _FILLED[layer.kind], strict=True):
            yield np.full(shape, value, np.float32)
        return
    scale, distribution = INITIALIZERS[layer.kind]
    kernel, *biases = layer.weights
    # Keras takes a depthwise kernel's multiplier for its outputs.
    variance = scale / (prod(kernel[:-2]) * kernel[-1])
    yield _uniform(random, kernel, variance) if distribution == "uniform" else _cut_off(random, kernel, variance)
    for shape in biases:
        yield np.zeros(shape, np.float32)


def _uniform(random: np.random.Generator, shape: Shape, variance: float) -> Weights:
    limit = sqrt(3 * variance)
    return random.uniform(-limit, limit, shape).astype(np.float32)


def _cut_off(random: np.random.Generator, shape: Shape, variance: float) -> Weights:
    """Normally distributed numbers of which those beyond two standard deviations are drawn again."""
    values = random.standard_normal(shape, np.float32)
    beyond = np.abs(values) > 2
    while np.any(beyond):
        values[beyond] = random.standard_normal(int(beyond.sum()), np.float32)
        beyond = np.abs(values) > 2
    return values * np.float32(sqrt(variance) / _CUT_OFF_DEVIATION)
