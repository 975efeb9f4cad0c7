"""Keras files, of Keras 2 and 3."""
