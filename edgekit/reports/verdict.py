"""A verdict in words."""

import math
from collections.abc import Iterator

from edgekit.evaluation.verdict import Verdict
from edgekit.reports.text import percent, with_interval

#: The images that the ranges were chosen on reach their end once; more than such a part of others are worth telling.
_SATURATED = 0.02


def agreement_text(verdict: Verdict) -> str:
    """«top-1 agreement 98.8 % (95 % CI 97.4–99.4) on 500 images»."""
    kind = "synthetic images" if verdict.source == "synthetic" else "images"
    return f"top-1 agreement {with_interval(verdict.agreement, verdict.interval)} on {verdict.images} {kind}"


def accuracy_text(verdict: Verdict, reference: str = "float", candidate: str = "int8") -> str:
    """«top-1 accuracy 88.8 % float, 88.4 % int8 on 500 labelled images»; "" where it is not known."""
    if verdict.top1_reference is None or verdict.top1_candidate is None:
        return ""
    return (
        f"top-1 accuracy {percent(verdict.top1_reference)} {reference}, {percent(verdict.top1_candidate)} {candidate} "
        f"on {verdict.labelled} labelled images"
    )


def verdict_lines(verdict: Verdict, candidate: str = "int8") -> Iterator[str]:
    """A smaller model, called `candidate`, against its float original: a line for each of its facts."""
    noise = "" if math.isnan(verdict.sqnr_db) else f", SQNR {verdict.sqnr_db:.1f} dB"
    yield agreement_text(verdict) + noise
    if verdict.distinct == 1 < verdict.images:
        yield "which says little: the float model predicts the same class on every one of them"
    if verdict.saturated > max(1, _SATURATED * verdict.images):
        yield (
            f"the highest score is at the end of its 8 bits on {verdict.saturated} of {verdict.images} images: "
            "calibrate on images like these (--data), or with --ranges minmax"
        )
    accuracy = accuracy_text(verdict, candidate=candidate)
    if accuracy:
        yield f"{accuracy}; {verdict.matching}"
    elif verdict.source != "synthetic":
        yield f"accuracy not measured: {verdict.matching}"
