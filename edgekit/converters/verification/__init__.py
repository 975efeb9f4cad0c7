"""Whether a model meets what a project asks of it.

spec: the demands, from `edgekit.toml`. gates: one function for each. reproduce: a conversion made again. verify: all.
"""
