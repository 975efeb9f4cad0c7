"""What a classification model answers."""

from typing import List, NamedTuple

import numpy as np

from edgekit.pycoral.runtime import Runnable


class Class(NamedTuple):
    """A class and its score.

    Attributes:
      id: index in the model's output.
      score: as the model gives it: a probability, or a logit.
    """

    id: int
    score: float


def num_classes(interpreter: Runnable) -> int:
    """How many classes the model tells apart."""
    return int(np.prod(interpreter.get_output_details()[0]["shape"]))


def get_scores(interpreter: Runnable) -> np.ndarray:
    """The first output as real numbers, (classes,): float64 from a quantized one, else in its own type."""
    details = interpreter.get_output_details()[0]
    stored: np.ndarray = interpreter.tensor(details["index"])().flatten()
    if not np.issubdtype(details["dtype"], np.integer):
        return stored
    scale, zero_point = details["quantization"]
    real: np.ndarray = scale * (stored.astype(np.int64) - zero_point)
    return real


def get_classes_from_scores(
    scores: np.ndarray, top_k: float = float("inf"), score_threshold: float = -float("inf")
) -> List[Class]:
    """The best classes, the best first.

    Args:
      scores: (classes,), as `get_scores` returns them.
      top_k: at most so many.
      score_threshold: the least score of a class that is returned.
    """
    count = int(min(top_k, len(scores)))
    # A partition, not a sort: of equal scores it keeps the very ones that pycoral keeps, in its order.
    best = np.argpartition(scores, -count)[-count:]
    classes = [Class(int(i), scores[i]) for i in best if scores[i] >= score_threshold]
    return sorted(classes, key=lambda found: found.score, reverse=True)


def get_classes(
    interpreter: Runnable, top_k: float = float("inf"), score_threshold: float = -float("inf")
) -> List[Class]:
    """The best classes of the last run; arguments as `get_classes_from_scores`."""
    return get_classes_from_scores(get_scores(interpreter), top_k, score_threshold)
