import io
import os
import stat
import subprocess
import sys

import pytest

from edgekit.errors import OutputError
from edgekit.files import MAX_TEXT_BYTES, check_writable, read_bytes, read_text, write_bytes, write_text, write_together


@pytest.fixture
def unprivileged():
    """Root may write everywhere, so that the tests of refusals run as nobody."""
    if not hasattr(os, "setresuid"):
        pytest.skip("needs POSIX users")
    user = os.getuid()
    if user == 0:
        os.setresuid(65534, 65534, 0)
    yield
    if user == 0:
        os.setresuid(0, 0, 0)


def test_a_file_is_written_and_replaced(tmp_path):
    path = tmp_path / "ä b.bin"
    write_bytes(path, b"one")
    write_bytes(str(path), b"two")
    assert path.read_bytes() == b"two"
    write_text(path, "grün\n")
    assert path.read_text(encoding="utf-8") == "grün\n"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_has_the_rights_that_the_user_gives_new_files(tmp_path):
    old = os.umask(0o027)
    try:
        write_bytes(tmp_path / "a", b"")
    finally:
        assert os.umask(old) == 0o027
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


@pytest.mark.parametrize("path", ["none/a.bin", "folder", "file/a.bin", "x" * 300])
def test_what_cannot_be_written_is_told_in_words(tmp_path, path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"could not be written: \w+") as caught:
        write_bytes(tmp_path / path, b"content")
    assert "not full" in caught.value.hint
    assert sorted(entry.name for entry in tmp_path.rglob("*")) == ["file", "folder"]


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path):
    resource = pytest.importorskip("resource", reason="limits on file sizes are POSIX")
    path = tmp_path / "a.bin"
    write_bytes(path, b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OutputError, match="too large"):
            write_bytes(path, b"n" * 2000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_interruption_leaves_nothing(tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_bytes(tmp_path / "a", b"content")
    assert not list(tmp_path.iterdir())


def test_a_place_that_can_be_written(tmp_path):
    check_writable(tmp_path / "new.tflite")
    (tmp_path / "old.tflite").touch()
    check_writable(tmp_path / "old.tflite")


def test_places_that_cannot_be_written(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path, reason in (("", "is a folder"), ("none/a", "There is no folder"), ("pipe", "device or a pipe")):
        with pytest.raises(OutputError, match=reason) as caught:
            check_writable(tmp_path / path)
        assert caught.value.hint
    with pytest.raises(OutputError, match="device or a pipe"):
        check_writable("/dev/null")


def test_a_folder_of_others(tmp_path, unprivileged):
    with pytest.raises(OutputError, match="may not be written by this user"):
        check_writable("/usr/a.tflite")
    with pytest.raises(OutputError, match="could not be written"):
        write_bytes("/usr/a.tflite", b"")


def test_a_name_too_long_for_the_system_is_told(tmp_path):
    with pytest.raises(OutputError):
        write_bytes(tmp_path / ("a" * 300), b"")
    check_writable(tmp_path / ("a" * 300))  # writing tells it


def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in ("/dev/zero", tmp_path / "pipe"):
        with pytest.raises(OSError, match="not a regular file"):
            read_bytes(path, 1 << 20)
    with pytest.raises(IsADirectoryError):
        read_bytes(tmp_path, 1 << 20)


def test_a_file_is_read_up_to_the_bound_and_not_beyond(tmp_path):
    (tmp_path / "text").write_bytes(b"\xef\xbb\xbfgr\xc3\xbcn")
    assert read_bytes(tmp_path / "text", 8).endswith(b"\xbcn")
    assert read_text(tmp_path / "text") == "grün"
    with pytest.raises(OSError, match="larger than 0 MiB"):
        read_bytes(tmp_path / "text", 7)
    with pytest.raises(OSError, match="larger than 64 MiB, the most that is read"):
        os.truncate(tmp_path / "text", MAX_TEXT_BYTES + 1)
        read_text(tmp_path / "text")


@pytest.mark.skipif(not os.path.exists("/proc/version"), reason="needs Linux")
def test_files_that_claim_to_be_empty_are_read_whole_and_bounded():
    assert b"Linux" in read_bytes("/proc/version", 4096)
    with pytest.raises(OSError, match="larger"):
        read_bytes("/proc/version", 4)


def test_files_that_belong_together_are_written_all_or_none(tmp_path):
    first, second = tmp_path / "model", tmp_path / "labels"
    write_together({first: b"old", second: b"old"})
    with pytest.raises(OutputError, match="labels"):
        write_together({first: b"new", tmp_path / "none" / "labels": b"new"})
    assert (first.read_bytes(), sorted(tmp_path.iterdir())) == (b"old", [second, first])
    write_together({first: b"new", second: b"new too"})
    assert (first.read_bytes(), second.read_bytes()) == (b"new", b"new too")


def test_a_disk_that_has_no_room_for_both_gets_neither_of_two_files(tmp_path):
    limits = "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))"
    write = "write_together({Path('labels'): b'1', Path('model'): b'2' * 2000})"
    code = f"import resource; from pathlib import Path; from edgekit.files import write_together; {limits}; {write}"
    environment = {**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(__file__))}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
    )
    assert "OutputError: model could not be written: File too large." in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_the_kernel_that_has_to_be_waited_for_is_refused(tmp_path, monkeypatch):
    """/proc/kmsg, where nothing is logged: a regular file by its mode, of which a read gives nothing."""
    (tmp_path / "kmsg").touch()

    class Waiting(io.FileIO):
        def read(self, size=-1):
            return None

    monkeypatch.setattr("edgekit.files.open_regular", lambda path, most: Waiting(path))
    with pytest.raises(OSError, match="is not waited for"):
        read_text(tmp_path / "kmsg")
