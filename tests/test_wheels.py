"""That a board's pip finds everything as wheels: asked of pip itself, which resolves for another machine."""

import configparser
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
#: What pip accepts on Debian 12 and Raspberry Pi OS, whose glibc is 2.36.
PLATFORMS = ("manylinux2014_aarch64", *(f"manylinux_2_{minor}_aarch64" for minor in range(17, 37)))
_NO_INDEX = ("NewConnectionError", "from versions: none)\nERROR: No matching distribution found for numpy")


@pytest.fixture(scope="module")
def requirements():
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    lines = parser["options"]["install_requires"] + parser["options.extras_require"]["convert"]
    named = [line for line in lines.splitlines() if line.strip() and not line.startswith("#")]
    return [line for line in named if '< "3.10"' not in line]


@pytest.mark.parametrize("python", ["3.11", "3.13"])
def test_what_converting_needs_exists_for_aarch64(requirements, python, tmp_path):
    platforms = [part for name in PLATFORMS for part in ("--platform", name)]
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--dry-run", "--ignore-installed"]
    target = ["--target", str(tmp_path), "--only-binary=:all:", "--implementation", "cp", "--python-version", python]
    done = subprocess.run([*pip, *target, *platforms, *requirements], capture_output=True, text=True, timeout=300)
    if any(sign in done.stderr for sign in _NO_INDEX):
        pytest.skip("no package index within reach")
    assert done.returncode == 0, done.stderr[-500:]
    assert "tensorflow" not in done.stdout.lower()
