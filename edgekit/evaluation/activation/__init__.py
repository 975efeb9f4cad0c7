"""Activation maps: which parts of an image speak for a class."""

from edgekit.evaluation.activation.maps import Explainer, Seen, correlation
from edgekit.evaluation.activation.places import Places

__all__ = ["Explainer", "Places", "Seen", "correlation"]
