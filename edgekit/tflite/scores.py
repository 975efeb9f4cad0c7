"""The numbers that a classifier decides by, and which part of them decides."""

import numpy as np

from edgekit.tflite.graph import Graph, Tensor

#: Ops that turn scores into probabilities or other numbers without changing which is the largest.
_AFTER = ("SOFTMAX", "LOGISTIC", "QUANTIZE", "DEQUANTIZE")


def score_tensor(graph: Graph) -> Tensor:
    """The tensor that the classes are decided by: what a final SOFTMAX or LOGISTIC reads, else the output."""
    index = graph.outputs[0]
    for _ in graph.ops:  # not without end: a damaged file's ops may read what they write
        producer = graph.producer(index)
        if producer is None or producer.opcode not in _AFTER:
            break
        index = producer.inputs[0]
    return graph.tensors[index]


def centred(scores: np.ndarray) -> np.ndarray:
    """Scores, float (…, classes), without what all classes share, which softmax does not see; one alone stays."""
    return scores - scores.mean(axis=-1, keepdims=True) if scores.shape[-1] > 1 else scores
