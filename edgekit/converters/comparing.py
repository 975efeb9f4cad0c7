"""compare(): two model files on the same images.

It stands beside the conversion because the float side has to be made as the conversion made it: opened, its
preprocessing found and folded in, its swishes split, so that its layers are those of the int8 file.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from edgekit.calibration.class_matching import Matching, match_samples
from edgekit.calibration.labelled import ImageSet, from_csv, with_table
from edgekit.calibration.samples import Data, Samples, open_samples
from edgekit.converters.export.reference import float_reference, resolve_preprocessing
from edgekit.converters.finished import finished_model, if_finished
from edgekit.converters.manifest import chosen_ends, tried
from edgekit.converters.quantization.transforms.equalize import split_like
from edgekit.converters.sources.open import load_source
from edgekit.devices.tensors import output_tensor
from edgekit.evaluation.comparison import Comparison, compare_models
from edgekit.evaluation.verdict import Verdict
from edgekit.evaluation.verdict import compare as compare_answers
from edgekit.labels import find_names
from edgekit.preprocess import InputSpec
from edgekit.progress import Progress, silent
from edgekit.tflite.metadata import Metadata, read_metadata
from edgekit.tflite.model import Model


def compare(
    a: str | Path,
    b: str | Path,
    data: Data | ImageSet,
    *,
    labels: Sequence[str] | None = None,
    preprocess: str | None = None,
    trust: bool = False,
    progress: Progress = silent,
) -> Comparison:
    """Runs two models on the same images: agreement, accuracy, and the error of every layer.

    Args:
      a: the reference: a trained model (.h5, .keras, SavedModel folder, float .tflite) or any .tflite.
      b: the candidate, a .tflite. Where it was made from `a` in int8, each layer's own error and its cause are named.
      data: images, as `open_samples` takes them, or an ImageSet.
      labels: class names in the order of the outputs; None for those of `b`.
      preprocess: scaling of pixels where a model does not tell it.
      trust: let the file of `a` run its own code (Lambda and custom layers).
      progress: called as work goes on.

    Raises:
      EdgekitError: of the kind that fits, see `edgekit.errors`.
    """
    pair = _pair(a, b, data, labels=labels, preprocess=preprocess, trust=trust, progress=progress)
    found = compare_models(pair.reference, pair.candidate, pair.images, matching=pair.matching, progress=progress)
    metadata = read_metadata(pair.candidate.graph) or Metadata()
    own = find_names(Path(b), output_tensor(pair.candidate.graph).elements, metadata.labels)
    folders = "the class folders, in sorted order" if pair.matching.labels else own.origin
    origin = "given" if labels is not None else own.origin if own.labels else folders
    return replace(found, contradicted=pair.alarm, tried=tried(metadata.provenance), names_from=origin)


def agreement(
    a: str | Path, b: str | Path, data: Data | ImageSet, *, trust: bool = False, progress: Progress = silent
) -> Verdict:
    """The verdict of `compare` alone, without what each layer does. Raises as `compare`."""
    pair = _pair(a, b, data, trust=trust, progress=progress)
    return compare_answers(pair.reference, pair.candidate, pair.images, matching=pair.matching, progress=progress)


class _Compared(NamedTuple):
    """Two models, images sized for the first, the ways to match their classes, and what contradicts the scaling."""

    reference: Model
    candidate: Model
    images: Samples
    matching: Matching
    alarm: str


def _pair(
    a: str | Path,
    b: str | Path,
    data: Data | ImageSet,
    *,
    labels: Sequence[str] | None = None,
    preprocess: str | None = None,
    trust: bool,
    progress: Progress,
) -> _Compared:
    images = data if isinstance(data, ImageSet) else ImageSet(data)
    candidate = finished_model(Path(b), preprocess)
    names = candidate.labels if labels is None else tuple(labels)
    samples = open_samples(images.data, candidate.spec, count=images.count, seed=images.seed)
    samples, matching = _matched(samples, images, names, output_tensor(candidate.graph).elements)
    reference, scale, alarm = _reference(Path(a), candidate, samples, preprocess, trust=trust, progress=progress)
    sized = samples.as_images(scale).resized(reference.spec)
    return _Compared(reference, candidate, sized, matching, alarm)


def _reference(
    path: Path, candidate: Model, samples: Samples, preprocess: str | None, *, trust: bool, progress: Progress
) -> tuple[Model, InputSpec, str]:
    """A quantized `.tflite` as it is; a float model rewritten as the conversion did, so that layers match.

    And the preprocessing that normalized arrays for it have been through, and what contradicts it.
    """
    known = if_finished(path, preprocess)
    if known is not None:
        return known, known.spec, ""
    progress("Opening the model", 0, None)
    like, record = candidate.spec, (read_metadata(candidate.graph) or Metadata()).provenance
    output, signature = chosen_ends(record)
    source = load_source(path, trust=trust, size=(like.height, like.width), output=output, signature=signature)
    sized = replace(source.spec, resize=like.resize, crop=like.crop, interpolation=like.interpolation)
    source, images = replace(source, spec=sized), samples.resized(sized)
    finding = resolve_preprocessing(source, images, preprocess, progress=progress)
    model = float_reference(source, finding.spec, images.as_images(finding.spec), progress=progress)
    return replace(model, graph=split_like(model.graph, candidate.graph)), finding.spec, finding.contradicted


def _matched(samples: Samples, images: ImageSet, labels: Sequence[str], outputs: int) -> tuple[Samples, Matching]:
    """The images to judge on, with the ways to match their classes to outputs."""
    if images.labels_csv is None:
        return samples, match_samples(samples, labels, outputs)
    folder = Path(images.data) if isinstance(images.data, (str, Path)) else None
    table = from_csv(images.labels_csv, folder, labels, max(2, outputs))
    return with_table(samples, table), table.matching
