"""Which Edge TPUs are attached, read from sysfs: no libusb, no driver, no root."""

from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, List, Optional, Tuple

#: USB (vendor, product) before the device's firmware is loaded, which its library does on first use, and after.
USB_BOOTING, USB_READY = ("1a6e", "089a"), ("18d1", "9302")
#: PCIe (vendor, device).
PCI_ID = ("1ac1", "089a")

#: Where the machine's own files begin. Tests read recorded trees instead.
ROOT = Path("/")


@dataclass(frozen=True)
class EdgeTpu:
    """An attached Edge TPU.

    Attributes:
      bus: "usb" or "pci".
      number: which one on its bus, from 0.
      address: its name in sysfs, such as "2-1" or "0000:01:00.0".
      node: the device file that opens it, such as "/dev/bus/usb/002/003" or "/dev/apex_0"; None where
        the kernel has made none.
      ready: whether its firmware is loaded. A USB device gets it on first use, and then changes its ids.
      speed_mbps: speed of the USB port it is on, or None.
      celsius: temperature of the chip, or None where it is not told (USB).
    """

    bus: str
    number: int
    address: str
    node: Optional[str]
    ready: bool = True
    speed_mbps: Optional[int] = None
    celsius: Optional[float] = None

    @property
    def name(self) -> str:
        """As `device` takes it: `usb:0`."""
        return f"{self.bus}:{self.number}"


def attached(root: Optional[Path] = None) -> Tuple[EdgeTpu, ...]:
    """The attached Edge TPUs, PCIe first, as the runtime numbers them. () where there is no sysfs."""
    root = ROOT if root is None else root
    return (*_pci(root), *_usb(root))


def read_text(path: Path) -> Optional[str]:
    """A small file's text, or None where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except (OSError, ValueError):
        return None


def entries(folder: Path) -> List[Path]:
    """What is in a folder, sorted; nothing where it cannot be read."""
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _usb(root: Path) -> Iterator[EdgeTpu]:
    ids = {folder: _ids(folder, "idVendor", "idProduct") for folder in entries(root / "sys/bus/usb/devices")}
    known = [folder for folder in ids if ids[folder] in (USB_BOOTING, USB_READY)]
    for number, folder in enumerate(known):
        bus, device = (_number(read_text(folder / name)) for name in ("busnum", "devnum"))
        yield EdgeTpu(
            bus="usb",
            number=number,
            address=folder.name,
            node=f"/dev/bus/usb/{bus:03d}/{device:03d}" if bus is not None and device is not None else None,
            ready=ids[folder] == USB_READY,
            speed_mbps=_number(read_text(folder / "speed")),
        )


def _pci(root: Path) -> Iterator[EdgeTpu]:
    known = [f for f in entries(root / "sys/bus/pci/devices") if _ids(f, "vendor", "device") == PCI_ID]
    for number, folder in enumerate(known):
        apex = _apex(root, folder.name)
        heat = _number(read_text(root / "sys/class/apex" / apex / "temp")) if apex else None
        yield EdgeTpu(
            bus="pci",
            number=number,
            address=folder.name,
            node=f"/dev/{apex}" if apex else None,
            celsius=None if heat is None else heat / 1000,
        )


def _apex(root: Path, address: str) -> Optional[str]:
    """Name of the driver's device for a PCIe address: `apex_0`."""
    for folder in entries(root / "sys/class/apex"):
        if address in (read_text(folder / "device_address") or "", _target(folder / "device")):
            return folder.name
    return None


def _target(link: Path) -> str:
    """Name of the folder that a symbolic link leads to."""
    try:
        return link.resolve().name
    except (OSError, RuntimeError):
        return ""


def _ids(folder: Path, vendor: str, product: str) -> Tuple[str, str]:
    """The two ids of a device in lower-case hexadecimal; PCI writes 0x before them."""
    first, second = ((read_text(folder / name) or "").lower() for name in (vendor, product))
    return (first[2:], second[2:]) if first.startswith("0x") else (first, second)


def _number(text: Optional[str]) -> Optional[int]:
    try:
        return int(float(text)) if text else None
    except (ValueError, OverflowError):
        return None
