"""From images of known class to a classifier."""

from edgekit.training.plan import TrainingPlan
from edgekit.training.saving import save_trained
from edgekit.training.train import train
from edgekit.training.trained import Trained

__all__ = ["Trained", "TrainingPlan", "save_trained", "train"]
