"""On-chip memory and latency of a model, estimated before anything is compiled.

profiles: the chip and its hosts in numbers. work: what one op asks of the chip. memory: which parameters stay on it.
estimate: the sums, with their intervals.
savings: what would make a model faster.
"""

from edgekit.edgetpu.estimate.estimate import Estimate, Interval, LayerCost, estimate
from edgekit.edgetpu.estimate.profiles import HOSTS
from edgekit.edgetpu.estimate.savings import savings

__all__ = ["HOSTS", "Estimate", "Interval", "LayerCost", "estimate", "savings"]
