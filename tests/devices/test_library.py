"""The file of libedgetpu, judged by its ELF header: fields and sizes are those of the ELF specification."""

import struct

import pytest

from edgekit.devices import library


def elf(*, bits, order="<", machine=62, sections=(1000, 40, 5), identity=b"\x7fELF"):
    """An ELF header, laid out as Elf32_Ehdr or Elf64_Ehdr: e_shoff, e_shentsize and e_shnum are `sections`."""
    begin, size, count = sections
    ident = identity + bytes([1 if bits == 32 else 2, 1 if order == "<" else 2, 1]) + bytes(9)
    word = "I" if bits == 32 else "Q"
    fields = (3, machine, 1, 0, 0, begin, 0, 52 if bits == 32 else 64, 0, 0, size, count, 0)
    return (ident + struct.pack(f"{order}HHI{word}{word}{word}IHHHHHH", *fields)).ljust(64, b"\0")


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("missing", "told"), [(0, ""), (1, "it is truncated: 1,199 of 1,200 bytes are there")])
def test_a_library_ends_with_its_table_of_sections(tmp_path, bits, order, missing, told):
    path = tmp_path / "lib.so"
    path.write_bytes(elf(bits=bits, order=order).ljust(1200 - missing, b"\0"))
    assert library.damage(path) == told


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "it is empty"),
        (elf(bits=64, sections=(0, 40, 5)), ""),
        (elf(bits=64, sections=(0, 40, 5))[:63], "it is truncated: 63 of 64 bytes are there"),
        (elf(bits=64)[:4] + b"\x03" + elf(bits=64)[5:], ""),  # of a class that nobody knows
        (elf(bits=64, identity=b"\x7fELV"), "it is no shared library"),
    ],
)
def test_what_a_libraries_first_bytes_tell(tmp_path, monkeypatch, content, told):
    monkeypatch.setattr("platform.system", lambda: "Linux")
    (tmp_path / "lib.so").write_bytes(content)
    assert library.damage(tmp_path / "lib.so") == told
    assert "cannot be read" in library.damage(tmp_path / "missing.so")
    if "no shared" in told:
        monkeypatch.setattr("platform.system", lambda: "Darwin")
        assert library.damage(tmp_path / "lib.so") == ""


@pytest.mark.parametrize(
    ("machine", "name"),
    [(3, "i386"), (40, "arm"), (62, "x86_64"), (183, "aarch64"), (243, "riscv"), (8, "machine 8")],
)
@pytest.mark.parametrize("bits", [32, 64])
def test_architectures_have_the_numbers_of_the_elf_specification(tmp_path, machine, name, bits):
    path = tmp_path / "lib.so"
    path.write_bytes(elf(bits=bits, machine=machine)[:20])
    assert library.elf_architecture(path) == name
    path.write_bytes(elf(bits=bits, machine=machine)[:19])
    assert library.elf_architecture(path) == ""
    path.write_bytes(elf(bits=bits, machine=machine, identity=b"\x7fELV"))
    assert library.elf_architecture(path) == library.elf_architecture(tmp_path / "missing") == ""


def test_the_loaders_folders_are_searched_in_order(tmp_path):
    folders = ["usr/local/lib", "usr/lib", "lib", "usr/lib64", "lib64", "usr/lib/arm-linux-gnu", "lib/arm-linux-gnu"]
    for folder in reversed(folders):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / "lib.so").touch()
        assert library.library_path(tmp_path, "lib.so") == tmp_path / folder / "lib.so"
    assert library.library_path(tmp_path, "other.so") is None


def test_a_path_is_taken_as_it_is_or_told_to_be_wrong(tmp_path):
    (tmp_path / "lib.so").touch()
    given, missing = str(tmp_path / "lib.so"), str(tmp_path / "other.so")
    assert library.library_path(tmp_path, given) == tmp_path / "lib.so"
    assert library.library_path(tmp_path, missing) is None
    assert [library.misnamed(name) for name in (given, "lib.so")] == ["", ""]
    assert library.misnamed(missing) == f"there is no file {missing}"
    assert library.misnamed(str(tmp_path)) == f"{tmp_path} is a folder"
