"""What a place to run needs of a model."""

from dataclasses import dataclass
from typing import Mapping, Tuple

#: Precision → what it means, for people.
PRECISIONS: Mapping[str, str] = {
    "int8": "weights and activations in int8",
    "float16": "weights in float16, computed in float",
    "dynamic": "weights in int8, activations in float and quantized as they come",
}


@dataclass(frozen=True)
class Target:
    """A place to run.

    Attributes:
      name: as `--target` takes it.
      title: for people.
      precisions: keys of PRECISIONS that it takes, the usual one first.
      float_islands: whether ops without an int8 form may stay in float between int8 ones.
      opens: what opens such a model there.
      io: type of the input and output of an int8 model there, unless asked for otherwise.
    """

    name: str
    title: str
    precisions: Tuple[str, ...]
    float_islands: bool
    opens: str
    io: str = "uint8"

    def precision(self, wanted: str) -> str:
        """The precision that a model for it gets where `wanted` is asked for several targets at once."""
        return wanted if wanted in self.precisions else self.precisions[0]


#: By name. The Edge TPU computes in int8 alone, and its compiler ends its part of a model at the first float op
#: (docs/supported-ops.md); LiteRT's CPU kernels (XNNPACK) and its GPU delegates take all three forms. Ethos-U and
#: Coral NPU belong to microcontrollers, whose kernels and examples have int8 inputs and outputs.
TARGETS: Mapping[str, Target] = {
    target.name: target
    for target in (
        Target(
            "edgetpu", "Coral Edge TPU", ("int8",), False, "edgekit, pycoral, LiteRT with libedgetpu, once compiled"
        ),
        Target("android", "Android", ("int8", "float16", "dynamic"), True, "LiteRT, MediaPipe's ImageClassifier"),
        Target("ios", "iOS", ("int8", "float16", "dynamic"), True, "LiteRT, MediaPipe's ImageClassifier"),
        Target("cpu", "CPU", ("int8", "float16", "dynamic"), True, "edgekit, LiteRT"),
        Target("ethos-u", "Arm Ethos-U", ("int8",), True, "LiteRT Micro, once compiled by Vela", io="int8"),
        Target("coral-npu", "Coral NPU", ("int8",), True, "Coral NPU's compilers, as TOSA; LiteRT Micro", io="int8"),
    )
}
