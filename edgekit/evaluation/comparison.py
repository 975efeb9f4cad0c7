"""Two models side by side: whether they agree, which is right more often, and which layers make the difference."""

from dataclasses import dataclass

from edgekit.calibration.class_matching import UNMATCHED, Matching
from edgekit.calibration.samples import Samples
from edgekit.evaluation.cost import Cost, cost
from edgekit.evaluation.impact import with_impact
from edgekit.evaluation.layers import Layer, layer_report
from edgekit.evaluation.verdict import Verdict, compare
from edgekit.labels.finding import NAMELESS
from edgekit.progress import Progress, silent
from edgekit.tflite.model import Model

#: Images for the per-layer report. Its sums run over all values of a tensor, so that few images do.
LAYER_IMAGES = 32


@dataclass(frozen=True)
class Comparison:
    """What two models make of the same images.

    Attributes:
      verdict: the second against the first.
      layers: both errors of every layer, in order; () where the two have no float and int8 layer in common.
      skipped: image → why it could not be used.
      contradicted: what the first model says against the preprocessing that was given; "" where nothing.
      names_from: where the names of the outputs are from, in words.
      tried: range methods and corrections that the second was made with, or that were worse, as its record says.
    """

    verdict: Verdict
    layers: tuple[Layer, ...]
    skipped: dict[str, str]
    cost: Cost
    contradicted: str = ""
    tried: frozenset[str] = frozenset()
    names_from: str = NAMELESS

    @property
    def alarms(self) -> tuple[str, ...]:
        """What makes the figures unbelievable, in sentences; () where nothing does."""
        return (*((self.contradicted,) if self.contradicted else ()), *self.verdict.alarms)

    @property
    def worst(self) -> tuple[Layer, ...]:
        """The layers by what their error costs the scores, the costliest first; harmless ones left out."""
        costly = [layer for layer in self.layers if not layer.swallowed and layer.scores_db is not None]
        return tuple(sorted(costly, key=lambda layer: (layer.scores_db, layer.index)))


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
    return Comparison(verdict, layers, dict(samples.skipped), cost(first, second))
