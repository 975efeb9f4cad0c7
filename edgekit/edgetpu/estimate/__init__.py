"""On-chip memory and latency of a model, estimated before anything is compiled.

profiles: the chip and its hosts in numbers. work: what one op asks of the chip. estimate: the sum, with its interval.
savings: what would make a model faster.
"""

from edgekit.edgetpu.estimate.estimate import Estimate, Latency, LayerCost, estimate
from edgekit.edgetpu.estimate.profiles import HOSTS
from edgekit.edgetpu.estimate.savings import savings

__all__ = ["HOSTS", "Estimate", "Latency", "LayerCost", "estimate", "savings"]
