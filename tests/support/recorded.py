"""Machines written down as text, and made into files: trees/*.txt.

path = text      a file of one line          path + text     one more line
path -> target   a symbolic link             path mode 660   an empty file with these rights
path elf 183     a library for a machine     path absent     not there after all
"""

import shutil
from pathlib import Path

from edgekit.devices.discovery import attached
from edgekit.devices.doctor.machine import Identity, Machine, kernel_log
from edgekit.devices.library import library_path
from edgekit.devices.request import parse_device
from edgekit.devices.trial import Trial

TREES = Path(__file__).with_name("trees")
WORKS = Trial("device", runtime=14)
#: Nobody whom a file made by a test belongs to.
STRANGER = Identity(user=54321, groups=frozenset([54321]))


def plant(root, *names):
    """Makes the trees under a folder, later ones over earlier ones."""
    root.mkdir(exist_ok=True)
    for name in names:
        for line in (TREES / f"{name}.txt").read_text(encoding="utf-8").splitlines():
            if line and not line.startswith("#"):
                _make(root, *line.split(" ", 2))
    return root


def machine(
    root,
    *names,
    trial=WORKS,
    device="auto",
    needs=None,
    problem="",
    twin_problem="",
    chosen="",
    system="Linux",
    **others,
):
    """The facts of a machine made of trees, as an aarch64 Python of user STRANGER sees them."""
    plant(root, *names)
    return Machine(
        root=root,
        system=system,
        architecture="aarch64",
        interpreter_problem=problem,
        library=library_path(root, "libedgetpu.so.1"),
        trial=trial,
        tpus=attached(root),
        identity=STRANGER,
        request=parse_device(device),
        model_runtime=needs,
        log=tuple(kernel_log(root)),
        twin_problem=twin_problem,
        chosen_library=chosen,
        **others,
    )


def _make(root, name, verb, value=""):
    path = root / name
    if verb == "absent":
        shutil.rmtree(str(path)) if path.is_dir() and not path.is_symlink() else path.unlink()
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    if verb == "->":
        path.symlink_to(value)
    elif verb == "mode":
        path.touch()
        path.chmod(int(value, 8))
    elif verb == "elf":
        path.write_bytes(b"\x7fELF\x02\x01\x01" + bytes(11) + int(value).to_bytes(2, "little") + bytes(44))
    else:
        with path.open("a" if verb == "+" else "w", encoding="utf-8") as stream:
            stream.write(value + "\n")
