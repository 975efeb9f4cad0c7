"""What a rewrite of a float model gives."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgekit.calibration.ranges import Bounds
from edgekit.tflite.graph import Graph


@dataclass(frozen=True)
class Rewritten:
    """A float graph that computes what another does.

    Attributes:
      graph: the new graph.
      limits: tensor name → the most that its range may hold, in addition to what its values say.
      changed: names of the tensors that take on other values than in the other graph.
      changes: how many places were rewritten.
    """

    graph: Graph = field(repr=False)
    limits: Mapping[str, Bounds] = field(repr=False)
    changed: frozenset[str] = field(repr=False)
    changes: int
