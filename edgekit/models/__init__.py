"""The EfficientNet family in Keras, and the zoo of published weights."""

from edgekit.models.family import FAMILY, Variant
from edgekit.models.photos import demo_photos
from edgekit.models.zoo import ZOO, build_pretrained, imagenet_labels, save_pretrained

__all__ = ["FAMILY", "ZOO", "Variant", "build_pretrained", "demo_photos", "imagenet_labels", "save_pretrained"]
