"""What a model answers with: which of its outputs holds the class scores, and what these mean."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from edgekit.converters.sources.checks import Shape, drawn, scores_in
from edgekit.errors import UnsupportedModelError, UsageError
from edgekit.preprocess import InputSpec

#: Arrays (n, height, width, channels) → float32 arrays (n, classes).
Predict = Callable[[np.ndarray], np.ndarray]

_CHOOSE = "Say with --output-name which one holds the scores of the classes."
_ONE_SIGMOID = "One sigmoid output: its score is the probability of the second of two classes."
_SIGMOIDS = "Independent scores per class (sigmoid): they need not sum to 1."
_FEATURES = "It ends in a pooling or a ReLU: that looks like the features of a backbone, not like class scores."


@dataclass(frozen=True)
class End:
    """An output of a model.

    Attributes:
      name: as users know it.
      shape: batch first.
      dtype: numpy's name.
    """

    name: str
    shape: Shape
    dtype: str = "float32"

    @property
    def holds_scores(self) -> bool:
        """Whether it is a row of real numbers, more than one."""
        return self.dtype.startswith("float") and (scores_in(self.shape) or 0) > 1

    def __str__(self) -> str:
        return f"{self.name} {drawn(self.shape)}"


def choose_output(name: str, ends: Sequence[End], wanted: str | None) -> int:
    """The place of the output that holds the scores: the wanted one, or the only one that can.

    Args:
      name: the file, for messages.
      wanted: its name, or its place from 0 on; None to find it.

    Raises:
      UsageError: there is none of that name.
      UnsupportedModelError: several could be meant.
    """
    listed = ", ".join(map(str, ends[:6])) + (", …" if len(ends) > 6 else "")
    if wanted is not None:
        places = [str(place) for place in range(len(ends))]
        for known in ([end.name for end in ends], places):
            if wanted in known:
                return known.index(wanted)
        raise UsageError(f"{name} has no output {wanted!r}.", f"Choose one of: {listed}.")
    fitting = [place for place, end in enumerate(ends) if end.holds_scores]
    if len(ends) == 1 or len(fitting) == 1:
        return 0 if len(ends) == 1 else fitting[0]
    raise UnsupportedModelError(f"{name} has {len(ends)} outputs ({listed}), expected one.", _CHOOSE)


def about_choice(ends: Sequence[End], place: int) -> tuple[str, ...]:
    """A note about the outputs that are left out; () where there is one alone."""
    others = ", ".join(end.name for number, end in enumerate(ends) if number != place)
    return (f"Of its outputs {ends[place].name} is converted; left out: {others}.",) if others else ()


def output_kind(last: str, predict: Predict, spec: InputSpec) -> tuple[str, tuple[str, ...]]:
    """("probabilities" or "logits", notes): by what the graph ends in, not by the values of a few images.

    Values decide where softmaxes are averaged or mixed: they sum to 1 in every row.

    Args:
      last: kind of the last op that computes anything: TensorFlow's name or TFLite's.
    """
    kind = last.upper()
    if kind == "SOFTMAX":
        return "probabilities", ()
    scores = predict(_odd_images(spec))
    if kind in ("SIGMOID", "LOGISTIC"):
        return "probabilities", (_ONE_SIGMOID if scores.shape[1] == 1 else _SIGMOIDS,)
    within = bool(np.all(np.isfinite(scores)) and np.all((scores >= 0) & (scores <= 1)))
    if within and scores.shape[1] > 1 and np.allclose(scores.sum(axis=1), 1, atol=1e-3):
        return "probabilities", ()
    return "logits", ((_FEATURES,) if kind in _POOLINGS else ())


_POOLINGS = ("MEAN", "MAX", "REDUCE_MAX", "AVGPOOL", "MAXPOOL", "AVERAGE_POOL_2D", "MAX_POOL_2D", "RELU", "RELU6")


def _odd_images(spec: InputSpec) -> np.ndarray:
    ramp = np.linspace(0, 1, spec.height * spec.width, dtype=np.float32).reshape(1, spec.height, spec.width, 1)
    noise = np.random.default_rng(0).random((1, *spec.shape), dtype=np.float32)
    images = np.concatenate([np.repeat(ramp, spec.channels, axis=3), noise * 2 - 1])
    return np.concatenate([images, images * 255])
