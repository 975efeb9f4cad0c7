"""Which ops map to the Edge TPU, why the others do not, and what to change.

placement: the nouns. operations: the ops that it knows. case: what a rule looks at. general_rules, rules, size_rules:
one small function for each limit. registry: all of them. partition: TFLite's partitioner. mapping: `map_ops`, which
puts these together. words, advice: a placement for people. supported_ops: docs/supported-ops.md.
"""

from edgekit.edgetpu.placement.advice import advice
from edgekit.edgetpu.placement.mapping import map_ops
from edgekit.edgetpu.placement.placement import CompilerOptions, OpPlacement, Placement, Violation
from edgekit.edgetpu.placement.words import verdict

__all__ = ["CompilerOptions", "OpPlacement", "Placement", "Violation", "advice", "map_ops", "verdict"]
