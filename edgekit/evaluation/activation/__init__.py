"""Activation maps: which parts of an image speak for a class."""

from edgekit.evaluation.activation.maps import Explainer, Seen, correlation, resized

__all__ = ["Explainer", "Seen", "correlation", "resized"]
