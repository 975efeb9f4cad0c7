"""How fast models run: several of them, on several devices, interleaved in one run.

subject: one model on one device, ready to be timed. start: the same in a fresh process, for load, first inference and
memory. conditions: the machine, its governor and load. ratio: medians and ratios with intervals. benchmark: the run.
baseline: an earlier run's document.
"""
