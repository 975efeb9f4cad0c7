"""What is known of the Edge TPU: its rules, its compiler, its compiled files, its memory and speed."""

from edgekit.edgetpu.placement.mapping import map_ops
from edgekit.edgetpu.placement.placement import CompilerOptions, OpPlacement, Placement, Violation

__all__ = ["CompilerOptions", "OpPlacement", "Placement", "Violation", "map_ops"]
