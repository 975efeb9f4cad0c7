"""From a source to a float model."""
