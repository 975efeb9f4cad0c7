"""The EfficientNet family as data: one table of stages, one row of coefficients per member.

A member is the baseline widened, deepened and given larger images, all three together
(compound scaling, Tan & Le 2019, arXiv:1905.11946). The Lite members leave out
squeeze-and-excitation, use ReLU6 instead of swish, and keep the stem, the head and the depth of the
first and last stage as they are in the baseline; stages, rows and rounding rules are those of
Google's reference code (tensorflow/tpu, models/official/efficientnet).
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Variant:
    """A family member: its row of coefficients.

    Attributes:
      name: what users call it, such as "lite0".
      width: factor on the number of filters of each stage.
      depth: factor on the number of blocks of each stage.
      size: height and width of the input image, in pixels.
      dropout: fraction of the head's features dropped while training.
    """

    name: str
    width: float
    depth: float
    size: int
    dropout: float


FAMILY: Mapping[str, Variant] = {
    variant.name: variant
    for variant in (
        Variant("lite0", width=1.0, depth=1.0, size=224, dropout=0.2),
        Variant("lite1", width=1.0, depth=1.1, size=240, dropout=0.2),
        Variant("lite2", width=1.1, depth=1.2, size=260, dropout=0.3),
        Variant("lite3", width=1.2, depth=1.4, size=280, dropout=0.3),
        Variant("lite4", width=1.4, depth=1.8, size=300, dropout=0.3),
    )
}

STEM_FILTERS = 32
HEAD_FILTERS = 1280


@dataclass(frozen=True)
class Stage:
    """A run of equal blocks in the baseline; only the first one has the stride."""

    kernel: int
    repeats: int
    filters: int
    expansion: int
    stride: int


STAGES = (
    Stage(kernel=3, repeats=1, filters=16, expansion=1, stride=1),
    Stage(kernel=3, repeats=2, filters=24, expansion=6, stride=2),
    Stage(kernel=5, repeats=2, filters=40, expansion=6, stride=2),
    Stage(kernel=3, repeats=3, filters=80, expansion=6, stride=2),
    Stage(kernel=5, repeats=3, filters=112, expansion=6, stride=1),
    Stage(kernel=5, repeats=4, filters=192, expansion=6, stride=2),
    Stage(kernel=3, repeats=1, filters=320, expansion=6, stride=1),
)


@dataclass(frozen=True)
class Block:
    """One inverted bottleneck (MBConv) of a member.

    Attributes:
      name: prefix of its layers' names, such as "block2a".
      kernel, stride: of its depthwise convolution.
      expansion: factor from its input's channels to those of the depthwise convolution.
      filters: its output's channels.
    """

    name: str
    kernel: int
    stride: int
    expansion: int
    filters: int


def blocks(variant: Variant) -> Iterator[Block]:
    """The blocks of a member, from the stem to the head."""
    for number, stage in enumerate(STAGES, start=1):
        filters = round_filters(stage.filters, variant.width)
        at_an_end = number in (1, len(STAGES))
        for index in range(stage.repeats if at_an_end else round_repeats(stage.repeats, variant.depth)):
            yield Block(
                name=f"block{number}{'abcdefghijklmnop'[index]}",
                kernel=stage.kernel,
                stride=stage.stride if index == 0 else 1,
                expansion=stage.expansion,
                filters=filters,
            )


def round_filters(filters: int, width: float) -> int:
    """The widened number of filters as a multiple of 8 that is at least 90 % of the exact one."""
    exact = filters * width
    rounded = max(8, int(exact + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * exact else rounded + 8


def round_repeats(repeats: int, depth: float) -> int:
    """The deepened number of blocks, rounded up."""
    return math.ceil(repeats * depth)
