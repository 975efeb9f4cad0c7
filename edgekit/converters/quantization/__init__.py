"""From a float model to int8."""
