"""Places to run a model, as records: what each takes."""

from edgekit.targets.target import PRECISIONS, TARGETS, Target

__all__ = ["PRECISIONS", "TARGETS", "Target"]
