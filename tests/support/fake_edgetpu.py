"""The stand-in for libedgetpu, compiled once; a conftest that imports these fixtures offers them."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edgekit.devices import discovery, library, trial


@pytest.fixture(scope="session")
def fake_library(tmp_path_factory):
    compiler = shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("no C compiler (cc) on this machine, or not Linux")
    library = tmp_path_factory.mktemp("libedgetpu") / "libedgetpu.so.1"
    source = Path(__file__).with_name("fake_edgetpu.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(source)], check=True)
    return library


@pytest.fixture
def fake_edgetpu(fake_library, tmp_path, monkeypatch):
    """Sets the library to load; call it to say what goes wrong. A copy for each test: a process loads one file once."""
    copy = tmp_path / "libedgetpu.so.1"
    shutil.copy(str(fake_library), str(copy))
    monkeypatch.setenv(library.VARIABLE, str(copy))

    def configure(mode="", **variables):
        monkeypatch.setenv("FAKE_EDGETPU", mode)
        for name, value in variables.items():
            monkeypatch.setenv(name.upper(), str(value))
        trial._trial.cache_clear()
        return copy

    yield configure
    trial._trial.cache_clear()


@pytest.fixture
def one_usb_device(tmp_path, monkeypatch):
    """A machine with one USB Accelerator, as discovery sees it."""
    folder = tmp_path / "machine/sys/bus/usb/devices/2-1"
    folder.mkdir(parents=True)
    facts = {"idVendor": "18d1", "idProduct": "9302", "busnum": "2", "devnum": "3", "speed": "5000"}
    for name, value in facts.items():
        (folder / name).write_text(value + "\n")
    monkeypatch.setattr(discovery, "ROOT", tmp_path / "machine")
