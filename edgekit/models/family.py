"""The EfficientNet family as data: stages of a baseline, and one row of coefficients per member.

A member is its series' baseline widened, deepened and given larger images, all three together (compound scaling, Tan
& Le 2019, arXiv:1905.11946). Stages, rows and rounding rules are those of Google's reference code (tensorflow/tpu,
models/official/efficientnet, with lite/ and edgetpu/) and of EfficientNetV2 (Tan & Le 2021, arXiv:2104.00298; its B
members as keras.applications has them).
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Stage:
    """A run of equal blocks in the baseline; only the first one has the stride.

    Attributes:
      kernel: of the depthwise convolution, or of the full one in a fused block.
      repeats: how many blocks.
      filters: channels of each block's output.
      expansion: factor from a block's input channels to those between its convolutions.
      stride: of the first block.
      squeeze: channels of the squeeze-and-excitation's bottleneck, as a share of the block's input channels; 0: none.
      fused: whether one full convolution stands in for the expansion and the depthwise one (Fused-MBConv).
      skips: whether a block adds its input to its output where the shapes agree.
      expanded: the channels that the first block's expansion multiplies; 0: those of its input.
    """

    kernel: int
    repeats: int
    filters: int
    expansion: int
    stride: int
    squeeze: float = 0.0
    fused: bool = False
    skips: bool = True
    expanded: int = 0


@dataclass(frozen=True)
class Series:
    """Members that share a baseline.

    Attributes:
      prefix, title: what stands before the rest of a member's name, in commands and for people.
      stages: the baseline.
      activation: "swish", "relu" or "relu6", after all convolutions but the projections.
      scaling: "learned" where the model scales raw pixels by a layer whose statistics are weights, "imagenet" where by
        ImageNet's, "lite" where it wants pixels that are scaled by that convention of `preprocess.CONVENTIONS`.
      fixed_ends: whether stem, head, and depth of the first and last stage are not scaled (Lite).
      least: the share of the exact number of filters that rounding must leave.
      momentum: of the batch normalizations.
      depthwise: end of the depthwise convolutions' names in keras.applications.
      root: what stands before the rest of a model's name there.
    """

    prefix: str
    title: str
    stages: tuple[Stage, ...]
    activation: str
    scaling: str
    fixed_ends: bool = False
    least: float = 0.9
    momentum: float = 0.99
    depthwise: str = "dwconv"
    root: str = "efficientnet"


@dataclass(frozen=True)
class Variant:
    """A family member: its row of coefficients.

    Attributes:
      name: what users call it, such as "lite0".
      series: the baseline that it scales.
      width: factor on the number of filters of each stage.
      depth: factor on the number of blocks of each stage.
      size: height and width of the input image, in pixels.
      dropout: fraction of the head's features dropped while training.
      phi: the compound coefficient that it was scaled by, or None for a published row.
    """

    name: str
    series: Series
    width: float
    depth: float
    size: int
    dropout: float
    phi: float | None = None

    @property
    def title(self) -> str:
        """What people call it, such as "EfficientNetLite0"."""
        row, *_ = self.name[len(self.series.prefix) :].partition("-phi")
        return self.series.title + row.upper() + ("" if self.phi is None else f" φ={self.phi:g}")


STEM_FILTERS = 32
HEAD_FILTERS = 1280

_BASELINE = (
    Stage(kernel=3, repeats=1, filters=16, expansion=1, stride=1, squeeze=0.25),
    Stage(kernel=3, repeats=2, filters=24, expansion=6, stride=2, squeeze=0.25),
    Stage(kernel=5, repeats=2, filters=40, expansion=6, stride=2, squeeze=0.25),
    Stage(kernel=3, repeats=3, filters=80, expansion=6, stride=2, squeeze=0.25),
    Stage(kernel=5, repeats=3, filters=112, expansion=6, stride=1, squeeze=0.25),
    Stage(kernel=5, repeats=4, filters=192, expansion=6, stride=2, squeeze=0.25),
    Stage(kernel=3, repeats=1, filters=320, expansion=6, stride=1, squeeze=0.25),
)
# Found by a search on the Edge TPU, which runs full convolutions faster than the two that they stand in for.
_EDGETPU_BASELINE = (
    Stage(kernel=3, repeats=1, filters=24, expansion=4, stride=1, fused=True, skips=False, expanded=24),
    Stage(kernel=3, repeats=2, filters=32, expansion=8, stride=2, fused=True),
    Stage(kernel=3, repeats=4, filters=48, expansion=8, stride=2, fused=True),
    Stage(kernel=5, repeats=5, filters=96, expansion=8, stride=2),
    Stage(kernel=5, repeats=4, filters=144, expansion=8, stride=1),
    Stage(kernel=5, repeats=2, filters=192, expansion=8, stride=2),
)
_V2_BASELINE = (
    Stage(kernel=3, repeats=1, filters=16, expansion=1, stride=1, fused=True),
    Stage(kernel=3, repeats=2, filters=32, expansion=4, stride=2, fused=True),
    Stage(kernel=3, repeats=2, filters=48, expansion=4, stride=2, fused=True),
    Stage(kernel=3, repeats=3, filters=96, expansion=4, stride=2, squeeze=0.25),
    Stage(kernel=3, repeats=5, filters=112, expansion=6, stride=1, squeeze=0.25),
    Stage(kernel=3, repeats=8, filters=192, expansion=6, stride=2, squeeze=0.25),
)

B = Series("b", "EfficientNetB", _BASELINE, "swish", "learned")
LITE = Series(
    "lite",
    "EfficientNetLite",
    tuple(replace(stage, squeeze=0.0) for stage in _BASELINE),
    "relu6",
    "lite",
    fixed_ends=True,
    root="efficientnet_",
)
EDGETPU = Series("edgetpu-", "EfficientNet-EdgeTPU-", _EDGETPU_BASELINE, "relu", "lite", root="efficientnet_")
V2 = Series(
    "v2-b",
    "EfficientNetV2B",
    _V2_BASELINE,
    "swish",
    "imagenet",
    least=0.0,
    momentum=0.9,
    depthwise="dwconv2",
)

FAMILY: Mapping[str, Variant] = {
    variant.name: variant
    for variant in (
        Variant("b0", B, width=1.0, depth=1.0, size=224, dropout=0.2),
        Variant("b1", B, width=1.0, depth=1.1, size=240, dropout=0.2),
        Variant("b2", B, width=1.1, depth=1.2, size=260, dropout=0.3),
        Variant("b3", B, width=1.2, depth=1.4, size=300, dropout=0.3),
        Variant("b4", B, width=1.4, depth=1.8, size=380, dropout=0.4),
        Variant("b5", B, width=1.6, depth=2.2, size=456, dropout=0.4),
        Variant("b6", B, width=1.8, depth=2.6, size=528, dropout=0.5),
        Variant("b7", B, width=2.0, depth=3.1, size=600, dropout=0.5),
        Variant("lite0", LITE, width=1.0, depth=1.0, size=224, dropout=0.2),
        Variant("lite1", LITE, width=1.0, depth=1.1, size=240, dropout=0.2),
        Variant("lite2", LITE, width=1.1, depth=1.2, size=260, dropout=0.3),
        Variant("lite3", LITE, width=1.2, depth=1.4, size=280, dropout=0.3),
        Variant("lite4", LITE, width=1.4, depth=1.8, size=300, dropout=0.3),
        Variant("edgetpu-s", EDGETPU, width=1.0, depth=1.0, size=224, dropout=0.2),
        Variant("edgetpu-m", EDGETPU, width=1.0, depth=1.1, size=240, dropout=0.2),
        Variant("edgetpu-l", EDGETPU, width=1.2, depth=1.4, size=300, dropout=0.3),
        Variant("v2-b0", V2, width=1.0, depth=1.0, size=224, dropout=0.2),
        Variant("v2-b1", V2, width=1.0, depth=1.1, size=240, dropout=0.2),
        Variant("v2-b2", V2, width=1.1, depth=1.2, size=260, dropout=0.3),
        Variant("v2-b3", V2, width=1.2, depth=1.4, size=300, dropout=0.3),
    )
}


@dataclass(frozen=True)
class Block:
    """One inverted bottleneck of a member, MBConv or Fused-MBConv.

    Attributes:
      name: prefix of its layers' names, such as "block2a".
      kernel, stride: of its depthwise convolution, or of its full one where it is fused.
      expansion: factor by which it expands its input; at 1 it has no convolution for that.
      inner: channels between its convolutions.
      squeezed: channels of its squeeze-and-excitation's bottleneck; 0 where it has none.
      filters: its output's channels.
      fused: whether it is a Fused-MBConv.
      adds: whether it adds its input to its output.
    """

    name: str
    kernel: int
    stride: int
    expansion: int
    inner: int
    squeezed: int
    filters: int
    fused: bool
    adds: bool


def stem_filters(variant: Variant) -> int:
    """Channels of a member's stem."""
    return _end(variant, STEM_FILTERS)


def head_filters(variant: Variant) -> int:
    """Channels of a member's features, those of its head."""
    return _end(variant, HEAD_FILTERS)


def blocks(variant: Variant) -> Iterator[Block]:
    """The blocks of a member, from the stem to the head."""
    series, given = variant.series, stem_filters(variant)
    for number, stage in enumerate(series.stages, start=1):
        fixed = series.fixed_ends and number in (1, len(series.stages))
        for index in range(stage.repeats if fixed else round_repeats(stage.repeats, variant.depth)):
            block = _block(variant, stage, given, first=index == 0)
            yield replace(block, name=f"block{number}{_letters(index)}")
            given = block.filters


def _block(variant: Variant, stage: Stage, given: int, *, first: bool) -> Block:
    filters = round_filters(stage.filters, variant.width, variant.series.least)
    stride = stage.stride if first else 1
    apart = stage.expanded if first else 0
    expanded = round_filters(apart, variant.width, variant.series.least) if apart else given
    return Block(
        name="",
        kernel=stage.kernel,
        stride=stride,
        expansion=stage.expansion,
        inner=expanded * stage.expansion,
        squeezed=max(1, int(given * stage.squeeze)) if stage.squeeze else 0,
        filters=filters,
        fused=stage.fused,
        adds=stage.skips and stride == 1 and given == filters,
    )


def _end(variant: Variant, filters: int) -> int:
    return filters if variant.series.fixed_ends else round_filters(filters, variant.width, variant.series.least)


def _letters(index: int) -> str:
    """a, b, … z, aa, ab, …"""
    first, last = divmod(index, 26)
    return (chr(ord("a") + first - 1) if first else "") + chr(ord("a") + last)


def round_filters(filters: int, width: float, least: float = 0.9) -> int:
    """The widened number of filters as the nearest multiple of 8 that leaves at least this share of the exact one."""
    exact = filters * width
    rounded = max(8, int(exact + 4) // 8 * 8)
    return rounded if rounded >= least * exact else rounded + 8


def round_repeats(repeats: int, depth: float) -> int:
    """The deepened number of blocks, rounded up."""
    return math.ceil(repeats * depth)
