"""The float model that a conversion starts from, and that its result is compared with."""

from edgekit.calibration.samples import Samples, open_samples
from edgekit.converters.export.find_preprocessing import Finding, find_preprocessing
from edgekit.converters.export.fold import fold_in
from edgekit.converters.export.rewrite import rewrite
from edgekit.converters.export.through_tensorflow import check_export, export_float
from edgekit.converters.sources.source import DirectSource, Source
from edgekit.errors import PreprocessingError
from edgekit.preprocess import InputSpec, contradiction, describe, parse_preprocess
from edgekit.progress import Progress, silent
from edgekit.tflite.editor import Editor
from edgekit.tflite.model import Model

#: Images to find the preprocessing by; more of them do not change the answer (see preprocessing.py).
PROBES = 32
#: Images to check the float export on: a wrong graph is wrong on the first one.
EXPORT_CHECKS = 3


def resolve_preprocessing(
    source: Source, samples: Samples, given: str | None = None, *, progress: Progress = silent
) -> Finding:
    """How the source's images must be scaled: as the user says, else as found on sample images.

    Args:
      given: a convention or «mean/std», as `parse_preprocess` takes them.

    Raises:
      UsageError: `given` is neither.
      PreprocessingError: what is found is not clear.
    """
    if given is not None:
        spec = parse_preprocess(given, source.spec)
        against = _contradiction(source, _telling(source, samples), spec)
        return Finding(spec, describe(spec), "given with --preprocess", {}, True, contradicted=against)
    progress("Finding the preprocessing", 0, None)
    return find_preprocessing(source, _telling(source, samples))


def _telling(source: Source, samples: Samples) -> Samples:
    """The samples, or others: arrays that are normalized already do not tell how images come to be so."""
    return open_samples(None, source.spec, count=PROBES) if samples.prepared else samples


def _contradiction(source: Source, samples: Samples, given: InputSpec) -> str:
    """What the model clearly says against a preprocessing; "" where it says nothing, or nothing clear."""
    try:
        found = find_preprocessing(source, samples.unlabelled())
    except PreprocessingError:
        return ""
    return contradiction(given, found.spec, found.how) if found.certain else ""


def float_reference(source: Source, spec: InputSpec, samples: Samples, *, progress: Progress = silent) -> Model:
    """The source as a float `.tflite`, its preprocessing folded in, checked against the source.

    Args:
      spec: the source's preprocessing.
      samples: images to check on; the first few are used.

    Raises:
      ConversionError: the export failed, or computes something else than the source.
    """
    progress("Exporting", 0, None)

    def change(editor: Editor, own: InputSpec) -> InputSpec | None:
        rewrite(editor)
        return fold_in(editor, own)

    model = export_float(source, spec, change=change)
    progress("Checking the export", 0, None)
    check_export(source, spec, model, samples.take(EXPORT_CHECKS))
    return model


def check_with_keras(source: DirectSource, spec: InputSpec, model: Model, samples: Samples) -> float:
    """Compares a model that was exported without Keras with what Keras computes.

    Args:
      spec: the source's own preprocessing.
      samples: images to compare on; the first few are used.

    Returns:
      The largest difference, relative to the largest magnitude in Keras' output.

    Raises:
      ConversionError: they differ by more than float rounding explains.
      MissingDependencyError: Keras or TensorFlow is not installed.
    """
    return check_export(source.through_keras(), spec, model, samples.take(EXPORT_CHECKS))
