"""Class names from the folders of the images, where nothing else names a model's classes."""

from dataclasses import replace

from edgekit.calibration import Samples
from edgekit.calibration.class_matching import match_samples
from edgekit.converters.sources.source import Source
from edgekit.evaluation import Verdict


def named(source: Source, images: Samples, verdict: Verdict | None) -> Source:
    """The source with the names of class folders that are as many as its outputs.

    Keras numbers the outputs in the sorted order of the folders. Names that the source has stay, and folders whose
    order the accuracy contradicts name nothing.
    """
    if source.labels or (verdict and verdict.alarms):
        return source
    names = match_samples(images, (), source.classes).labels
    if not names:
        return source
    return replace(source, labels=names, names_from=f"from the class folders in {images.origin}, in sorted order")
