"""Choosing by evidence: how to rewrite a float model and set its ranges so that its int8 form answers as it does.

Every candidate, that is a form of the model (as it is, or corrected) with ranges by one method, is quantized and run on
calibration pictures; the one whose scores are nearest to the float model's is taken. Plain min-max ranges are always
among them, so that the choice is never worse than these on those pictures. There are few candidates, and the measure
is an average over all scores, not a count of right answers: so choosing on the very pictures that gave the ranges
does not fit the chance in them.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from edgekit.calibration import METHODS, Bounds, Observations, Ranges, Samples, choose_ranges, limited, observe
from edgekit.calibration.parallel import map_samples
from edgekit.calibration.samples import Sample
from edgekit.converters.equalize import split_swish
from edgekit.converters.export import FloatModel
from edgekit.converters.quantize import quantize_int8
from edgekit.devices.interpreter import open_interpreter
from edgekit.errors import ConversionError
from edgekit.evaluation.verdict import run
from edgekit.preprocess import InputSpec
from edgekit.progress import Progress, silent
from edgekit.tflite import read_graph
from edgekit.tflite.expose import exposed

#: Pictures to compare candidates on: with more of them the order of the candidates stays the same.
SELECTION = 64
#: A rewrite that keeps the function changes its scores by float rounding only, relative to the largest of them.
SAME = 1e-3
#: Signal to noise ratios are counted up to this many dB: a picture without any error must not outweigh all others.
BEST_DB = 60.0


@dataclass(frozen=True)
class Form:
    """A float model that computes what the exported one does.

    Attributes:
      correction: name of what was done to it, a key of CORRECTIONS; "none" for nothing.
      content: the float `.tflite`.
      observations: of its tensors.
      limits: of its tensors' ranges, whatever the method.
      changes: how many places were rewritten.
    """

    correction: str
    content: bytes = field(repr=False)
    observations: Observations = field(repr=False)
    limits: Mapping[str, Bounds] = field(repr=False)
    changes: int = 0


@dataclass(frozen=True)
class Trial:
    """One candidate and how near it came.

    Attributes:
      correction, method: what it was made with.
      sqnr_db: mean over the pictures of the scores' signal to quantization noise ratio, in dB.
    """

    correction: str
    method: str
    sqnr_db: float


@dataclass(frozen=True)
class Choice:
    """What to quantize, and why.

    Attributes:
      form: the model.
      ranges: of its tensors.
      trials: all candidates that were measured; () where there was nothing to choose.
    """

    form: Form
    ranges: Ranges
    trials: tuple[Trial, ...]


def split(form: Form, samples: Samples, spec: InputSpec, progress: Progress) -> Form:
    """The form with swishes split (see `equalize.py`)."""
    rewritten = split_swish(form.content, form.observations)
    if not rewritten.count:
        return form
    check_same(form.content, rewritten.content, samples, spec)
    observations = observe(rewritten.content, samples, spec, progress=progress)
    return Form("split-swish", rewritten.content, observations, rewritten.limits, rewritten.count)


#: How to correct a model. Each gives its form back unchanged where there is nothing to do.
CORRECTIONS: Mapping[str, Callable[[Form, Samples, InputSpec, Progress], Form]] = {
    "split-swish": split,
}


def forms(
    model: FloatModel, samples: Samples, corrections: str = "auto", *, progress: Progress = silent
) -> tuple[Form, ...]:
    """The model's forms to choose from: as it is, corrected, or both where `corrections` is "auto".

    Args:
      samples: representative pictures.
      corrections: "auto", "none", or a key of CORRECTIONS.
    """
    plain = Form("none", model.content, observe(model.content, samples, model.spec, progress=progress), {})
    wanted = tuple(CORRECTIONS) if corrections == "auto" else tuple({corrections} & set(CORRECTIONS))
    corrected = [CORRECTIONS[name](plain, samples, model.spec, progress) for name in wanted]
    corrected = [form for form in corrected if form is not plain]
    return (plain, *corrected) if corrections == "auto" or not corrected else tuple(corrected)


def choose(
    candidates: tuple[Form, ...],
    samples: Samples,
    spec: InputSpec,
    *,
    ranges: str = "auto",
    progress: Progress = silent,
) -> Choice:
    """The candidate that comes nearest to the float model.

    Args:
      candidates: from `forms`, on the same pictures.
      samples: representative pictures; the first SELECTION are run.
      spec: the preprocessing that belongs to the forms.
      ranges: a key of METHODS, or "auto" to try all of them.
    """
    methods = tuple(METHODS) if ranges == "auto" else (ranges,)
    options = [(form, ranges_of(form, method)) for form in candidates for method in methods]
    if len(options) == 1:
        return Choice(*options[0], trials=())
    pictures = list(samples.take(SELECTION))
    expected = np.stack(list(scores(candidates[0].content, pictures, spec)))
    measured: list[Trial] = []
    for form, chosen in options:
        progress("Choosing ranges", len(measured), len(options))
        found = np.stack(list(scores(quantize_int8(form.content, chosen, spec), pictures, spec)))
        measured.append(Trial(form.correction, chosen.method, mean_sqnr(expected, found)))
    best = max(range(len(options)), key=lambda index: measured[index].sqnr_db)
    return Choice(*options[best], trials=tuple(measured))


def reuse(candidates: tuple[Form, ...], ranges: Ranges) -> Choice:
    """Ranges that were chosen before, with the form of the model that they name."""
    fitting = (form for form in reversed(candidates) if set(form.observations.tensors) <= set(ranges.bounds))
    return Choice(next(fitting, candidates[0]), ranges, ())


def explain(choice: Choice) -> tuple[str, ...]:
    """What was found out about the model and done about it, for people; nothing where nothing had to be done."""
    plain = [trial for trial in choice.trials if (trial.correction, trial.method) == ("none", "minmax")]
    if choice.form.correction == "none" or not plain:
        return ()
    best = max(trial.sqnr_db for trial in choice.trials)
    return (
        f"swish after a convolution whose channels differ in size loses much in int8: with plain min-max ranges the "
        f"scores have {plain[0].sqnr_db:.1f} dB of signal to noise. Scaling {choice.form.changes} of them per channel "
        f"(their convolutions are doubled) and ranges by {choice.ranges.method} give {best:.1f} dB.",
    )


def ranges_of(form: Form, method: str) -> Ranges:
    """A method's ranges within the form's limits. The scores keep their extremes: the largest is what counts."""
    return limited(choose_ranges(form.observations, method, unclipped={score_tensor(form.content)[1]}), form.limits)


def score_tensor(content: bytes) -> tuple[int, str]:
    """(index, name) of the tensor that the classes are decided by: what a final SOFTMAX or LOGISTIC reads."""
    graph = read_graph(content)
    index = graph.outputs[0]
    while True:
        producer = graph.producer(index)
        if producer is None or producer.opcode not in ("SOFTMAX", "LOGISTIC", "QUANTIZE", "DEQUANTIZE"):
            return index, graph.tensors[index].name
        index = producer.inputs[0]


def scores(content: bytes, pictures: list[Sample], spec: InputSpec) -> Iterator[np.ndarray]:
    """The model's scores, float64 (classes,), for each picture."""
    scoring = exposed(read_graph(content), [score_tensor(content)[0]])

    def worker() -> Callable[[Sample], np.ndarray]:
        interpreter = open_interpreter(scoring, threads=1)
        return lambda sample: run(interpreter, sample.input(spec))

    return (result for _, result in map_samples(worker, pictures))


def mean_sqnr(expected: np.ndarray, found: np.ndarray) -> float:
    """Mean over the pictures of the SQNR of their scores, in dB.

    Of several scores what all of them share is left out, since softmax does not see it. The mean is taken of the
    decibels, so that a few pictures with large errors do not decide alone.

    Args:
      expected, found: float arrays (pictures, classes).
    """
    if expected.shape[1] > 1:
        expected, found = (values - values.mean(axis=1, keepdims=True) for values in (expected, found))
    signal, noise = np.square(expected).sum(axis=1), np.square(found - expected).sum(axis=1)
    ratios = np.maximum(signal, 1e-12) / np.maximum(noise, 1e-12)
    return float(np.minimum(10 * np.log10(ratios), BEST_DB).mean())


def check_same(before: bytes, after: bytes, samples: Samples, spec: InputSpec) -> None:
    """Makes sure that a rewrite has not changed what the model computes.

    Raises:
      ConversionError: it has.
    """
    pictures = list(samples.take(2))
    for expected, found in zip(scores(before, pictures, spec), scores(after, pictures, spec), strict=True):
        if not np.abs(expected - found).max() <= SAME * max(float(np.abs(expected).max()), 1e-6):
            raise ConversionError(
                "Splitting the model's swishes changed its answers.",
                "Convert with --corrections none, and report the model's architecture.",
            )
