"""A fake phone on the PATH, see fake_adb.py."""

import json
import os
import struct
import sys
from pathlib import Path

MACHINES = {"arm64-v8a": 183, "armeabi-v7a": 40, "x86_64": 62}


def binary(path, abi="arm64-v8a"):
    """A file with the header of a program for one of Android's processors."""
    path.write_bytes(b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HH", 3, MACHINES[abi]) + bytes(44))
    return path


class FakePhone:
    """How the phone behaves is what `behave` was given; `calls` are the binary's runs, [device, flags]."""

    def __init__(self, folder, patch):
        self.folder = folder
        self._behaviour = {
            "devices": {"FAKE1": "device"},
            "props": {
                "ro.product.manufacturer": "Maker",
                "ro.product.model": "Fone 3",
                "ro.build.version.release": "14",
                "ro.soc.model": "SC1000",
                "ro.product.cpu.abilist": "arm64-v8a,armeabi-v7a",
            },
            "binary": "new",
        }
        for path, text in (
            ("sys/devices/system/cpu/cpufreq/policy0/scaling_governor", "schedutil\n"),
            ("proc/loadavg", "1.25 1.10 0.90 2/1200 4711\n"),
            ("data/local/tmp/notes.txt", "somebody's\n"),
        ):
            (folder / "disk" / path).parent.mkdir(parents=True)
            (folder / "disk" / path).write_text(text)
        tools = folder / "tools"
        tools.mkdir()
        script = tools / "adb"
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "{Path(__file__).with_name("fake_adb.py")}" "$@"\n')
        script.chmod(0o755)
        patch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
        patch.setenv("EDGEKIT_FAKE_PHONE", str(folder))
        patch.delenv("ANDROID_SERIAL", raising=False)
        self.behave()

    def behave(self, **changes):
        self._behaviour.update(changes)
        (self.folder / "phone.json").write_text(json.dumps(self._behaviour))

    @property
    def calls(self):
        path = self.folder / "calls"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    @property
    def left(self):
        """What lies in the phone's folder for temporary files."""
        return sorted(path.name for path in (self.folder / "disk/data/local/tmp").iterdir())
