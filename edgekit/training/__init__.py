"""From images of known class to a classifier."""

from edgekit.training.saving import save_trained
from edgekit.training.train import Trained, TrainingPlan, train

__all__ = ["Trained", "TrainingPlan", "save_trained", "train"]
