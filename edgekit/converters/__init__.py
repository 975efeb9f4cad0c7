"""From a trained model to a `.tflite`: opening, exporting, quantizing, judging."""

from edgekit.converters.manifest import Artefact, save
from edgekit.converters.pipeline import Conversion, convert
from edgekit.converters.recipe import Recipe
from edgekit.converters.sources.open import load_source
from edgekit.converters.sources.source import Source, with_labels

__all__ = ["Artefact", "Conversion", "Recipe", "Source", "convert", "load_source", "save", "with_labels"]
