"""Why an Edge TPU does not work, the device: its port, permissions, driver and heat. To add a cause, add a function."""

import re
from typing import Optional

from edgekit.devices.doctor.cause import Causes, Effect
from edgekit.devices.doctor.machine import Machine
from edgekit.edgetpu.outside import DRIVER, offers, version_of

CAUSES = Causes()
cause = CAUSES.check

#: At this temperature the driver slows the chip down or stops it.
_HOT_CELSIUS = 85.0

_RESETS = 3
_RESET = re.compile(r"usb (?P<port>\S+): reset \S+.*USB device")
_TROUBLE = re.compile(
    r"over-current|[Uu]nder-?voltage|device descriptor read/\S+, error|not accepting address|cable is bad|"
    r"disabled by hub \(EMI\?\)"
)
_INTERRUPTS = re.compile(r"apex \S+.*(interrupts?: -\d+|RAM did not enable)|gasket.*interrupt")


@cause(Effect.STOPS)
def no_device(machine: Machine) -> Optional[str]:
    """No Edge TPU is attached to this machine.

    Plug it in; another port, another cable, and no hub between. `lsusb` shows it as 1a6e:089a or 18d1:9302,
    `lspci -nn` as 1ac1:089a.
    """
    elsewhere = machine.is_container or machine.hypervisor
    return "neither on USB nor on PCIe" if machine.system == "Linux" and not machine.tpus and not elsewhere else None


@cause(Effect.STOPS)
def no_such_device(machine: Machine) -> Optional[str]:
    """Fewer Edge TPUs are attached than the number asked for.

    They are counted from 0, on each bus: `edgekit devices` lists their names.
    """
    request = machine.request
    on_bus = [tpu for tpu in machine.tpus if request.bus in (None, tpu.bus)]
    if request.number is None or not on_bus or request.number < len(on_bus):
        return None
    return f"{request.text} was asked for; there are {len(on_bus)}"


@cause(Effect.STOPS)
def apex_is_not_usb(machine: Machine) -> Optional[str]:
    """A PCIe device (/dev/apex_0) was asked for, but what is attached is a USB Accelerator, or the other way round.

    Ask for what is there. A USB Accelerator never appears as /dev/apex_0 and needs no apex driver; the Edge TPU of a
    Dev Board or an M.2 card never appears on USB.
    """
    buses = {tpu.bus for tpu in machine.tpus}
    if machine.request.bus is None or not buses or machine.request.bus in buses:
        return None
    return f"{machine.request.text} was asked for; attached: {', '.join(tpu.name for tpu in machine.tpus)}"


@cause(Effect.STOPS)
def firmware_not_loaded(machine: Machine) -> Optional[str]:
    """The USB Accelerator waits for its firmware, which libedgetpu loads on first use; that has not worked.

    Unplug it and plug it in again, then run any model. The device changes its USB id when the firmware starts, so a
    udev rule, a container or a virtual machine must let both ids through: 1a6e:089a and 18d1:9302.
    """
    opened = machine.trial is not None and machine.trial.stage in ("device", "model")
    waiting = [tpu.name for tpu in machine.tpus if not tpu.ready]
    return f"{waiting[0]} has the id 1a6e:089a" if waiting and not opened else None


@cause(Effect.STOPS)
def no_usb_permission(machine: Machine) -> Optional[str]:
    """This user may not open the USB Accelerator.

    Install the udev rule that comes with libedgetpu1-std, or write it: in /etc/udev/rules.d/60-edgetpu.rules, for both
    1a6e:089a and 18d1:9302, `SUBSYSTEM=="usb", ATTRS{idVendor}=="…", ATTRS{idProduct}=="…", GROUP="plugdev",
    MODE="0660"`; then `sudo usermod -aG plugdev $USER`, log in again and plug the device in again.
    """
    return _forbidden(machine, "usb")


@cause(Effect.STOPS)
def no_apex_permission(machine: Machine) -> Optional[str]:
    """This user may not open /dev/apex_0.

    `sudo groupadd -f apex && sudo usermod -aG apex $USER`, a udev rule `SUBSYSTEM=="apex", MODE="0660",
    GROUP="apex"` in /etc/udev/rules.d/65-apex.rules, then log in again and restart.
    """
    return _forbidden(machine, "pci")


@cause(Effect.STOPS)
def apex_driver_missing(machine: Machine) -> Optional[str]:
    """The Edge TPU on PCIe has no driver: /dev/apex_0 is missing.

    Install the headers of the running kernel and a driver that builds on it (docs/outside.md), then
    `sudo modprobe apex`; after a kernel update rebuild it with `sudo dkms autoinstall`.
    """
    bare = [tpu.address for tpu in machine.tpus if tpu.bus == "pci" and tpu.node is None]
    return f"no driver for {bare[0]}{_drivers(machine.kernel)}" if bare else None


def _drivers(kernel: str) -> str:
    """Which drivers build on the running kernel."""
    names = ", ".join(offer.name for offer in offers(DRIVER, version_of(kernel)))
    return f"; what builds on this kernel ({kernel}): {names}" if kernel else ""


@cause(Effect.STOPS)
def pcie_interrupts(machine: Machine) -> Optional[str]:
    """The driver found the Edge TPU on PCIe but could not start it: the host gives it no MSI-X interrupts or no memory.

    It needs 13 MSI-X interrupts. On a Raspberry Pi 5 `dtoverlay=pciex1-compat-pi5,no-mip` in
    /boot/firmware/config.txt gives them; elsewhere look for a newer kernel or BIOS, or another slot.
    """
    return next((line for line in machine.log if _INTERRUPTS.search(line)), None)


@cause(Effect.STOPS)
def container_without_device(machine: Machine) -> Optional[str]:
    """This is a container, and the device was not passed into it.

    Start it with `--device /dev/apex_0` for PCIe; for USB with `-v /dev/bus/usb:/dev/bus/usb` and
    `--device-cgroup-rule 'c 189:* rmw'`, since the device gets a new number when its firmware starts.
    """
    if not machine.is_container:
        return None
    missing = [tpu.name for tpu in machine.tpus if machine.node(tpu) is None]
    if machine.tpus and not missing:
        return None
    return f"{missing[0]} is attached to the host, its device file is not here" if missing else "no device is visible"


@cause(Effect.STOPS)
def virtual_machine(machine: Machine) -> Optional[str]:
    """This is a virtual machine, and the device was not passed into it.

    Pass the device through. On USB both of its ids, 1a6e:089a and 18d1:9302, since it changes them when its firmware
    starts; better pass a whole USB controller. In WSL use `usbipd attach` after each change of the id.
    """
    return machine.hypervisor or None if not machine.tpus and not machine.is_container else None


@cause(Effect.STOPS)
def held_by_another_process(machine: Machine) -> Optional[str]:
    """Another process has the Edge TPU open; only one at a time can use it.

    End it, or have both use one process. Processes of other users show up only for root: `sudo edgekit doctor`.
    """
    for tpu in machine.tpus:
        holders = machine.holders(tpu.node) if tpu.node else []
        if holders:
            return f"{tpu.name} is held by {', '.join(holders)}"
    return None


@cause(Effect.LESSENS)
def usb_2_port(machine: Machine) -> Optional[str]:
    """The USB Accelerator runs at USB 2 speed: it works, but models that stream parameters take several times longer.

    Use a USB 3 port (blue) and the cable that came with it; a USB 2 cable or hub in between is enough to slow it down.
    """
    slow = [tpu for tpu in machine.tpus if tpu.speed_mbps is not None and tpu.speed_mbps <= 480]
    return f"{slow[0].name} is connected at {slow[0].speed_mbps} Mbit/s" if slow else None


@cause(Effect.STOPS)
def power_or_cable(machine: Machine) -> Optional[str]:
    """The kernel's log tells of resets or errors on the USB Accelerator's port: too little power, or a bad cable.

    It draws up to 900 mA: use a supply of the board's full rating, a hub with its own supply, a short cable; or take
    `libedgetpu1-std`, which draws less than `-max`.
    """
    trouble = next((line for line in machine.log if _TROUBLE.search(line)), None)
    if trouble:
        return trouble
    ports = [found.group("port") for found in map(_RESET.search, machine.log) if found]
    # One reset belongs to every opening of the device.
    often = [p for p in sorted(set(ports)) if ports.count(p) >= _RESETS and p in {t.address for t in machine.tpus}]
    return f"{ports.count(often[0])} resets on port {often[0]}" if often else None


@cause(Effect.STOPS)
def too_hot(machine: Machine) -> Optional[str]:
    """The chip is so hot that it slows down or stops.

    Give it air or a heat sink; `libedgetpu1-std` runs it at half the frequency of `-max`.
    """
    hot = [tpu for tpu in machine.tpus if tpu.celsius is not None and tpu.celsius >= _HOT_CELSIUS]
    return f"{hot[0].name} has {hot[0].celsius:.0f} °C" if hot else None


def _forbidden(machine: Machine, bus: str) -> Optional[str]:
    for tpu in machine.tpus:
        node = machine.node(tpu)
        if tpu.bus == bus and node is not None and not machine.may_open(node):
            return f"{tpu.node} is not for this user"
    return None
