"""A model in memory: the one value that a conversion hands from step to step."""

from dataclasses import dataclass, field
from typing import Tuple

from edgekit.preprocess import InputSpec
from edgekit.tflite.graph import Graph


@dataclass(frozen=True)
class Model:
    """A classifier's graph and what has to be known to use it.

    Attributes:
      graph: float or quantized, with one image input and one output of scores.
      spec: the preprocessing that belongs to `graph`.
      output: "probabilities" or "logits": what a single output is compared with to tell two classes apart.
      labels: class names in the order of the output, or ().
    """

    graph: Graph = field(repr=False)
    spec: InputSpec
    output: str = "probabilities"
    labels: Tuple[str, ...] = ()
