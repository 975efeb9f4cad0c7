"""Which ops map to the Edge TPU, and why not."""
