import io
import os
import tarfile

import pytest

from edgekit.edgetpu.compiler import supply
from edgekit.edgetpu.compiler.compiler import compile_model
from edgekit.edgetpu.compiler.handoff import write_handoff
from edgekit.edgetpu.compiler.supply import command_of, find_compiler, started, unpack
from edgekit.errors import CompilerError
from tests.support.recordings import FAKE_COMPILER, compiled_model, int8_model, record, success_text

# Started as the real one: LOADER --library-path FOLDER PROGRAM ARGUMENTS; it notes that it was asked.
LOADER = """#!/bin/sh
[ "$1" = --library-path ] && [ -f "$2/libc.so.6" ] || exit 99
echo started through the loader
shift 2
exec "$@"
"""
BIN = "usr/bin/edgetpu_compiler_bin"
FILES = {
    "usr/bin/edgetpu_compiler": "#!/bin/sh\nexit 98\n",  # a script that wants to be installed
    f"{BIN}/edgetpu_compiler": FAKE_COMPILER.read_text(),
    f"{BIN}/ld-linux-x86-64.so.2": LOADER,
    f"{BIN}/libc.so.6": "a library",
}


def tar(files, compression, **links):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=f"w:{compression}") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(text.encode()), 0o755
            archive.addfile(entry, io.BytesIO(text.encode()))
        for name, target in links.items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            archive.addfile(entry)
    return stream.getvalue()


def deb(data, name="data.tar.xz"):
    """An ar archive as Debian packages are: version, control, data."""
    parts = [("debian-binary", b"2.0\n"), ("control.tar.xz", tar({"control": "Package: x"}, "xz")), (name, data)]
    content = b"!<arch>\n"
    for title, part in parts:
        content += (
            f"{title:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(part):<10}`\n".encode() + part + b"\n" * (len(part) % 2)
        )
    return content


ARCHIVES = {
    "edgetpu-compiler_16.0_amd64.deb": deb(tar(FILES, "xz")),
    "compiler-gz.deb": deb(tar(FILES, "gz"), "data.tar.gz"),
    "edgetpu_compiler.tar.gz": tar({f"edgetpu/{os.path.basename(n)}": t for n, t in FILES.items() if BIN in n}, "gz"),
    "edgetpu_compiler.tar.xz": tar(FILES, "xz"),
}


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "net.tflite"
    path.write_bytes(int8_model())
    return path


@pytest.mark.parametrize("name", ARCHIVES)
def test_an_archive_compiles_without_being_installed(runs, model, tmp_path, monkeypatch, name):
    """End to end in an environment whose PATH has no compiler and no package manager."""
    path = tmp_path / name
    path.write_bytes(ARCHIVES[name])
    record(runs, compiled=compiled_model(), stdout=success_text())
    report = compile_model(model, compiler=path)
    assert report.fully_mapped and (tmp_path / "net_edgetpu.tflite").exists()
    assert "started through the loader" in report.printed


def test_an_archive_can_be_named_by_the_environment(runs, model, tmp_path, monkeypatch):
    path = tmp_path / "c.deb"
    path.write_bytes(ARCHIVES["edgetpu-compiler_16.0_amd64.deb"])
    monkeypatch.setenv("EDGEKIT_EDGETPU_COMPILER", str(path))
    record(runs, compiled=compiled_model(), stdout=success_text())
    assert "started through the loader" in compile_model(model).printed


def test_nothing_unpacked_is_left_behind(tmp_path):
    path = tmp_path / "c.deb"
    path.write_bytes(ARCHIVES["edgetpu-compiler_16.0_amd64.deb"])
    with started(find_compiler(path)) as command:
        assert os.path.isfile(command[-1])
    assert not os.path.exists(command[-1])


def test_a_folder_holds_the_program(tmp_path):
    unpack_to(tmp_path, FILES)
    assert find_compiler(tmp_path) == (tmp_path / BIN / "edgetpu_compiler").resolve()
    plain = unpack_to(tmp_path / "plain", {"bin/edgetpu_compiler": "#!/bin/sh\n"})
    found = find_compiler(plain)
    assert command_of(found) == (str((plain / "bin/edgetpu_compiler").resolve()),)


def test_a_program_beside_its_loader_is_started_through_it(tmp_path):
    folder = unpack_to(tmp_path, FILES) / BIN
    program = find_compiler(folder / "edgetpu_compiler")
    assert command_of(program)[:2] == (str(folder.resolve() / "ld-linux-x86-64.so.2"), "--library-path")


def unpack_to(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
    return folder


def test_links_within_an_archive_become_what_they_refer_to(tmp_path):
    archive = tmp_path / "a.tar.gz"
    archive.write_bytes(tar({"lib/libx.so.1": "library"}, "gz", **{"lib/libx.so": "libx.so.1"}))
    unpack(archive, tmp_path / "out")
    assert (tmp_path / "out/lib/libx.so").read_text() == "library"
    assert not (tmp_path / "out/lib/libx.so").is_symlink()


@pytest.mark.parametrize(("most", "fits"), [(8, True), (7, False)])
def test_an_archive_of_more_bytes_than_there_is_room_for_is_refused(tmp_path, monkeypatch, most, fits):
    (tmp_path / "given.tar").write_bytes(tar({"a": "three", "b": "two"}, ""))
    with open(tmp_path / "given.tar", "rb") as stream, tarfile.open(fileobj=stream) as archive:
        first, second = archive
        room = most - supply._write(archive, first, tmp_path / "out", most)
        if fits:
            assert supply._write(archive, second, tmp_path / "out", room) == 3
        else:
            with pytest.raises(ValueError, match="absurd size"):
                supply._write(archive, second, tmp_path / "out", room)


@pytest.mark.parametrize("name", ["/tmp/edgekit-escape", "../edgekit-escape", "a/../../edgekit-escape"])
def test_no_archive_writes_outside_of_its_folder(tmp_path, name):
    archive = tmp_path / "a.tar.gz"
    archive.write_bytes(tar({name: "x", "fine": "y"}, "gz"))
    unpack(archive, tmp_path / "in" / "out")
    assert [path.name for path in (tmp_path / "in").rglob("*") if path.is_file()] == ["fine"]
    assert not os.path.exists("/tmp/edgekit-escape") and not (tmp_path / "edgekit-escape").exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"!<arch>\nrubbish", "no data.tar"),
        (deb(b"\x28\xb5\x2f\xfd", "data.tar.zst"), "compressed with zstd"),
        (deb(b"no archive"), "could not be unpacked"),
        (tar(FILES, "gz")[:900], "could not be unpacked"),
        (tar({"readme": "x"}, "gz"), "holds no edgetpu_compiler"),
    ],
)
def test_a_damaged_archive_is_an_error_in_words(model, tmp_path, content, said):
    path = tmp_path / "given.archive"
    path.write_bytes(content)
    with pytest.raises(CompilerError, match=said) as raised:
        compile_model(model, compiler=path)
    assert "given.archive" in raised.value.message and raised.value.hint


def test_the_handoff_builds_from_a_given_archive(model, tmp_path):
    archive = tmp_path / "edgetpu-compiler_16.0_amd64.deb"
    archive.write_bytes(ARCHIVES[archive.name])
    written = write_handoff([model], tmp_path / "out", archive=archive)
    assert tmp_path / "out" / archive.name in written
    recipe = (tmp_path / "out" / "Containerfile").read_text()
    assert f'COPY ["{archive.name}", "/opt/archive"]' in recipe
    assert "packages.cloud" not in recipe and "apt-get" not in recipe and "{" not in recipe.replace("${", "")


def test_the_handoff_without_an_archive_says_what_is_known_of_its_sources(model, tmp_path):
    write_handoff([model], tmp_path / "out")
    recipe = (tmp_path / "out" / "Containerfile").read_text()
    assert "answers 404 in parts" in recipe and "--compiler ARCHIVE" in recipe and "apt-get install" in recipe
