"""The emulated Edge TPU: compiled models run through their CPU twin, by way of a real delegate, for tests and CI.

native: a TFLite delegate written with ctypes. emulated: the device that it belongs to.
"""

from edgekit.devices.emulator.emulated import EmulatedEdgeTpu, Invocation

__all__ = ["EmulatedEdgeTpu", "Invocation"]
