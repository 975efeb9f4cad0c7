"""Which members of the family, published or between, fit the Edge TPU: from their layers alone, without weights."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edgekit.edgetpu.estimate.estimate import Estimate, Interval, around, bytes_text, estimate_work, milliseconds_text
from edgekit.edgetpu.estimate.profiles import HOSTS
from edgekit.edgetpu.estimate.work import Shape, Work, layer_work
from edgekit.errors import UsageError
from edgekit.models.architecture import macs, parameters, plan
from edgekit.models.family import FAMILY, Variant
from edgekit.models.plan import Layer
from edgekit.models.scaling import find_member, scaled
from edgekit.sizes import size_text

#: Quarters of a unit from a quarter of the baseline's work to about B7's.
PHIS = tuple(quarter / 4 for quarter in range(-8, 29))

#: Layer → the op that it is in an int8 file; those not named here are gone there, folded into others.
_OPS = {
    "InputLayer": "QUANTIZE",
    # Statistics of its own for each channel, before a padded convolution.
    "Normalization": "DEPTHWISE_CONV_2D",
    "AveragePooling2D": "AVERAGE_POOL_2D",
    "Conv2D": "CONV_2D",
    "DepthwiseConv2D": "DEPTHWISE_CONV_2D",
    "Dense": "FULLY_CONNECTED",
    "GlobalAveragePooling2D": "MEAN",
    "Add": "ADD",
    "Multiply": "MUL",
}
#: Activation → the ops that follow its layer's; ReLU and ReLU6 are part of it.
_ACTIVATIONS = {"swish": ("LOGISTIC", "MUL"), "sigmoid": ("LOGISTIC",), "softmax": ("SOFTMAX",)}


@dataclass(frozen=True)
class Demand:
    """What a member has to fit.

    Attributes:
      host: a key of `estimate.HOSTS`: where the Edge TPU is attached.
      max_latency: milliseconds of one inference, or None.
      max_memory: bytes of on-chip memory for all parameters, or None.

    Without either bound all parameters have to stay on the chip.
    """

    host: str = "usb3"
    max_latency: float | None = None
    max_memory: int | None = None

    def __post_init__(self) -> None:
        """Raises UsageError for an unknown host, or a bound of nothing."""
        if self.host not in HOSTS:
            raise UsageError(f"There is no host {self.host!r}.", f"Choose one of: {', '.join(HOSTS)}.")
        if self.max_latency is not None and not self.max_latency > 0:
            raise UsageError(f"A latency of at most {self.max_latency:g} ms fits nothing.", "Give more than 0.")
        if self.max_memory is not None and self.max_memory < 1:
            raise UsageError(f"At most {self.max_memory} bytes fit nothing.", "Give more than 0.")


@dataclass(frozen=True)
class Candidate:
    """A member, and what it is expected to take on the Edge TPU.

    Attributes:
      variant: the member.
      parameters: all numbers that its weights are, as Keras counts them.
      macs: multiply-adds for one image, what the papers call FLOPs.
      memory: bytes of on-chip memory that all its parameters take.
      estimate: memory and latency.
      latency: milliseconds at the demand's host, with their interval.
      misses: why it does not fit, in words; () where it does.
    """

    variant: Variant
    parameters: int
    macs: int
    memory: int
    estimate: Estimate
    latency: Interval
    misses: tuple[str, ...]

    @property
    def latency_ms(self) -> float:
        """Expected milliseconds at the demand's host."""
        return self.latency.expected

    @property
    def fits(self) -> bool:
        """Whether it meets the demand."""
        return not self.misses


@dataclass(frozen=True)
class Scale:
    """The family against a demand.

    Attributes:
      demand: what was asked for.
      members: the published rows.
      between: the baseline scaled in steps of a quarter, the smallest first.
    """

    demand: Demand
    members: tuple[Candidate, ...]
    between: tuple[Candidate, ...]

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """All of them."""
        return self.members + self.between

    def series(self) -> Iterator[tuple[str, tuple[Candidate, ...]]]:
        """(what they are called, candidates of growing work), one baseline after the other."""
        for title in dict.fromkeys(each.variant.series.title for each in self.members):
            yield title.rstrip("-"), tuple(each for each in self.members if each.variant.series.title == title)
        yield "scaled by φ", self.between


def scale(
    *,
    max_latency: float | None = None,
    max_memory: int | None = None,
    host: str = "usb3",
    baseline: str = "b0",
    classes: int = 1000,
) -> Scale:
    """Estimates every member of the family, and a baseline scaled in steps, on the Edge TPU.

    Args:
      max_latency: milliseconds of one inference.
      max_memory: bytes of on-chip memory for all parameters; where neither bound is given, what the chip has.
      host: a key of `edgetpu.estimate.HOSTS`.
      baseline: one of `models.scaling.BASELINES`.
      classes: number of outputs.

    Raises:
      UsageError: an argument names nothing, or is out of bounds.
    """
    demand, start = Demand(host, max_latency, max_memory), find_member(baseline)
    members = tuple(candidate(variant, classes, demand) for variant in FAMILY.values())
    return Scale(demand, members, tuple(candidate(scaled(start, phi), classes, demand) for phi in PHIS))


def works(layers: Sequence[Layer]) -> Iterator[Work]:
    """The work of each op that planned layers are in an int8 file."""
    shapes = {layer.name: _shape(layer) for layer in layers}
    for layer in layers:
        shape = shapes[layer.name]
        if layer.kind in _OPS:
            source = shapes[layer.inputs[0]] if layer.inputs else shape
            yield layer_work(_OPS[layer.kind], source, shape, kernel=_kernel(layer, source))
        for opcode in _ACTIVATIONS.get(str(layer.options.get("activation")), ()):
            yield layer_work(opcode, shape, shape)


def candidate(variant: Variant, classes: int, demand: Demand) -> Candidate:
    """One member against a demand."""
    layers = plan(variant, classes)
    found = estimate_work(dict(enumerate(works(layers))), variant.size**2 * 3, classes)
    memory = sum(layer.work.on_chip_bytes for layer in found.layers)
    latency = found.latency[demand.host]
    misses = tuple(_misses(found, memory, demand))
    return Candidate(variant, parameters(layers), macs(layers), memory, found, latency, misses)


def _misses(found: Estimate, memory: int, demand: Demand) -> Iterator[str]:
    latency = found.latency[demand.host]
    if demand.max_latency is None and demand.max_memory is None and found.streamed_bytes:
        yield f"{bytes_text(found.streamed)}, of {size_text(memory)} of parameters do not stay on the chip"
    if demand.max_latency is not None and latency.expected > demand.max_latency:
        yield f"{milliseconds_text(latency)}, at most {demand.max_latency:g} ms"
    if demand.max_memory is not None and memory > demand.max_memory:
        yield f"{bytes_text(around(memory))} of parameters, at most {size_text(demand.max_memory)}"


def _shape(layer: Layer) -> Shape:
    height, width, channels = (1, 1, *layer.shape)[-3:]
    return (height, width, channels)


def _kernel(layer: Layer, source: Shape) -> tuple[int, int]:
    if layer.kind == "GlobalAveragePooling2D":
        return source[:2]
    window = layer.options.get("kernel_size", layer.options.get("pool_size", [1, 1]))
    assert isinstance(window, list)
    height, width = window
    return int(height), int(width)
