"""Finding out how a model wants its images scaled, from the model itself.

In this order, the first that speaks decides:

1. The file states it (TFLite metadata).
2. The model holds Rescaling or Normalization layers, or the like: it takes raw pixels, unless its statistics clearly
   contradict (see 3): then these decide, since they are what training left.
3. Its first batch normalization remembers the mean and variance that its input had in training.
   Sample images under the right convention give nearly the same; under a wrong one they don't.
   Two kinds of images are tried, and the better fit counts: the user's own, and synthetic ones,
   which resemble ImageNet's. For in a frozen backbone the statistics are still those of ImageNet,
   and images of low contrast (leaves on grey cloth) would put a wrong convention ahead alone.
4. Where that is not clear, or contradicts 2, labelled images decide: under the right convention the model is right
   more often.

Where none of them speaks clearly, PreprocessingError is raised. An architecture's name is never
taken as evidence: people train a ResNet on pixels from 0 to 1 as often as on what
`keras.applications` prescribes. It is only named in the hint.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from edgekit.calibration.samples import Sample, Samples, open_samples
from edgekit.converters.export.by_labels import by_labels
from edgekit.converters.sources.source import FirstNorm, Source, TfliteSource
from edgekit.errors import PreprocessingError
from edgekit.preprocess import CONVENTIONS, InputSpec, describe, normalize

#: Images looked at; more of them no longer change the order.
IMAGES = 32
#: Images that are looked at alone first, and suffice where they speak twice as clearly as is asked of all.
FIRST_IMAGES = 8

#: The nearest convention must be so many times nearer than the next. Measured on six networks of known
#: preprocessing and five kinds of images: right ones lead by 2.2 to 21.
CLEAR_RATIO = 2.0
#: … and near enough in itself: right ones are at 0.03 to 0.7, a spread off by a factor e at 2.
PLAUSIBLE_SCORE = 1.5

#: Conventions that differ by half a grey level from -1..1: no statistics tell them apart, and none need.
_ALIKE = frozenset({"lite"})

SCALES = "the model scales pixels itself"

#: Members without scaling inside, which Google trained under one convention.
_LITE = ("EfficientNetLite", "EfficientNet-EdgeTPU")
#: What published models without scaling inside were trained with, by the beginning of their names.
_USUAL: Mapping[str, str] = {
    **dict.fromkeys(_LITE, "lite"),
    "EfficientNetV2": "-1..1",  # these scale pixels themselves; one that does not is another port, or was cut
    "EfficientNet": "imagenet",  # likewise
    "MobileNet": "-1..1",
    "ResNet": "caffe",
    "VGG": "caffe",
    "DenseNet": "imagenet",
    "Inception": "-1..1",
    "Xception": "-1..1",
    "NASNet": "-1..1",
}


@dataclass(frozen=True)
class Finding:
    """A model's preprocessing, and why it is believed to be that.

    Attributes:
      spec: the input with mean, std and channel order filled in.
      name: of the convention, one of `edgekit.preprocess.CONVENTIONS`, or a description of mean and std.
      how: one sentence for the user: where it was found and how surely.
      scores: convention → distance to the model's own statistics (0 is the same); {} without them.
      certain: False where the evidence contradicts itself.
      contradicted: what the model says against a preprocessing that was given; "" where nothing.
    """

    spec: InputSpec
    name: str
    how: str
    scores: Mapping[str, float]
    certain: bool
    contradicted: str = ""


def find_preprocessing(source: Source, samples: Samples) -> Finding:
    """Finds the convention under which a model's images were scaled in training.

    Args:
      source: the model.
      samples: images of the kind it was trained on, or synthetic ones. The first 8 are used for its statistics, 32
        where these leave doubt, and up to 200 that are labelled where they don't tell either.

    Raises:
      PreprocessingError: nothing in the model tells it, or not clearly.
    """
    if isinstance(source, TfliteSource) and source.stated is not None:
        return Finding(source.stated, describe(source.stated), "stated in the file's metadata", {}, True)
    norm = None if isinstance(source, TfliteSource) else source.first_norm
    if norm is None:
        if source.rescales:
            return Finding(_spec(source, "raw"), "raw", SCALES, {}, True)
        return _by_labels(source, samples, {}, "it has no layer that would tell")
    scores = _scores(source, norm, samples)
    if source.rescales:
        return _raw_or_contradicted(source, norm, samples, scores)
    return _nearest(source, norm, samples, scores)


def _scores(source: Source, norm: FirstNorm, samples: Samples) -> dict[str, float]:
    """Each convention's distance, on the user's images or on synthetic ones, whichever is nearer."""
    scores = _scores_on(_kinds(source, samples, FIRST_IMAGES), source, norm)
    if min(scores.values()) < PLAUSIBLE_SCORE / 2 and _lead(scores) > 2 * CLEAR_RATIO:
        return scores
    return _scores_on(_kinds(source, samples, IMAGES), source, norm)


def _scores_on(kinds: Iterable[Samples], source: Source, norm: FirstNorm) -> dict[str, float]:
    each = [convention_scores(norm, source.spec, images) for images in kinds]
    return {name: min(scores[name] for scores in each) for name in each[0]}


def _kinds(source: Source, samples: Samples, count: int) -> list[Samples]:
    """So many of the user's images, and of synthetic ones."""
    synthetic = [open_samples(None, source.spec, count=count)] if samples.kind != "synthetic" else []
    return [samples.take(count), *synthetic]


def _nearest(source: Source, norm: FirstNorm, samples: Samples, scores: Mapping[str, float]) -> Finding:
    name, runner_up = _ranked(scores)[:2]
    if scores[name] > PLAUSIBLE_SCORE:
        why = f"none of the usual scalings fits its statistics (nearest: {name})"
        return _by_labels(source, samples, scores, why)
    if _lead(scores) < CLEAR_RATIO:
        return _by_labels(source, samples, scores, f"{name} and {runner_up} fit its statistics about equally well")
    return _found(source, name, _by_statistics(norm, scores), scores)


def _by_statistics(norm: FirstNorm, scores: Mapping[str, float]) -> str:
    return f"{_lead(scores):.1f} times nearer than {_ranked(scores)[1]} to the statistics of its layer {norm.name}"


def _raw_or_contradicted(source: Source, norm: FirstNorm, samples: Samples, scores: Mapping[str, float]) -> Finding:
    """Raw pixels, unless the model was trained on pixels scaled before, whatever its layers do with them.

    That is common: a model with Rescaling inside was trained on images divided by 255 as well. Its statistics are what
    training left, its layers are what somebody meant.
    """
    nearest = _ranked(scores)[0]
    if scores[nearest] > PLAUSIBLE_SCORE:
        _refuse_undone(source, norm, samples)
    if scores[nearest] > PLAUSIBLE_SCORE or scores["raw"] <= PLAUSIBLE_SCORE or _lead(scores) < CLEAR_RATIO:
        return Finding(_spec(source, "raw"), "raw", SCALES, scores, True)
    contest = by_labels(source, samples, ["raw", nearest])
    name = contest.best if contest and contest.clear else nearest
    told = f"; {contest}" if contest else ""
    if name == "raw":
        return Finding(_spec(source, "raw"), "raw", f"{SCALES}{told}", scores, True)
    how = f"{_by_statistics(norm, scores)}, although {SCALES}{told}"
    return Finding(_spec(source, name), name, how, scores, certain=bool(contest and contest.clear))


def _refuse_undone(source: Source, norm: FirstNorm, samples: Samples) -> None:
    """Raises where a layer divides pixels by 255 that, by the model's statistics, nobody divided in training."""
    undone = replace(source.spec, mean=(0.0,) * source.spec.channels, std=(1 / 255,) * source.spec.channels)
    kinds = _kinds(source, samples, IMAGES)
    if min(_distance(norm, *norm.moments(normalize(_stack(images), undone))) for images in kinds) < PLAUSIBLE_SCORE:
        raise PreprocessingError(
            f"How {source.path} wants its images scaled is not clear: {SCALES}, and the statistics of its layer "
            f"{norm.name} are those of pixels that were not scaled.",
            "Remove its scaling layer, or insist on the model as it is with --preprocess raw.",
        )


def _by_labels(source: Source, samples: Samples, scores: Mapping[str, float], why: str) -> Finding:
    """The convention under which the model is right most often on labelled images, where these tell."""
    contest = by_labels(source, samples, [name for name in CONVENTIONS if name not in _ALIKE])
    if contest is None or not contest.settles:
        raise _unknown(source, f"{why}; {contest}" if contest else why)
    return replace(_found(source, contest.best, str(contest), scores), certain=contest.clear)


def _found(source: Source, name: str, how: str, scores: Mapping[str, float]) -> Finding:
    if name == "-1..1" and (source.architecture or "").startswith(_LITE):
        name = "lite"
    return Finding(_spec(source, name), name, how, scores, True)


def _ranked(scores: Mapping[str, float]) -> list[str]:
    return sorted(scores, key=lambda name: scores[name])


def _lead(scores: Mapping[str, float]) -> float:
    """How many times nearer the nearest convention is than the next."""
    first, second = sorted(scores.values())[:2]
    return second / max(first, 1e-9)


def convention_scores(norm: FirstNorm, spec: InputSpec, samples: Iterable[Sample]) -> dict[str, float]:
    """Convention → distance between what a layer saw in training and what it sees now.

    The distance is, averaged over channels, ½·ln²(variance ratio) + (difference of means)² / (sum of
    variances): 0 where the statistics agree, 2 where their spreads differ by a factor e. Channels that
    are next to dead in both count as agreeing. Of conventions that differ by less than an image's
    noise, `_ALIKE`, one stands for both.
    """
    pixels = _stack(samples)
    return {
        name: _distance(norm, *norm.moments(normalize(pixels, spec.with_convention(name))))
        for name in CONVENTIONS
        if name not in _ALIKE
    }


def _stack(samples: Iterable[Sample]) -> np.ndarray:
    return np.stack([sample.pixels for sample in samples])


def _distance(norm: FirstNorm, mean: np.ndarray, variance: np.ndarray) -> float:
    floor = 1e-3 * float(np.median(norm.variance)) + 1e-12
    seen, stored = variance.astype(np.float64) + floor, norm.variance.astype(np.float64) + floor
    spread = 0.5 * np.log(seen / stored) ** 2
    shift = (mean - norm.mean) ** 2 / (seen + stored)
    return float(np.mean(spread + shift))


def _spec(source: Source, name: str) -> InputSpec:
    return source.spec.with_convention(name)


def _unknown(source: Source, why: str) -> PreprocessingError:
    usual = next((name for prefix, name in _USUAL.items() if (source.architecture or "").startswith(prefix)), None)
    tip = f" {source.architecture} is usually trained with {usual}." if usual else ""
    return PreprocessingError(
        f"How {source.path} wants its images scaled is not clear: {why}.",
        f"Say it with --preprocess, as in training: {', '.join(CONVENTIONS)}, or MEAN,STD.{tip}",
    )
