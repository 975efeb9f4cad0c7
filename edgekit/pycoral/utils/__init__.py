"""Opening models on an Edge TPU or the CPU, and reading label files."""
