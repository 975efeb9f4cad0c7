"""Two models side by side: whether they agree, which is right more often, and which layers make the difference."""

import csv
import io
from dataclasses import asdict, dataclass
from typing import Any

from edgekit.calibration.class_matching import UNMATCHED, Matching
from edgekit.calibration.samples import Samples
from edgekit.evaluation.impact import with_impact
from edgekit.evaluation.layers import Layer, layer_report
from edgekit.evaluation.verdict import Verdict, compare
from edgekit.progress import Progress, silent
from edgekit.tflite.model import Model

#: Images for the per-layer report. Its sums run over all values of a tensor, so that few images do.
LAYER_IMAGES = 32
#: Two models differ by more than chance below this probability.
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Comparison:
    """What two models make of the same images.

    Attributes:
      verdict: the second against the first.
      layers: both errors of every layer, in order; () where the two have no float and int8 layer in common.
      skipped: image → why it could not be used.
    """

    verdict: Verdict
    layers: tuple[Layer, ...]
    skipped: dict[str, str]

    @property
    def culprits(self) -> tuple[Layer, ...]:
        """The layers whose error does harm, those first that cost the scores most."""
        harmful = [layer for layer in self.layers if not layer.swallowed and layer.scores_db is not None]
        return tuple(sorted(harmful, key=lambda layer: (layer.scores_db, layer.index)))


def compare_models(
    first: Model,
    second: Model,
    samples: Samples,
    *,
    matching: Matching = UNMATCHED,
    progress: Progress = silent,
) -> Comparison:
    """Runs two models on the same images.

    Args:
      first: a model, usually the float one.
      second: another of the same task, usually the int8 model made from it.
      samples: images sized for the first.
      matching: which output each of the samples' classes may be, see `match_samples`.

    Raises:
      DataError: there is no image.
    """
    verdict = compare(first, second, samples, matching=matching, progress=progress)
    # Which images cannot be decoded is known by now; the first ones that can are enough for the layers.
    layers = layer_report(first, second, samples.take(LAYER_IMAGES), progress=progress)
    layers = with_impact(first, second, layers, samples, progress=progress)
    return Comparison(verdict, layers, dict(samples.skipped))


def significance(verdict: Verdict) -> str:
    """In plain words whether the difference in accuracy is more than chance; "" without labelled images."""
    if not verdict.labelled:
        return ""
    differing = f"only A is right on {verdict.lost} images, only B on {verdict.gained}"
    if verdict.p_value >= SIGNIFICANT:
        return f"{differing}: no more of a difference than chance makes (p = {verdict.p_value:.2g})"
    better = "A" if verdict.lost > verdict.gained else "B"
    return f"{differing}: {better} is better, which chance hardly explains (p = {verdict.p_value:.2g})"


def to_json(comparison: Comparison) -> dict[str, Any]:
    """A JSON-ready dictionary of a comparison, its layers in order."""
    verdict = comparison.verdict
    return {
        **verdict.to_json(),
        "p": verdict.p_value if verdict.labelled else None,
        "significance": significance(verdict) or None,
        "layers": [_layer_json(layer) for layer in comparison.layers],
        "culprits": [layer.name for layer in comparison.culprits[:10]],
        "skipped": [{"image": name, "reason": reason} for name, reason in comparison.skipped.items()],
    }


def _layer_json(layer: Layer) -> dict[str, Any]:
    reason = asdict(layer.reason)
    return {**asdict(layer), "reason": reason["name"], "meaning": reason["meaning"], "remedy": reason["remedy"]}


def to_csv(comparison: Comparison) -> str:
    """The per-layer report as a table, one row for each layer in order."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(
        [
            "index",
            "op",
            "name",
            "scores_db",
            "accumulated_db",
            "local_db",
            "reason",
            "share",
            "low",
            "high",
            "seen_low",
            "seen_high",
            "swallowed",
        ]
    )
    for layer in comparison.layers:
        figures = (layer.share, layer.low, layer.high, *layer.seen)
        measured = (layer.scores_db, layer.accumulated_db, layer.local_db)
        ratios = ["" if value is None else f"{value:.2f}" for value in measured]
        writer.writerow(
            [
                layer.index,
                layer.op,
                layer.name,
                *ratios,
                layer.reason.name,
                *(f"{value:.6g}" for value in figures),
                int(layer.swallowed),
            ]
        )
    return stream.getvalue()
