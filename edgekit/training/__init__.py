"""From images of known class to a classifier."""

from edgekit.training.train import Trained, TrainingPlan, save_trained, train

__all__ = ["Trained", "TrainingPlan", "save_trained", "train"]
