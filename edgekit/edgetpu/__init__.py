"""What is known of the Edge TPU, without one and without its compiler.

placement/  which ops map, why the others do not, what to change: rules, TFLite's partitioner, advice
compiler/   Coral's `edgetpu_compiler`: run, its log and failures read, its files read back, handed to another machine
parameters/ what a compiled file holds of its model's layers, to the last bit
estimate/   on-chip memory and latency before anything is compiled
statuses: the compiler's own words, which all of them use
"""

from edgekit.edgetpu.placement import CompilerOptions, OpPlacement, Placement, Violation, map_ops

__all__ = ["CompilerOptions", "OpPlacement", "Placement", "Violation", "map_ops"]
