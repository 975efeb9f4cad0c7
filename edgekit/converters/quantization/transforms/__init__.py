"""Rewrites that keep a model's function and help its int8 form."""
