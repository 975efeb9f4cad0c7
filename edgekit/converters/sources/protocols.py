"""What edgekit asks of the objects of TensorFlow and of both Kerases, which carry no types of their own."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol, TypeGuard

import numpy as np

LINEAR = frozenset(("Conv2D", "DepthwiseConv2D", "Dense"))


class Tensor(Protocol):
    """A tensor that holds numbers."""

    shape: Sequence[int]

    def numpy(self) -> np.ndarray:
        """The numbers."""

    def __getitem__(self, key: object) -> "Tensor":
        """A part of it."""

    def __sub__(self, other: "Tensor") -> "Tensor":
        """The difference."""

    def __array__(self) -> np.ndarray:
        """The numbers, where numpy asks for them."""


#: An inference: float32 images (batch, height, width, channels) → scores.
Call = Callable[[Tensor], Tensor]


class ModelEnd(Protocol):
    """A tensor without numbers, at an end of a model; None is a size that is open."""

    name: str
    shape: Sequence[int | None]
    dtype: object


class Variable(Protocol):
    """A weight of a model."""

    def numpy(self) -> np.ndarray:
        """Its value."""

    def assign(self, value: np.ndarray) -> object:
        """Gives it another value of the same shape."""


class Layer(Protocol):
    """A layer of a Keras model, or an operation of Keras 3."""

    name: str
    built: bool
    weights: Sequence[Variable]
    input: ModelEnd | Sequence[ModelEnd]
    call: Callable[..., Tensor]

    def get_config(self) -> Mapping[str, object]:
        """What it was made with."""


class Activated(Layer, Protocol):
    """A layer with an activation, or one that is nothing else; None passes values on."""

    activation: Callable[..., Tensor] | None


class Linear(Activated, Protocol):
    """A convolution, depthwise convolution or dense layer: each has its part of these."""

    kernel: Variable
    depthwise_kernel: Variable
    use_bias: bool
    bias: Variable
    kernel_size: Sequence[int]
    strides: Sequence[int]
    dilation_rate: Sequence[int]
    padding: str
    data_format: str
    groups: int
    depth_multiplier: int


class BatchNormalization(Layer, Protocol):
    """A batch normalization."""

    moving_mean: Variable
    moving_variance: Variable
    epsilon: float


class Rescaling(Layer, Protocol):
    """inputs * scale + offset."""

    scale: float | Sequence[float]
    offset: float | Sequence[float]


class Normalization(Layer, Protocol):
    """(inputs - mean) / sqrt(variance); each a tensor, an array or None before it is built."""

    mean: object
    variance: object


class KerasModel(Protocol):
    """A built model."""

    name: str
    inputs: Sequence[ModelEnd]
    outputs: Sequence[ModelEnd]
    layers: Sequence[Layer]
    variables: Sequence[Variable]

    def __call__(self, images: object, *, training: bool) -> Tensor:
        """The model's answers."""


def kind(layer: Layer) -> str:
    """The name of a layer's class, which is the same in both Kerases."""
    return type(layer).__name__


def is_model(layer: Layer | KerasModel) -> TypeGuard[KerasModel]:
    """Whether it is a model within a model."""
    return hasattr(layer, "layers")


def is_linear(layer: Layer) -> TypeGuard[Linear]:
    """Whether it is a convolution, depthwise convolution or dense layer."""
    return kind(layer) in LINEAR


def is_activated(layer: Layer) -> TypeGuard[Activated]:
    """Whether it has an activation."""
    return hasattr(layer, "activation")


def is_batch_normalization(layer: Layer) -> TypeGuard[BatchNormalization]:
    """Whether it is a batch normalization."""
    return kind(layer) == "BatchNormalization"


def is_rescaling(layer: Layer) -> TypeGuard[Rescaling]:
    """Whether it is a layer of Keras that scales pixels by constants."""
    return kind(layer) == "Rescaling"


def is_normalization(layer: Layer) -> TypeGuard[Normalization]:
    """Whether it is a layer of Keras that scales pixels by what it was adapted to."""
    return kind(layer) == "Normalization"


class Dtype(Protocol):
    """A type of TensorFlow's."""

    name: str


class Dims(Protocol):
    """A shape of TensorFlow's; None is a size that is open, and a rank that is unknown."""

    rank: int | None

    def __iter__(self) -> Iterator[int | None]:
        """The sizes."""

    def __getitem__(self, axis: int) -> int | None:
        """A size."""


class SignatureEnd(Protocol):
    """An input or output of a SavedModel's signature."""

    name: str
    shape: Dims
    dtype: Dtype


class Signature(Protocol):
    """A function by which a SavedModel is called: its inputs by name, its outputs by name."""

    structured_input_signature: tuple[object, Mapping[str, SignatureEnd]]
    structured_outputs: Mapping[str, SignatureEnd]
    edgekit_keeps: object

    def __call__(self, **inputs: object) -> Mapping[str, Tensor]:
        """The outputs for some inputs."""


class GraphOp(Protocol):
    """An operation of a TensorFlow graph."""

    name: str
    type: str
    inputs: "Sequence[GraphTensor]"
    outputs: "Sequence[GraphTensor]"

    def get_attr(self, name: str) -> object:
        """One of its attributes."""


class GraphTensor(Protocol):
    """A tensor of a TensorFlow graph."""

    op: GraphOp
    shape: Sequence[int | None]
    dtype: Dtype

    def consumers(self) -> Sequence[GraphOp]:
        """The operations that read it."""


class Graph(Protocol):
    """A TensorFlow graph."""

    def get_operations(self) -> Sequence[GraphOp]:
        """All of them, each after those whose results it reads."""

    def as_graph_def(self) -> object:
        """The graph as a message."""


class ConcreteFunction(Protocol):
    """A TensorFlow function, traced."""

    graph: Graph
    inputs: Sequence[GraphTensor]
    outputs: Sequence[GraphTensor]
    captured_inputs: Sequence[object]

    def prune(self, feeds: GraphTensor, fetches: GraphTensor) -> Call:
        """The part of it from one tensor to another; of a frozen function alone."""


class Traced(Protocol):
    """A `tf.function` with one signature, traced when it is first needed."""

    def __call__(self, images: object) -> Tensor:
        """float32 tensor (1, height, width, channels) → float32 tensor (1, classes)."""

    def get_concrete_function(self) -> ConcreteFunction:
        """The traced function."""
