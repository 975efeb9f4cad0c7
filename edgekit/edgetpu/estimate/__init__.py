"""Memory and latency, estimated."""
