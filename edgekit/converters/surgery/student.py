"""A model after surgery: made, taught by its original, and compared with it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from edgekit.calibration import Samples
from edgekit.converters.sources.keras.loader import with_model
from edgekit.converters.sources.source import DirectSource, KerasSource, Source
from edgekit.converters.surgery.distillation import Training, distill
from edgekit.converters.surgery.surgery import operate
from edgekit.errors import UnsupportedModelError
from edgekit.evaluation import Verdict
from edgekit.preprocess import InputSpec
from edgekit.progress import Progress, silent

#: Images of one step at 224 x 224; larger ones come in smaller batches, so that memory stays the same.
BATCH = 16
_BATCH_PIXELS = BATCH * 224 * 224


@dataclass(frozen=True)
class Student:
    """A model that took an original's place.

    Attributes:
      source: the new model, as if it had been loaded.
      surgery: what was done, a key of `surgery.SURGERIES`.
      replaced: what was replaced → how often.
      training: on how many images it was taught, and how long.
      kind: of these images: "data", "array" or "synthetic".
      verdict: the float student against the original; None where no verdict was asked for.
      int8: the int8 student against the original; likewise.
    """

    source: Source
    surgery: str
    replaced: Mapping[str, int]
    training: Training
    kind: str
    verdict: Verdict | None = None
    int8: Verdict | None = None

    def to_json(self) -> dict[str, object]:
        """For the model's provenance: without times, which differ from run to run."""
        return {
            "name": self.surgery,
            "replaced": dict(self.replaced),
            "images": self.training.images,
            "kind": self.kind,
            "float_against_original": _against_original(self.verdict),
            "int8_against_original": _against_original(self.int8),
        }


def make_student(
    source: Source, surgery: str, images: Samples, *, minutes: float, progress: Progress = silent
) -> Student:
    """Operates on a copy of a Keras model and teaches it the original's answers.

    Args:
      source: the original, with its preprocessing in `spec`.
      surgery: a key of SURGERIES.
      images: what the model sees in use; no labels are needed.
      minutes: for the teaching; what is under way is finished.

    Raises:
      UnsupportedModelError: the source is no Keras model, or has nothing that the surgery replaces.
      UsageError: there is no such surgery.
      ConversionError: the student answers NaN.
    """
    if isinstance(source, DirectSource):
        source = replace(source.through_keras(), spec=source.spec, labels=source.labels, names_from=source.names_from)
    if not isinstance(source, KerasSource):
        raise UnsupportedModelError(
            f"--surgery cannot teach a {source.format} model: {source.path} holds fixed weights.",
            "Convert the Keras file (.h5 or .keras) that it was made from.",
        )
    progress("Operating on the model", 0, None)
    model = source.build()
    replaced = operate(model, surgery, source.path)
    training = distill(source.build(), model, _batches(images, source.spec), minutes=minutes, progress=progress)
    student = replace(with_model(source, model), architecture=None)
    return Student(student, surgery, replaced, training, images.kind)


def _batches(images: Samples, spec: InputSpec) -> Iterator[np.ndarray]:
    size = max(1, min(BATCH, _BATCH_PIXELS // (spec.height * spec.width)))
    inputs: list[np.ndarray] = []
    for sample in images:
        inputs.append(sample.input(spec))
        if len(inputs) == size:
            yield np.concatenate(inputs)
            inputs = []
    if inputs:
        yield np.concatenate(inputs)


def _against_original(verdict: Verdict | None) -> dict[str, object] | None:
    """A verdict whose accuracies are called by the models they belong to."""
    if verdict is None:
        return None
    names = {"top1_float": "top1_original", "top1_int8": "top1"}
    return {names.get(key, key): value for key, value in verdict.to_json().items()}
