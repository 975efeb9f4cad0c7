"""Code to paste that runs a model: a template for each language, and what a model's figures are called there."""

from edgekit.reports.snippets.write import LANGUAGES, snippet

__all__ = ["LANGUAGES", "snippet"]
