"""A model's layers as they are planned: names, options, shapes of outputs and weights, and no numbers yet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

Shape = tuple[int, ...]

#: Of all batch normalizations (Google's reference code); trained statistics belong to it.
BN_EPSILON = 1e-3
#: Of convolutions and of the dense layer, as keras.applications draws them: (scale, distribution), by the fan out.
INITIALIZERS: Mapping[str, tuple[float, str]] = {
    "Conv2D": (2.0, "truncated_normal"),
    "DepthwiseConv2D": (2.0, "truncated_normal"),
    "Dense": (1 / 3, "uniform"),
}


@dataclass(frozen=True)
class Layer:
    """A Keras layer at its place in a model.

    Attributes:
      kind, name: its class and name.
      inputs: names of the layers that it reads.
      options: its configuration, where it is not Keras' default.
      shape: of its output, without the batch: (height, width, channels), or (channels,).
      weights: shapes of its weights, in Keras' order.
    """

    kind: str
    name: str
    inputs: tuple[str, ...]
    options: Mapping[str, object]
    shape: Shape
    weights: tuple[Shape, ...] = ()

    @property
    def parameters(self) -> int:
        """How many numbers its weights are."""
        return sum(map(prod, self.weights))

    @property
    def macs(self) -> int:
        """Products that one image takes: a multiply-add each, what the papers count as FLOPs."""
        if self.kind not in INITIALIZERS:
            return 0
        return prod(self.shape[:-1]) * prod(self.weights[0])


@dataclass
class Drawing:
    """The layers drawn so far; each method adds one, or some, and returns the last."""

    momentum: float
    layers: list[Layer] = field(default_factory=list)

    def add(
        self,
        kind: str,
        name: str,
        inputs: Sequence[Layer],
        shape: Shape,
        weights: Sequence[Shape] = (),
        *,
        options: Mapping[str, object] = {},
    ) -> Layer:
        """Adds any layer."""
        layer = Layer(kind, name, tuple(given.name for given in inputs), options, shape, tuple(weights))
        self.layers.append(layer)
        return layer

    def convolution(self, given: Layer, name: str, filters: int, kernel: int = 1, stride: int = 1) -> Layer:
        """A full convolution without a bias."""
        height, width, channels = given.shape
        shape = (_strided(height, stride), _strided(width, stride), filters)
        weights = [(kernel, kernel, channels, filters)]
        return self.add(
            "Conv2D", name, [given], shape, weights, options={"filters": filters, **_window(kernel, stride)}
        )

    def depthwise(self, given: Layer, name: str, kernel: int, stride: int) -> Layer:
        """A depthwise convolution without a bias."""
        height, width, channels = given.shape
        shape = (_strided(height, stride), _strided(width, stride), channels)
        weights = [(kernel, kernel, channels, 1)]
        return self.add("DepthwiseConv2D", name, [given], shape, weights, options=_window(kernel, stride))

    def biased(self, given: Layer, name: str, filters: int, activation: str) -> Layer:
        """A 1×1 convolution with a bias and an activation, as in a squeeze-and-excitation."""
        weights = [(1, 1, given.shape[2], filters), (filters,)]
        options = {**_window(1, 1), "filters": filters, "use_bias": True, "activation": activation}
        return self.add("Conv2D", name, [given], (*given.shape[:2], filters), weights, options=options)

    def normalized(self, given: Layer, name: str, activation: str | None = None) -> Layer:
        """A batch normalization and, where one is named, an activation."""
        settings: dict[str, object] = {"axis": 3, "momentum": self.momentum, "epsilon": BN_EPSILON}
        layer = self.add(
            "BatchNormalization", f"{name}bn", [given], given.shape, [given.shape[2:]] * 4, options=settings
        )
        if activation is None:
            return layer
        # Not every release of Keras 2 has an activation of the name relu6.
        as_layer: dict[str, object] = {"max_value": 6.0} if activation == "relu6" else {"activation": activation}
        kind = "ReLU" if activation == "relu6" else "Activation"
        return self.add(kind, f"{name}activation", [layer], layer.shape, options=as_layer)


def _window(kernel: int, stride: int) -> dict[str, object]:
    return {"kernel_size": [kernel] * 2, "strides": [stride] * 2, "padding": "same", "use_bias": False}


def _strided(size: int, stride: int) -> int:
    return -(-size // stride)
