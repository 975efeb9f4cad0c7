"""The numbers that a classifier decides by, and which part of them decides."""

import numpy as np

from edgekit.tflite.graph import Graph, Tensor
from edgekit.tflite.patterns import score_head


def score_tensor(graph: Graph) -> Tensor:
    """The tensor that the classes are decided by: what a final SOFTMAX or LOGISTIC reads, else the output.

    Ops that only hand its values on, such as RESHAPE, are looked through wherever they stand, so that the same
    function is measured by the same numbers however it is written.
    """
    return graph.tensors[score_head(graph).scores]


def centred(scores: np.ndarray) -> np.ndarray:
    """Scores, float (…, classes), without what all classes share, which softmax does not see; one alone stays."""
    return scores - scores.mean(axis=-1, keepdims=True) if scores.shape[-1] > 1 else scores
