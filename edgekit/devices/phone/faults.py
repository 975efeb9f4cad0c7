"""What adb, the phone's shell and the benchmark binary say when they fail, and what to do about it."""

import re
from dataclasses import dataclass
from typing import Optional, Tuple

from edgekit.errors import DeviceError


@dataclass(frozen=True)
class Fault:
    """A failure.

    Attributes:
      pattern: of the tool's own words.
      message: what happened.
      hint: what to do next.
    """

    pattern: str
    message: str
    hint: str


#: The most telling ones first. The words are those of adb (platform-tools 1.0.31 to 35) and of Android's shell.
FAULTS: Tuple[Fault, ...] = (
    Fault(
        r"unauthorized",
        "The phone has not authorised this computer.",
        "Unlock it and confirm «Allow USB debugging»; if it does not ask, run `adb kill-server` and plug it in again.",
    ),
    Fault(
        r"no permissions",
        "This user may not open the phone's USB device.",
        "Install Android's udev rules (Debian, Ubuntu: android-sdk-platform-tools-common), then plug it in again.",
    ),
    Fault(
        r"more than one device",
        "Several phones are attached.",
        "Say which one with --serial; `adb devices` lists them.",
    ),
    Fault(
        r"no devices/emulators found|no devices found",
        "No phone is attached.",
        "Plug one in with USB debugging on (Settings, Developer options), then check with: adb devices",
    ),
    Fault(
        r"device '[^']*' not found|device not found",
        "The phone is not attached any more.",
        "Check the cable, then: adb devices",
    ),
    Fault(
        r"device (?:still )?(?:offline|connecting|authorizing)|closed$",
        "The phone is attached but does not answer (offline).",
        "Plug it in again; if that does not help, run `adb kill-server` and restart the phone.",
    ),
    Fault(
        r"No space left on device|not enough space|ENOSPC",
        "The phone's storage is full.",
        "Free some space in /data, or remove what earlier runs left in /data/local/tmp.",
    ),
    Fault(
        r"Read-only file system",
        "The phone's folder /data/local/tmp is read-only.",
        "adb may write there while a phone is in its normal state: restart it and try again.",
    ),
    Fault(
        r"CANNOT LINK EXECUTABLE[^\n]*?library \"([^\"]+)\"",
        "The benchmark binary needs the library {0}, which the phone lacks.",
        "Use the binary that its makers publish, which needs none of its own.",
    ),
    Fault(
        r"not executable: \S+ ELF|[Ee]xec format error|has unexpected e_machine|wrong ELF class|not executable: magic",
        "The benchmark binary is for another processor than the phone's.",
        "Take the one for the phone: android_aarch64_benchmark_model on nearly every phone, android_arm_… on old ones.",
    ),
    Fault(
        r"[Pp]ermission denied",
        "The phone does not let adb write or run programs in /data/local/tmp.",
        "Phones managed by a company or in guest mode may forbid it: use another phone or user.",
    ),
    Fault(
        r"Segmentation fault|SIGSEGV|signal 11",
        "The benchmark binary crashed (segmentation fault).",
        "Often a driver's fault: try another accelerator with --device, or a newer binary.",
    ),
    Fault(
        r"\bKilled\b|signal 9|Out of memory|bad_alloc",
        "The phone ended the benchmark binary: there was likely not enough memory.",
        "Close other apps, or try a smaller model.",
    ),
)

_TELLING = re.compile(r"^(?:ERROR|FATAL|E)\b[: ]+(.+)$", re.M)


def explain(text: str) -> Optional[DeviceError]:
    """A tool's output as an error in words to act on; None where it is none of those known."""
    for fault in FAULTS:
        match = re.search(fault.pattern, text, re.M)
        if match:
            return DeviceError(fault.message.format(*match.groups()), fault.hint)
    return None


def last_words(text: str) -> str:
    """The line that says most of a tool's output: the first error, else the last line; cut to a screen's width."""
    errors = [found for found in _TELLING.findall(text) if not found.startswith("Benchmarking failed")]
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return (errors or lines[-1:] or ["it says nothing"])[0][:160].rstrip(".")
