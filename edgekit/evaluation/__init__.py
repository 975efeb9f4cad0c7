"""Judging models: how often they are right, and what a quantized one lost against its float original, and where."""

from edgekit.calibration.labelled import Labelled, from_csv, from_folder
from edgekit.evaluation.accuracy import Evaluation, evaluate
from edgekit.evaluation.answers import Subject
from edgekit.evaluation.comparison import Comparison, compare_models
from edgekit.evaluation.intervals import wilson_interval
from edgekit.evaluation.sufficiency import Sufficiency, sufficiency
from edgekit.evaluation.verdict import Verdict, compare

__all__ = [
    "Comparison",
    "Evaluation",
    "Labelled",
    "Subject",
    "Sufficiency",
    "Verdict",
    "compare",
    "compare_models",
    "evaluate",
    "from_csv",
    "from_folder",
    "sufficiency",
    "wilson_interval",
]
