"""Activation maps of a model, float or quantized: which parts of an image speak for a class.

Three ways, the best that a model's head allows:

- *cam* (Zhou et al. 2016): the head averages its feature map and has one layer of weights, or takes all positions in a
  row. The score of a class is then a sum over positions, and the map holds its terms: exact. A head on several feature
  maps, such as `edgekit train` makes, has terms of all of them, which are dealt out on the finest one's positions.
- *grad-cam* (Selvaraju et al. 2017): the head is not that simple. Each channel's weight is the slope of the score
  when the whole channel grows, by central differences on the head alone, which are a few small ops. For a head as
  above it is the same map.
- *occlusion* (Zeiler & Fergus 2014): there is no feature map that decides alone. The map holds what the score loses
  when a patch of the image is covered with the image's mean colour.

A quantized model is explained by its own numbers: the feature map that its integer kernels computed, and its weights as
they are after rounding.
"""

from dataclasses import dataclass, field

import numpy as np

from edgekit.devices.interpreter import Interpreter, open_interpreter
from edgekit.devices.tensors import probabilities
from edgekit.evaluation.activation.head import Head, find_head
from edgekit.evaluation.activation.places import even, places_of
from edgekit.evaluation.verdict import feed
from edgekit.tflite.expose import exposed
from edgekit.tflite.graph import Graph
from edgekit.tflite.model import Model
from edgekit.tflite.quant import real_values
from edgekit.tflite.unquantized import float_part

CAM, GRAD_CAM, OCCLUSION = "cam", "grad-cam", "occlusion"

#: Steps of occlusion along each side; a patch is two steps wide.
_GRID = 8
#: A channel is moved by this part of the feature map's largest value, for its slope.
_STEP = 0.01


@dataclass(frozen=True)
class Seen:
    """What a model made of one image.

    Attributes:
      batch: the model's input, float32 (1, height, width, channels).
      probabilities: float32 (classes,), two for a single sigmoid.
      scores: float64 (outputs,), before softmax or sigmoid.
      features: the head's feature maps, float64 (height, width, channels) each; () for occlusion.
    """

    batch: np.ndarray = field(repr=False)
    probabilities: np.ndarray
    scores: np.ndarray = field(repr=False)
    features: tuple[np.ndarray, ...] = field(repr=False)


class Explainer:
    """A model that tells why, for one thread.

    Attributes:
      model: it.
      way: how its maps are made, see the module.
      places: where the positions of its maps are in the image.
    """

    def __init__(self, model: Model) -> None:
        """Raises what `open_interpreter` raises."""
        self.model, self._head = model, find_head(model.graph)
        self.way = _way(self._head)
        self._places = [places_of(model.graph, part.features) for part in self._head.parts] or [even(_GRID, _GRID)]
        self.places = max(self._places, key=lambda places: len(places.rows) * len(places.columns))
        shown = [model.graph.outputs[0], self._head.scores, *(part.features for part in self._head.parts)]
        self._interpreter = open_interpreter(exposed(model.graph, list(dict.fromkeys(shown))).content)
        self._slopes = _Slopes(model.graph, self._head) if self.way == GRAD_CAM else None

    def see(self, batch: np.ndarray) -> Seen:
        """Runs the model on float32 (1, height, width, channels)."""
        feed(self._interpreter, batch)
        graph, head = self.model.graph, self._head
        output = graph.tensors[graph.outputs[0]]
        answer = probabilities(self._interpreter.get_tensor(output.index), output, self.model.output)
        features = tuple(_real(self._interpreter, graph, part.features)[0] for part in head.parts)
        return Seen(batch, answer, _real(self._interpreter, graph, head.scores).ravel(), features)

    def map(self, seen: Seen, index: int) -> np.ndarray:
        """How much each position speaks for a class, float64 (rows, columns) over the whole input, in score units.

        Positive numbers speak for it, negative ones against it. Of a cam the sum is the class's score without its bias.

        Args:
          seen: from `see`.
          index: of the class.
        """
        if len(seen.scores) == 1:  # a single score speaks for the second of two classes
            speaks = self._map(seen, 0)
            return speaks if index else -speaks
        return self._map(seen, index)

    def _map(self, seen: Seen, output: int) -> np.ndarray:
        if not seen.features:
            return self._occluded(seen, output)
        if self._slopes is not None:
            (features,) = seen.features
            return np.asarray(features @ self._slopes(features, output) / features[..., 0].size)
        total = np.zeros((len(self.places.rows), len(self.places.columns)))
        for part, features, places in zip(self._head.parts, seen.features, self._places, strict=True):
            assert part.weights is not None
            total += places.onto(self.places, (features * part.weights[output]).sum(axis=-1))
        return total

    def _occluded(self, seen: Seen, output: int) -> np.ndarray:
        mean = seen.batch.mean(axis=(1, 2), keepdims=True)
        rows, columns = (np.linspace(0, size, _GRID + 1) for size in seen.batch.shape[1:3])
        lost = np.zeros((_GRID, _GRID))
        for row, column in np.ndindex(lost.shape):
            covered = seen.batch.copy()
            covered[:, _patch(rows, row), _patch(columns, column)] = mean
            lost[row, column] = seen.scores[output] - self.see(covered).scores[output]
        return lost


def _way(head: Head) -> str:
    if not head.parts:
        return OCCLUSION
    return CAM if head.sums else GRAD_CAM


def _patch(edges: np.ndarray, place: int) -> slice:
    """The pixels of a step, and of half a step on either side."""
    half = edges[1] / 2
    return slice(round(max(0.0, edges[place] - half)), round(edges[place + 1] + half))


class _Slopes:
    """By how much a score grows when a channel of the feature map grows at all positions."""

    def __init__(self, graph: Graph, head: Head) -> None:
        (part,) = head.parts
        self._interpreter = open_interpreter(float_part(graph, [part.features], [head.scores]).content, threads=1)

    def __call__(self, features: np.ndarray, output: int) -> np.ndarray:
        """float64 (channels,)."""
        step = _STEP * float(np.abs(features).max()) or 1.0
        found = np.zeros(features.shape[-1])
        for channel in range(len(found)):
            ends = [self._score(features, channel, by, output) for by in (step, -step)]
            found[channel] = (ends[0] - ends[1]) / (2 * step)
        return found

    def _score(self, features: np.ndarray, channel: int, by: float, output: int) -> float:
        moved = features.astype(np.float32)
        moved[..., channel] += np.float32(by)
        feed(self._interpreter, moved[np.newaxis])
        return float(self._interpreter.get_tensor(self._interpreter.get_output_details()[0]["index"]).ravel()[output])


def _real(interpreter: Interpreter, graph: Graph, index: int) -> np.ndarray:
    """A tensor's value, dequantized, float64."""
    return real_values(interpreter.get_tensor(index), graph.tensors[index]).astype(np.float64)


def correlation(first: np.ndarray, second: np.ndarray) -> float | None:
    """Pearson's correlation of two maps of one shape, position by position.

    1 where attention is the same, 0 where it has nothing in common; None where a map is the same everywhere.
    """
    a, b = (values.ravel() - values.mean() for values in (first, second))
    power = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / power if power > 0 else None
