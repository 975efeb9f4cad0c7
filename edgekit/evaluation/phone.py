"""What a phone's accelerators answer, held against the CPU interpreter here, image by image.

GPU delegates have answered with zeros where an op failed without a word: times alone would look fine.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgekit.calibration.samples import Data, open_samples
from edgekit.devices.opening import open_model
from edgekit.devices.phone.adb import find_phone
from edgekit.devices.phone.benchmark import IMAGES, USUAL, PhoneBenchmark, Plan, Turn, benchmark
from edgekit.devices.phone.session import WITHOUT_OUTPUTS, Session, open_session
from edgekit.devices.tensors import input_spec, input_tensor, output_meaning, output_tensor
from edgekit.errors import DeviceError, PreprocessingError, UnsupportedModelError
from edgekit.evaluation.intervals import wilson_interval
from edgekit.evaluation.verdict import decibels, decide
from edgekit.progress import Progress, silent
from edgekit.tflite.graph import Tensor
from edgekit.tflite.quant import quantize, real_values


@dataclass(frozen=True)
class PhoneAgreement:
    """A phone's answers against the CPU interpreter's here.

    Attributes:
      turn: the model and where it ran.
      agreement: part of the images on which both name the same class, 0–1; None where nothing was compared.
      interval: its 95 % Wilson interval.
      images: how many were compared.
      source: "data" for the user's images, "synthetic" for generated ones.
      sqnr_db: signal to noise ratio of the phone's outputs against those here; infinite where they are equal.
      broken: what is plainly wrong with the answers, in words; "" where nothing is.
      why_not: why nothing was compared, or "".
    """

    turn: Turn
    agreement: float | None = None
    interval: tuple[float, float] = (0.0, 1.0)
    images: int = 0
    source: str = "data"
    sqnr_db: float = 0.0
    broken: str = ""
    why_not: str = ""


def benchmark_on_phone(
    models: Sequence[str],
    binary: str,
    plan: Plan = USUAL,
    *,
    serial: str | None = None,
    data: Data = None,
    progress: Progress = silent,
) -> tuple[PhoneBenchmark, tuple[PhoneAgreement, ...]]:
    """Times models on the phone that is attached, and compares their answers with those here.

    Args:
      models: `.tflite` files.
      binary: the official benchmark binary, made for the phone.
      plan: accelerators, threads, runs and images.
      serial: which phone, of several.
      data: images, in the forms of `open_samples`; None for synthetic ones.
      progress: called as work goes on.

    Raises:
      DeviceError: adb, the phone or the binary fails.
      UsageError: the phone, an accelerator or the binary is none.
      ModelFormatError: a file is no model.
      DataError: the images cannot be used.
    """
    with open_session(find_phone(serial), binary) as session:
        found = benchmark(session, binary, models, plan, progress=progress)
        turns = [each.turn for each in found.measurements]
        return found, agree_on_phone(session, turns, data, count=plan.images, progress=progress)


def agree_on_phone(
    session: Session,
    turns: Sequence[Turn],
    data: Data,
    *,
    count: int = IMAGES,
    progress: Progress = silent,
) -> tuple[PhoneAgreement, ...]:
    """Runs each model on the same images on the phone and here.

    Args:
      session: the binary on the phone.
      turns: what was timed there.
      data: images, in the forms of `open_samples`; None for synthetic ones.
      count: at most so many.
      progress: called as work goes on.

    Raises:
      DataError: the images cannot be used.
    """
    if not session.gives_outputs:
        return tuple(PhoneAgreement(turn, why_not=WITHOUT_OUTPUTS) for turn in turns)
    found: list[PhoneAgreement] = []
    known: dict[str, _Reference] = {}
    for number, turn in enumerate(turns):
        progress("Comparing answers", number, len(turns))
        try:
            if turn.model not in known:
                known[turn.model] = _reference(turn.model, data, count)
            found.append(_agree(session, turn, known[turn.model]))
        except PreprocessingError as error:
            found.append(PhoneAgreement(turn, why_not=f"{error.message} Set it with `edgekit metadata set`."))
        except (UnsupportedModelError, DeviceError) as error:
            found.append(PhoneAgreement(turn, why_not=str(error)))
    return tuple(found)


@dataclass(frozen=True)
class _Reference:
    """What a model answers here, one for all accelerators.

    Attributes:
      inputs: the images as the model stores them.
      outputs: float64 (images, elements), the CPU interpreter's.
      output: their tensor; `meaning`: what they are.
      source: as of PhoneAgreement.
    """

    inputs: tuple[np.ndarray, ...]
    outputs: np.ndarray
    output: Tensor
    meaning: str
    source: str


def _reference(model: str, data: Data, count: int) -> _Reference:
    opened = open_model(model, device="cpu")
    source, sink = input_tensor(opened.graph), output_tensor(opened.graph)
    spec = input_spec(source, opened.metadata, None)
    samples = open_samples(data, spec, count=count)
    inputs = tuple(_stored(sample.input(spec), source) for sample in samples)
    here = np.array([opened.run(value)[0].ravel() for value in inputs])
    kind = "synthetic" if samples.kind == "synthetic" else "data"
    return _Reference(inputs, _real(here, sink), sink, output_meaning(opened.graph, opened.metadata), kind)


def _agree(session: Session, turn: Turn, known: _Reference) -> PhoneAgreement:
    there = session.answers(turn.there, turn.accelerator, known.inputs, known.output, threads=turn.threads)
    expected, found = known.outputs, _real(there, known.output)
    equal = sum(decide(a, known.meaning) == decide(b, known.meaning) for a, b in zip(expected, found, strict=True))
    finite = np.nan_to_num(found, posinf=0, neginf=0)
    return PhoneAgreement(
        turn,
        agreement=equal / len(expected),
        interval=wilson_interval(equal, len(expected)),
        images=len(expected),
        source=known.source,
        sqnr_db=decibels(float(np.square(expected).sum()), float(np.square(expected - finite).sum())),
        broken=broken(expected, there, found),
    )


def broken(expected: np.ndarray, stored: np.ndarray, found: np.ndarray) -> str:
    """What is plainly wrong with answers (images, outputs), in words.

    Args:
      expected: the CPU interpreter's.
      stored, found: the phone's, as in its file and as numbers.
    """
    if not np.all(np.isfinite(found)):
        return "values that are no numbers"
    if (np.all(stored == 0) or np.all(found == 0)) and np.any(expected != 0):
        return "zeros alone"
    if not np.ptp(found, axis=1).any() and np.ptp(expected, axis=1).any():
        return "the same score for every class"
    if not np.ptp(found, axis=0).any() and np.ptp(expected, axis=0).any():
        return "the same scores for every image"
    return ""


def _stored(value: np.ndarray, tensor: Tensor) -> np.ndarray:
    """A float input as the model stores it."""
    if tensor.dtype == "float32" or tensor.quant is None:
        return value
    return quantize(value, tensor.quant.scale[0], tensor.quant.zero_point[0], tensor.dtype)


def _real(values: np.ndarray, tensor: Tensor) -> np.ndarray:
    """Outputs as float64 numbers."""
    return real_values(values, tensor).astype(np.float64)
