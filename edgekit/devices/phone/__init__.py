"""A model on an Android phone, by way of adb and the official benchmark binary that the user gives.

faults: what adb, the phone and the binary say when they fail. adb: the phone. tool: the binary's flags and what it
prints. session: the binary and models on the phone, timed and run on images. benchmark: accelerators in turns.
"""
