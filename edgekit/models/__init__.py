"""The EfficientNet family as data, networks without Keras, and the zoo of published weights."""

from edgekit.models.family import FAMILY, Variant
from edgekit.models.network import Network
from edgekit.models.photos import demo_photos
from edgekit.models.scaling import find_member, scaled
from edgekit.models.zoo import ZOO, imagenet_labels, pretrained

__all__ = [
    "FAMILY",
    "ZOO",
    "Network",
    "Variant",
    "demo_photos",
    "find_member",
    "imagenet_labels",
    "pretrained",
    "scaled",
]
