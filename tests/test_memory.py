import subprocess
import sys

import pytest

from edgekit.errors import OutOfMemoryError
from edgekit.memory import check_room_for_scipy

_PROGRAM = """
import os, resource, sys
from edgekit.memory import check_room_for_scipy
with open("/proc/self/statm") as stream:
    taken = int(stream.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
resource.setrlimit(resource.RLIMIT_AS, (taken + (int(sys.argv[1]) << 20),) * 2)
check_room_for_scipy()
import scipy.linalg
"""


@pytest.mark.skipif(sys.platform != "linux", reason="address space is limited on Linux")
@pytest.mark.parametrize("megabytes", [20, 60, 110, 160, 10_000])
def test_scipy_is_not_loaded_where_it_would_ask_for_memory_for_ever(megabytes):
    done = subprocess.run([sys.executable, "-c", _PROGRAM, str(megabytes)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 or "OutOfMemoryError: There is not enough memory for scipy." in done.stderr
    assert (done.returncode == 0) is (megabytes == 10_000)


def test_without_a_limit_nothing_is_asked(monkeypatch):
    monkeypatch.setattr("edgekit.memory.limit", lambda: None)
    monkeypatch.setattr("builtins.open", lambda *_: pytest.fail("asked"))
    check_room_for_scipy()


def test_a_limit_that_is_used_up_is_told(monkeypatch):
    pytest.importorskip("resource")
    monkeypatch.setattr("edgekit.memory.limit", lambda: 1 << 20)
    monkeypatch.delitem(sys.modules, "scipy.linalg", raising=False)
    if sys.platform == "linux":
        with pytest.raises(OutOfMemoryError, match="not enough memory for scipy"):
            check_room_for_scipy()
