"""Recognizing well-known architectures, from the names and shapes of a Keras model's layers."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from edgekit.models.family import FAMILY, blocks

#: (whether there is squeeze-and-excitation, depthwise convolutions, channels of the last block) → a member's title.
_MEMBERS: Mapping[tuple[bool, int, int], str] = {
    (
        any(block.squeezed for block in members),
        sum(not block.fused for block in members),
        members[-1].filters,
    ): variant.title
    for variant, members in ((variant, list(blocks(variant))) for variant in FAMILY.values())
}

#: Names that keras.applications (and `edgekit zoo`) give their models → what people call them.
_NAMED: tuple[tuple[str, str], ...] = (
    (r"efficientnet[-_]?(lite)-?([0-4])", "EfficientNet{}{}"),
    (r"efficientnet[-_]?(b[0-7])", "EfficientNet{}"),
    (r"efficientnet[-_]?edgetpu[-_]?([sml])", "EfficientNet-EdgeTPU-{}"),
    (r"efficientnetv2-?(\w+)", "EfficientNetV2{}"),
    (r"mobilenetv2_.*", "MobileNetV2"),
    (r"mobilenetv3_?(small|large).*", "MobileNetV3{}"),
    (r"mobilenet_.*", "MobileNet"),
    (r"resnet(\d+)(v2)?", "ResNet{}{}"),
    (r"vgg(16|19)", "VGG{}"),
    (r"densenet(\d+)", "DenseNet{}"),
    (r"inception_v3", "InceptionV3"),
    (r"inception_resnet_v2", "InceptionResNetV2"),
    (r"xception", "Xception"),
    (r"nasnet.*", "NASNet"),
    (r"convnext_(\w+)", "ConvNeXt{}"),
)


@dataclass(frozen=True)
class Leaf:
    """A layer that is no model: its class, its name, and how many filters it has, where it has some."""

    kind: str
    name: str
    filters: int = 0


def recognize(names: Iterable[str], leaves: Sequence[Leaf]) -> str | None:
    """The architecture's name, such as "EfficientNetB0" or "MobileNetV2", or None.

    Args:
      names: of the model and the models nested in it.
      leaves: its layers in order, nested models opened up.
    """
    for name in names:
        for pattern, official in _NAMED:
            match = re.fullmatch(pattern, name.lower())
            if match:
                return official.format(*(str(group or "").capitalize() for group in match.groups()))
    return _by_structure(leaves)


def _by_structure(leaves: Sequence[Leaf]) -> str | None:
    kinds = [leaf.kind for leaf in leaves]
    filters = [leaf.filters for leaf in leaves if leaf.kind == "Conv2D"]
    if len(filters) < 2:
        return None
    depthwise, squeezes = kinds.count("DepthwiseConv2D"), "Multiply" in kinds
    known = _MEMBERS.get((squeezes, depthwise, filters[-2]))
    if known is None and not squeezes and depthwise == 17:
        return "MobileNetV2" if "expanded_conv_depthwise" in {leaf.name for leaf in leaves} else None
    return known
