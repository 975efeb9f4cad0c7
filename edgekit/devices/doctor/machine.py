"""What the doctor looks at: facts about this machine, read once from its files.

Everything is read below a root, so that a recorded tree does as well as a machine.
"""

import os
import platform
import re
import stat
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import FrozenSet, Iterator, List, NamedTuple, Optional, Tuple

from edgekit.devices import discovery
from edgekit.devices.discovery import EdgeTpu, attached, entries, read_text
from edgekit.devices.interpreter import interpreter_package
from edgekit.devices.library import chosen_library, damage, elf_architecture, library_name, library_path, misnamed
from edgekit.devices.request import Request, parse_device
from edgekit.devices.trial import Trial, try_library
from edgekit.devices.twin import find_twin, twin_path
from edgekit.edgetpu.compiler.package import read_compiled
from edgekit.errors import DeviceError, EdgekitError
from edgekit.install import other_edgekit
from edgekit.tflite.graph import Graph

_CONTAINER = re.compile(r"docker|kubepods|containerd|libpod|lxc")
_HYPERVISORS = ("QEMU", "KVM", "VMware", "VirtualBox", "innotek", "Xen", "Parallels", "Virtual Machine", "Bochs")
# The kernel's log can hold days; the last records tell what is wrong now.
_LOG_BYTES = 1 << 20


class Identity(NamedTuple):
    """Who asks: a user's number and the numbers of the groups they are in."""

    user: int
    groups: FrozenSet[int]


@dataclass(frozen=True)
class Machine:
    """The facts.

    Attributes:
      root: below which files were read.
      system: "Linux", "Darwin", "Windows".
      architecture: of this Python, one of `ARCHITECTURES`' names; "" where unknown.
      interpreter_problem: why there is no TFLite interpreter, or "".
      chosen_library: what `EDGEKIT_LIBEDGETPU` holds, or "".
      library: where libedgetpu lies, or None.
      trial: what a child process made of it, or None where it was not tried.
      tpus: what is attached.
      identity: who asks, or None where the system knows no such numbers.
      request: the device asked for.
      model_runtime: lowest Edge TPU runtime that runs the model asked about, or None.
      cpu_twin: the file that should be that model's CPU twin, or None where there is none beside it.
      twin_problem: why that file is not the CPU twin, or "".
      log: the kernel's last messages; () where they may not be read.
      other_edgekit: another project's package of the same name that is installed, or "".
    """

    root: Path
    system: str
    architecture: str
    interpreter_problem: str
    library: Optional[Path]
    trial: Optional[Trial]
    tpus: Tuple[EdgeTpu, ...]
    identity: Optional[Identity]
    request: Request
    model_runtime: Optional[int]
    log: Tuple[str, ...]
    chosen_library: str = ""
    other_edgekit: str = ""
    cpu_twin: Optional[Path] = None
    twin_problem: str = ""

    def node(self, tpu: EdgeTpu) -> Optional[Path]:
        """The device's file below the root, or None where it is not there."""
        path = self.root / tpu.node.lstrip("/") if tpu.node else None
        return path if path is not None and path.exists() else None

    def may_open(self, path: Path) -> bool:
        """Whether who asks may read and write a file."""
        if self.identity is None or self.identity.user == 0:
            return True
        found = path.stat()
        mode, owner = found.st_mode, found.st_uid == self.identity.user
        needed = 0o600 if owner else 0o060 if found.st_gid in self.identity.groups else 0o006
        return stat.S_IMODE(mode) & needed == needed

    @property
    def is_container(self) -> bool:
        """Whether this is a container."""
        marks = (self.root / ".dockerenv", self.root / "run/.containerenv")
        return any(path.exists() for path in marks) or bool(_CONTAINER.search(self._text("proc/1/cgroup")))

    @property
    def kernel(self) -> str:
        """The running kernel's release, such as "6.12.5-v8+"; "" where it is not told."""
        return self._text("proc/sys/kernel/osrelease").strip()

    @property
    def hypervisor(self) -> str:
        """What this machine is simulated by, or "" for a real one."""
        if "microsoft" in self._text("proc/version").lower():
            return "WSL"
        maker = f"{self._text('sys/class/dmi/id/sys_vendor')} {self._text('sys/class/dmi/id/product_name')}"
        known = next((name for name in _HYPERVISORS if name in maker), "")
        return known or (
            "a hypervisor" if re.search(r"^flags.*\bhypervisor\b", self._text("proc/cpuinfo"), re.M) else ""
        )

    def holders(self, node: str) -> List[str]:
        """Processes that have a device file open, as `name (number)`; only one's own are visible to a user."""
        return [
            f"{read_text(process / 'comm') or '?'} ({process.name})"
            for process in entries(self.root / "proc")
            if process.name.isdigit() and process.name != str(os.getpid()) and node in _open_files(process)
        ]

    def library_misnamed(self) -> str:
        """What is wrong with what `EDGEKIT_LIBEDGETPU` holds, or "" where it is unset or right."""
        if not self.chosen_library or self.library is not None:
            return ""
        return misnamed(self.chosen_library) or f"the loader's folders hold no {self.chosen_library}"

    def library_damage(self) -> str:
        """What is wrong with the library's file, or ""."""
        return damage(self.library) if self.library else ""

    def library_architecture(self) -> str:
        """What the library was built for, or "" where that cannot be told."""
        return elf_architecture(self.library) if self.library else ""

    def _text(self, name: str) -> str:
        return read_text(self.root / name) or ""


def examine(device: str = "auto", model: Optional[str] = None) -> Machine:
    """This machine's facts; tries the library in a child process, on `model` where it is compiled.

    Raises:
      UsageError: there is no such device.
      ModelFormatError: the model is missing, damaged or not compiled.
    """
    request = parse_device(device)
    compiled = read_compiled(model) if model else None
    twin, twin_problem = _cpu_twin(model, compiled.graph) if model and compiled else (None, "")
    problem = _interpreter_problem()
    trial = None if problem else try_library(request.options.get("device", ""), model)
    return Machine(
        root=discovery.ROOT,
        system=platform.system(),
        architecture=elf_architecture(Path(sys.executable)),
        interpreter_problem=problem,
        library=library_path(discovery.ROOT, library_name()),
        trial=trial,
        other_edgekit=other_edgekit(),
        tpus=attached(),
        identity=_identity(),
        request=request,
        model_runtime=compiled.min_runtime if compiled else None,
        log=tuple(kernel_log(discovery.ROOT)),
        chosen_library=chosen_library(),
        cpu_twin=twin,
        twin_problem=twin_problem,
    )


def kernel_log(root: Path) -> Iterator[str]:
    """The kernel's messages, oldest first, without their headers; none where they may not be read."""
    try:
        # Non-blocking: at the end of the log /dev/kmsg would wait for the next message.
        handle = os.open(str(root / "dev/kmsg"), os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        return
    with os.fdopen(handle, "rb", buffering=0) as stream:
        left = _LOG_BYTES
        while left > 0:
            try:
                record = stream.read(8192)
            except BrokenPipeError:  # messages were overwritten before they were read; later ones are there
                continue
            except OSError:
                return
            if not record:
                return
            left -= len(record)
            yield from (line.split(";", 1)[-1] for line in record.decode("utf-8", "replace").splitlines())


def _open_files(process: Path) -> List[str]:
    found = []
    for link in entries(process / "fd"):
        try:
            found.append(os.readlink(str(link)))
        except OSError:  # closed in the meantime, or another user's
            continue
    return found


def _cpu_twin(model: str, compiled: Graph) -> Tuple[Optional[Path], str]:
    """The file that should be a compiled model's CPU twin, and why it is not, or ""."""
    path = twin_path(model, compiled)
    if path is None:
        return None, ""
    try:
        find_twin(model, compiled)
    except EdgekitError as error:
        return path, error.message
    return path, ""


def _interpreter_problem() -> str:
    try:
        interpreter_package()
    except DeviceError as error:
        return error.message
    return ""


def _identity() -> Optional[Identity]:
    if not hasattr(os, "getuid"):
        return None
    return Identity(os.getuid(), frozenset([os.getgid(), *os.getgroups()]))
