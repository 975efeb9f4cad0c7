"""Which layer's error does harm: what each one, were it the only one to err, does to the model's scores.

A layer's own error says little about that: in an EfficientNet-B0 the stem errs by 28 dB of its signal and costs the
scores all but 10 dB, since small channels drown in the rounding of large ones; a late squeeze-and-excitation product
errs by 11 dB and costs them 36. So it is measured: what the int8 op adds (`layers.Watcher.local_errors`) is added to
the float model's tensor, and nothing else, and the float model goes on from there.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from edgekit.calibration.parallel import map_samples
from edgekit.calibration.samples import Sample, Samples
from edgekit.evaluation.diagnosis import FIXED
from edgekit.evaluation.disturb import Disturbed, disturbable
from edgekit.evaluation.layers import Layer, Pair, Watcher, match_ops
from edgekit.evaluation.verdict import decibels
from edgekit.progress import Progress, silent
from edgekit.tflite.model import Model

#: Images to measure on. Layers differ by tens of dB, images by a few; each takes one invocation for every layer.
IMAGES = 2


def with_impact(
    reference: Model, candidate: Model, layers: Sequence[Layer], samples: Samples, *, progress: Progress = silent
) -> tuple[Layer, ...]:
    """The layers with `scores_db`; None stays where the format fixes the range, so that nothing can be done.

    Args:
      reference, candidate, layers: as for and from `layers.layer_report`.
      samples: the first IMAGES are run.
    """
    wanted = {layer.index for layer in layers if layer.cause is not FIXED}
    pairs = [pair for pair in match_ops(reference.graph, candidate.graph) if pair.reference.index in wanted]
    if not pairs:
        return tuple(layers)
    progress("Measuring each layer's cost", 0, None)
    content = disturbable(reference.graph, [pair.made for pair in pairs])
    rows = [row for _, row in map_samples(lambda: _worker(content, reference, candidate, pairs), samples.take(IMAGES))]
    found = dict(zip((pair.reference.index for pair in pairs), np.mean(rows, axis=0).tolist(), strict=True))
    return tuple(replace(layer, scores_db=found.get(layer.index)) for layer in layers)


def _worker(
    content: bytes, reference: Model, candidate: Model, pairs: Sequence[Pair]
) -> Callable[[Sample], list[float]]:
    """A function from an image to the scores' SQNR under each pair's error alone, for one thread."""
    tensors = [pair.made for pair in pairs]
    model, watcher = Disturbed(content, tensors), Watcher(reference, candidate, pairs)

    def measure(sample: Sample) -> list[float]:
        expected, ratios = model.show(sample.input(reference.spec)), []
        for tensor, error in zip(tensors, watcher.local_errors(sample), strict=True):
            noise = model.scores({tensor: error}) - expected
            ratios.append(decibels(float(np.square(expected).sum()), float(np.square(noise).sum())))
        return ratios

    return measure
