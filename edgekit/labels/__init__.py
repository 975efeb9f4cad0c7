"""Class names: the files that tools write them into, and where a model's are found."""

from edgekit.labels.finding import Names, find_names, read_labels
from edgekit.labels.formats import parse_labels

__all__ = ["Names", "find_names", "parse_labels", "read_labels"]
