"""From a trained model to a `.tflite`: opening, exporting, quantizing, judging."""

from edgekit.converters.manifest import Int8Model, save
from edgekit.converters.pipeline import Conversion, Recipe, convert
from edgekit.converters.sources.open import load_source
from edgekit.converters.sources.source import Source, with_labels

__all__ = ["Conversion", "Int8Model", "Recipe", "Source", "convert", "load_source", "save", "with_labels"]
