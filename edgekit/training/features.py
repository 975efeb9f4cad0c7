"""What a backbone makes of images, once for each view, on all cores, with a cache between runs."""

from collections.abc import Sequence

import numpy as np

from edgekit.calibration.parallel import map_samples
from edgekit.devices.interpreter import open_interpreter
from edgekit.evaluation.verdict import feed
from edgekit.preprocess import normalize
from edgekit.progress import Progress, silent
from edgekit.training.cache import FeatureCache
from edgekit.training.dataset import Example
from edgekit.training.head import Backbone
from edgekit.training.reading import View, digest, read, show

#: Counts the changes in how images are shown: what was computed from others is not read again.
_SHOWN = "2"


def extract_features(
    backbone: Backbone,
    examples: Sequence[Example],
    views: tuple[View, ...],
    cache: FeatureCache,
    *,
    stage: str = "Computing features",
    progress: Progress = silent,
) -> np.ndarray:
    """The features of images.

    Returns:
      float32 (images, views, features).

    Raises:
      ImageError: an image that could be decoded a moment ago cannot any more.
    """
    features = np.empty((len(examples), len(views), backbone.width), np.float32)
    for done, (_, found) in enumerate(map_samples(lambda: _Worker(backbone, views, cache), examples)):
        features[done] = found
        progress(stage, done + 1, len(examples))
    return features


class _Worker:
    """The backbone for one thread, opened when the first image is not in the cache."""

    def __init__(self, backbone: Backbone, views: tuple[View, ...], cache: FeatureCache) -> None:
        self._backbone, self._views, self._cache = backbone, views, cache
        self._run = None if cache.folder is not None else open_interpreter(backbone.graph.content, threads=1)

    def __call__(self, example: Example) -> np.ndarray:
        key = digest("\n".join([_SHOWN, self._backbone.digest, example.content, *map(repr, self._views)]).encode())
        known = self._cache.get(key, (len(self._views), self._backbone.width))
        if known is None:
            known = self._computed(example)
            self._cache.put(key, known)
        return known

    def _computed(self, example: Example) -> np.ndarray:
        if self._run is None:
            self._run = open_interpreter(self._backbone.graph.content, threads=1)
        outputs = self._run.get_output_details()
        found = []
        for pixels in show(read(example.path), self._views, self._backbone.spec):
            feed(self._run, normalize(pixels, self._backbone.spec)[np.newaxis])
            found.append(np.concatenate([self._run.get_tensor(each["index"]).ravel() for each in outputs]))
        return np.stack(found).astype(np.float32)
