"""Judging models: a quantized model against its float original, on pictures kept aside."""

from edgekit.evaluation.verdict import Verdict, compare, wilson_interval

__all__ = ["Verdict", "compare", "wilson_interval"]
